// Files that a user names on the command line.

import { readFileSync } from 'node:fs';
import { UsageError } from './exit.ts';

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'you may not read it',
};

/** @param file `-` is standard input, where `orInput` says so */
export function readGiven(file: string, orInput?: 'orInput'): Buffer {
  try {
    return readFileSync(file === '-' && orInput !== undefined ? 0 : file);
  } catch (thrown) {
    const { code = '', message } = thrown as NodeJS.ErrnoException; // node:fs throws nothing else
    throw new UsageError(`${file} cannot be read: ${reasons[code] ?? message}.`);
  }
}

/** A secret from a file, without the line end that editors add. */
export function readSecretFile(file: string): string {
  const text = readGiven(file)
    .toString('utf8')
    .replace(/\r?\n$/, '');
  if (text === '') throw new UsageError(`${file} cannot be read: it is empty.`);
  return text;
}
