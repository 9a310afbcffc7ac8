// Which files stay at home: `.amlignore` of the folder's root, otherwise its `.gitignore`, in git's pattern language
// (comments, `!`, a trailing slash for folders, a slash inside for the root only, `*`, `?`, `[…]`, `**`). As with git, what
// lies in a folder that is left out cannot be taken back in.

export type Ignores = (path: string, isFolder: boolean) => boolean;

type Rule = { readonly expression: RegExp; readonly taken: boolean; readonly foldersOnly: boolean };

/** Never part of a snapshot, whatever the file says. */
const always = ['.git', '__pycache__', '.ipynb_checkpoints', '.amlignore'];
const rulesMax = 1000;
const ruleLengthMax = 512;

const literal = (text: string) => text.replace(/[.+^${}()|\\/]/g, '\\$&');

/** One segment of a pattern, without slashes. */
function segment(pattern: string): string {
  let out = '';
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at] ?? '';
    if (char === '*') {
      // Several stars side by side mean one; as one they cannot make the expression slow.
      while (pattern[at + 1] === '*') at++;
      out += '[^/]*';
    } else if (char === '?') out += '[^/]';
    else if (char === '\\') out += literal(pattern[++at] ?? '');
    else if (char === '[') {
      const end = pattern.indexOf(']', at + 2);
      if (end < 0) out += '\\[';
      else {
        const inner = pattern
          .slice(at + 1, end)
          .replace(/\\/g, '\\\\')
          .replace(/\[/g, '\\[');
        out += `(?!/)[${inner.startsWith('!') ? `^${inner.slice(1)}` : inner}]`;
        at = end;
      }
    } else out += literal(char);
  }
  return out;
}

function ruleOf(line: string): Rule | undefined {
  let text = line.replace(/\r$/, '').replace(/(?<!\\) +$/, '');
  if (text === '' || text.startsWith('#')) return undefined;
  const taken = text.startsWith('!');
  if (taken) text = text.slice(1);
  const foldersOnly = text.endsWith('/');
  if (foldersOnly) text = text.replace(/\/+$/, '');
  const isRooted = text.replace(/\/\*\*$/, '/').includes('/');
  const parts = text.replace(/^\//, '').split('/').slice(0, 64);
  let source = isRooted ? '^' : '^(?:.*/)?';
  parts.forEach((part, index) => {
    const isLast = index === parts.length - 1;
    if (part === '**') source += isLast ? '.+' : '(?:[^/]+/)*';
    else source += `${segment(part)}${isLast ? '' : '/'}`;
  });
  try {
    return { expression: new RegExp(`${source}$`), taken, foldersOnly };
  } catch {
    return undefined; // a range that makes no sense, such as [z-a], matches nothing, as in git
  }
}

/** @param text the file's content; empty when there is none. Paths are relative, with `/`. */
export function readIgnores(text: string): Ignores {
  const rules = text
    .split('\n')
    .slice(0, rulesMax)
    .filter((line) => line.length <= ruleLengthMax)
    .flatMap((line) => ruleOf(line) ?? []);
  return (path, isFolder) => {
    if (always.includes(path.slice(path.lastIndexOf('/') + 1))) return true;
    // The last pattern that fits decides.
    const last = rules.findLast((rule) => (isFolder || !rule.foldersOnly) && rule.expression.test(path));
    return last !== undefined && !last.taken;
  };
}
