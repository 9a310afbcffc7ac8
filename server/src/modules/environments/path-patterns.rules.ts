// Patterns of paths, as `.dockerignore` and the sources of COPY have them: `*` and `?` within a name, `**` for any folders, `!` for what
// stays. Names are compared with a bounded amount of work, however a pattern is made. Pure.
// Source: Dockerfile reference, `.dockerignore file`; Go's filepath.Match.

export type Pattern = { readonly isKept: boolean; readonly parts: readonly string[] };

/** What all comparisons of one use may take together. */
export type Work = { left: number };

export class TooMuchWork extends Error {}

const linesMax = 500;
const lengthMax = 1000;

/** Answers why it cannot be read, as text, where it cannot. */
export function readIgnore(text: string): readonly Pattern[] | string {
  const lines = text.split(/\r?\n/);
  if (lines.length > linesMax + 1) return `it has more than ${linesMax} lines.`;
  const patterns: Pattern[] = [];
  for (const [index, each] of lines.entries()) {
    const line = each.trim();
    if (line === '' || each.startsWith('#')) continue;
    const isKept = line.startsWith('!');
    const found = readPattern(isKept ? line.slice(1).trim() : line);
    if (typeof found === 'string') return `line ${index + 1}: '${line.slice(0, 60)}' ${found}`;
    if (found.length > 0) patterns.push({ isKept, parts: found });
  }
  return patterns;
}

/** The parts of a pattern in normal form; as text why it is none. */
export function readPattern(text: string): readonly string[] | string {
  if (text.length > lengthMax) return 'is too long.';
  if (/[[\]\\]/.test(text)) return 'has a set of characters or an escape, which is not served: write * or ?.';
  const parts = text.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) return "climbs out of the context with '..'.";
  if (parts.some((part) => part !== '**' && part.includes('**')))
    return 'has ** within a name: it stands for folders, alone between slashes.';
  return parts;
}

export const isPattern = (parts: readonly string[]): boolean => parts.some((part) => /[*?]/.test(part));

/** Whether a file is left out: the last pattern that fits it, or a folder that it lies in, decides. */
export function isIgnored(patterns: readonly Pattern[], path: string, work: Work): boolean {
  const parts = path.split('/');
  let isOut = false;
  for (const { isKept, parts: pattern } of patterns)
    if (isOut === isKept && fits(pattern, parts, work, true)) isOut = !isKept;
  return isOut;
}

/**
 * Whether a pattern fits a path.
 * @param orAbove or a folder that it lies in
 */
export function fits(pattern: readonly string[], path: readonly string[], work: Work, orAbove = false): boolean {
  /** Which parts of the pattern may come next. */
  let open = closed(pattern, new Set([0]));
  for (const part of path) {
    if (orAbove && open.has(pattern.length)) return true;
    const next = new Set<number>();
    for (const at of open) {
      const wanted = pattern[at];
      if (wanted === '**') next.add(at);
      else if (wanted !== undefined && fitsName(wanted, part, work)) next.add(at + 1);
    }
    open = closed(pattern, next);
    if (open.size === 0) return false;
  }
  return open.has(pattern.length);
}

/** `**` may stand for nothing. */
function closed(pattern: readonly string[], open: Set<number>): Set<number> {
  for (const at of open) if (pattern[at] === '**') open.add(at + 1);
  return open;
}

/** With one star to come back to: no more than the product of both lengths. */
function fitsName(pattern: string, name: string, work: Work): boolean {
  let [at, star, from] = [0, -1, 0];
  for (let index = 0; index < name.length; ) {
    work.left -= 1;
    if (work.left < 0) throw new TooMuchWork('patterns and names are more than is compared');
    const wanted = pattern.charAt(at);
    if (wanted === '*') {
      star = at;
      from = index;
      at += 1;
    } else if (wanted === '?' || (wanted !== '' && wanted === name.charAt(index))) {
      at += 1;
      index += 1;
    } else if (star >= 0) {
      at = star + 1;
      from += 1;
      index = from;
    } else return false;
  }
  while (pattern.charAt(at) === '*') at += 1;
  return at === pattern.length;
}
