// Which files stay at home: `.amlignore` of the folder's root, otherwise its `.gitignore`, as git reads them. As with git, what lies
// in a folder that is left out cannot be taken back in.

import ignore from 'ignore';
import { UsageError } from './exit.ts';

export type Ignores = (path: string, isFolder: boolean) => boolean;

/** Never part of a snapshot, whatever the file says. */
const always: ReadonlySet<string> = new Set(['.git', '__pycache__', '.ipynb_checkpoints', '.amlignore']);
const bounds = { rules: 1000, length: 512, wildcards: 4 } as const;

/**
 * @param text the file's content; empty when there is none. Paths are relative, with `/`.
 * @throws UsageError for what takes too long to match. A pattern that is passed over would send what was to stay.
 */
export function readIgnores(text: string, file = 'the ignore file'): Ignores {
  const lines = text.split('\n');
  const wrong = (line: number, what: string) => new UsageError(`${file}:${line + 1}: ${what}.`);
  if (lines.length > bounds.rules) throw wrong(bounds.rules, `has more than ${bounds.rules} lines`);
  for (const [index, line] of lines.entries()) {
    if (line.startsWith('#')) continue;
    if (line.length > bounds.length) throw wrong(index, `is longer than ${bounds.length} characters`);
    // Each is a choice of how much to skip, and they are tried in every combination.
    const inOneName = line.split('/').some((part) => (part.match(/\*+/g) ?? []).length > bounds.wildcards);
    const folders = line.match(/\*\*+/g) ?? [];
    if (inOneName || folders.length > bounds.wildcards)
      throw wrong(index, `has more than ${bounds.wildcards} wildcards in a row; write it as several patterns`);
  }
  const matcher = ignore({ ignorecase: false, allowRelativePaths: true }).add(text);
  return (path, isFolder) => {
    if (always.has(path.split('/').at(-1) ?? '')) return true;
    return matcher.ignores(isFolder ? `${path}/` : path);
  };
}
