// Which files stay at home: `.amlignore` of the folder's root, otherwise its `.gitignore`, in git's pattern language
// (comments, `!`, a trailing slash for folders, a slash inside for the root only, `*`, `?`, `[…]`, `**`). As with git, what
// lies in a folder that is left out cannot be taken back in. No regular expressions: a pattern that somebody else wrote
// must not be able to take forever.

export type Ignores = (path: string, isFolder: boolean) => boolean;

/** Of one segment: any characters, or one character that fits. */
type Piece = 'any' | ((char: string) => boolean);
/** Of a path: any segments, or one segment. */
type Step = 'anywhere' | readonly Piece[];
type Rule = { readonly steps: readonly Step[]; readonly taken: boolean; readonly foldersOnly: boolean };

/** Never part of a snapshot, whatever the file says. */
const always = ['.git', '__pycache__', '.ipynb_checkpoints', '.amlignore'];
const rulesMax = 1000;
const ruleLengthMax = 512;

/** The one way to match, for characters and for segments: only the last wildcard is ever tried again, so time is at most the product of both lengths. */
function fitsAll<P, T>(
  pattern: readonly P[],
  text: readonly T[],
  isWild: (piece: P) => boolean,
  fits: (piece: P, item: T) => boolean,
): boolean {
  let [at, from, wild, resume] = [0, 0, -1, 0];
  while (from < text.length) {
    const piece = pattern[at];
    const item = text[from] as T; // from < text.length
    if (piece !== undefined && isWild(piece)) [wild, at, resume] = [at, at + 1, from];
    else if (piece !== undefined && fits(piece, item)) [at, from] = [at + 1, from + 1];
    else if (wild >= 0) [at, from, resume] = [wild + 1, resume + 1, resume + 1];
    else return false;
  }
  return pattern.slice(at).every(isWild);
}

const fitsSegment = (pieces: readonly Piece[], segment: string) =>
  fitsAll(
    pieces,
    [...segment],
    (piece) => piece === 'any',
    (piece, char) => piece !== 'any' && piece(char),
  );

/** The inside of `[…]`: single characters and ranges. */
function classOf(inside: string): (char: string) => boolean {
  const isNegated = inside.startsWith('!') || inside.startsWith('^');
  const chars = [...(isNegated ? inside.slice(1) : inside)];
  const ranges: (readonly [string, string])[] = [];
  for (let at = 0; at < chars.length; at++) {
    const first = chars[at] ?? '';
    const last = chars[at + 2];
    if (chars[at + 1] === '-' && last !== undefined) {
      ranges.push([first, last]);
      at += 2;
    } else ranges.push([first, first]);
  }
  return (char) => ranges.some(([first, last]) => first <= char && char <= last) !== isNegated;
}

function segmentOf(pattern: string): readonly Piece[] {
  const pieces: Piece[] = [];
  const exactly = (wanted: string) => pieces.push((char) => char === wanted);
  const chars = [...pattern];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? '';
    const end = char === '[' ? chars.indexOf(']', at + 2) : -1;
    if (char === '*') pieces.push('any');
    else if (char === '?') pieces.push(() => true);
    else if (char === '\\') exactly(chars[++at] ?? '');
    else if (end > 0) {
      pieces.push(classOf(chars.slice(at + 1, end).join('')));
      at = end;
    } else exactly(char);
  }
  return pieces;
}

/** Spaces at the end do not count, unless the last one is escaped. */
function trimmed(line: string): string {
  let end = line.endsWith('\r') ? line.length - 1 : line.length;
  while (end > 0 && line[end - 1] === ' ' && line[end - 2] !== '\\') end--;
  return line.slice(0, end);
}

function ruleOf(line: string): Rule | undefined {
  const text = trimmed(line);
  if (text === '' || text.startsWith('#')) return undefined;
  const taken = text.startsWith('!');
  const pattern = taken ? text.slice(1) : text;
  const foldersOnly = pattern.endsWith('/');
  const isRooted = pattern.slice(0, -1).includes('/');
  const parts = pattern.split('/').filter((part) => part !== '');
  if (parts.length === 0) return undefined;
  const steps = parts.map((part): Step => (part === '**' ? 'anywhere' : segmentOf(part)));
  // What lies in a folder, not the folder itself.
  if (steps.at(-1) === 'anywhere') steps.push(['any']);
  return { steps: isRooted ? steps : ['anywhere', ...steps], taken, foldersOnly };
}

/** @param text the file's content; empty when there is none. Paths are relative, with `/`. */
export function readIgnores(text: string): Ignores {
  const rules = text
    .split('\n')
    .slice(0, rulesMax)
    .filter((line) => line.length <= ruleLengthMax)
    .flatMap((line) => ruleOf(line) ?? []);
  return (path, isFolder) => {
    const segments = path.split('/');
    if (always.includes(segments.at(-1) ?? '')) return true;
    // The last pattern that fits decides.
    const last = rules.findLast(
      ({ steps, foldersOnly }) =>
        (isFolder || !foldersOnly) &&
        fitsAll(
          steps,
          segments,
          (step) => step === 'anywhere',
          (step, segment) => step !== 'anywhere' && fitsSegment(step, segment),
        ),
    );
    return last !== undefined && !last.taken;
  };
}
