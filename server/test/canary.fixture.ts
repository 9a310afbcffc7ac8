// For the canary test: looks for a planted word in bytes, in every spelling that a leak could have: as text in UTF-8 and
// UTF-16, in base64 wherever in a longer text it stands, in hexadecimal. Files are read whole, piece by piece, with the
// pieces overlapping.

import { createReadStream } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export type Find = { readonly where: string; readonly spelling: string; readonly around: string };

/** Base64 of the word behind 0, 1 or 2 bytes, without the characters that its neighbours decide. */
function base64Spellings(word: string): readonly string[] {
  return [0, 1, 2].map((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), Buffer.from(word)])
      .toString('base64')
      .replace(/=+$/, '');
    const certain = Math.floor(((before + Buffer.byteLength(word)) * 8) / 6);
    return encoded.slice(Math.ceil((before * 8) / 6), certain);
  });
}

export function spellingsOf(word: string): ReadonlyMap<string, Buffer> {
  const hex = Buffer.from(word).toString('hex');
  const utf16 = Buffer.from(word, 'utf16le');
  return new Map([
    ['UTF-8', Buffer.from(word)],
    ['UTF-8, capitals', Buffer.from(word.toUpperCase())],
    ['UTF-16 little endian', utf16],
    ['UTF-16 big endian', Buffer.from(utf16).swap16()],
    ['hexadecimal', Buffer.from(hex)],
    ['hexadecimal, capitals', Buffer.from(hex.toUpperCase())],
    ...base64Spellings(word).flatMap((text, before): [string, Buffer][] => [
      [`base64 at ${before}`, Buffer.from(text)],
      [`base64url at ${before}`, Buffer.from(text.replaceAll('+', '-').replaceAll('/', '_'))],
    ]),
  ]);
}

const printable = (bytes: Buffer) => bytes.toString('latin1').replace(/[^\x20-\x7e]/g, '.');

function findIn(bytes: Buffer, spellings: ReadonlyMap<string, Buffer>, where: string): readonly Find[] {
  return [...spellings].flatMap(([spelling, wanted]) => {
    const at = bytes.indexOf(wanted);
    return at < 0 ? [] : [{ where, spelling, around: printable(bytes.subarray(Math.max(0, at - 60), at + 100)) }];
  });
}

export const findInBytes = (bytes: Uint8Array, word: string, where: string): readonly Find[] =>
  findIn(Buffer.from(bytes), spellingsOf(word), where);

/** A file that goes away while it is read has nothing to hide any more. */
export async function findInFile(file: string, word: string, pieceBytes = 1024 * 1024): Promise<readonly Find[]> {
  const spellings = spellingsOf(word);
  const longest = Math.max(...[...spellings.values()].map(({ length }) => length));
  let overlap: Buffer = Buffer.alloc(0);
  try {
    for await (const piece of createReadStream(file, { highWaterMark: pieceBytes })) {
      const bytes = Buffer.concat([overlap, piece as Buffer]);
      const found = findIn(bytes, spellings, file);
      if (found.length > 0) return found;
      overlap = bytes.subarray(Math.max(0, bytes.length - longest));
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENXIO')))
      throw error;
  }
  return [];
}

/** Every file below the folder, its name included. */
export async function findInFolder(
  folder: string,
  word: string,
): Promise<{ readonly files: readonly string[]; readonly found: readonly Find[] }> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files: string[] = [];
  const found: Find[] = [];
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    found.push(...findInBytes(Buffer.from(path), word, `the name ${path}`));
    if (!entry.isFile()) continue;
    files.push(path);
    found.push(...(await findInFile(path, word)));
  }
  return { files, found };
}

type Process = { readonly pid: number; readonly parent: number; readonly line: string; readonly environment: Buffer };

async function processes(): Promise<ReadonlyMap<number, Process>> {
  const all = new Map<number, Process>();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const [stat, line, environment] = await Promise.all([
      readFile(`/proc/${name}/stat`, 'utf8').catch(() => ''),
      readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => ''),
      readFile(`/proc/${name}/environ`).catch(() => Buffer.alloc(0)),
    ]);
    // The command's name stands in brackets and may hold spaces; the parent is the second word behind it.
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? '0');
    all.set(Number(name), { pid: Number(name), parent, line: line.replaceAll('\0', ' '), environment });
  }
  return all;
}

/**
 * Arguments and environments of a process and of everything below it, down to and with the management code that starts the
 * user's own program: what that is called with is the user's affair, and inside the sandbox.
 */
export async function findInProcesses(
  root: number,
  word: string,
): Promise<{ readonly lines: readonly string[]; readonly found: readonly Find[] }> {
  const all = await processes();
  const runsTheUsers = (one: Process) => /\b(run|launch)\.py\b|\/management\//.test(one.line);
  const lines: string[] = [];
  const found: Find[] = [];
  const visit = (pid: number): void => {
    const one = all.get(pid);
    if (!one) return;
    lines.push(one.line);
    found.push(
      ...findInBytes(Buffer.from(one.line), word, `arguments of ${pid}: ${one.line.slice(0, 200)}`),
      ...findInBytes(one.environment, word, `environment of ${pid}: ${one.line.slice(0, 200)}`),
    );
    const children = [...all.values()].filter(({ parent }) => parent === pid);
    for (const child of children) if (!runsTheUsers(one) || runsTheUsers(child)) visit(child.pid);
  };
  visit(root);
  return { lines, found };
}
