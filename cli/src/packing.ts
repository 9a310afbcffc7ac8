// A folder as one tar stream, the way snapshots are sent. The same files make the same bytes: sorted, no owners, no times, one
// mode. Links and devices are refused by name, and the service's limits are checked before a byte is sent, so that the
// answer comes at once and says which folder is too big.

import { createReadStream, existsSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { finished } from 'node:stream/promises';
import { UsageError } from './exit.ts';
import { type Ignores, readIgnores } from './ignore.ts';

export const packingLimits = { files: 2000, bytes: 300 * 1024 * 1024 } as const;
const depthMax = 64;

export type PackedFile = { readonly path: string; readonly source: string; readonly bytes: number };

/** The files of a folder that would be sent, sorted; or the one file that `place` names. */
export function listFiles(
  place: string,
  limits: { readonly files: number; readonly bytes: number } = packingLimits,
): readonly PackedFile[] {
  const stat = statSync(place, { throwIfNoEntry: false });
  if (stat === undefined) throw new UsageError(`There is no file or folder ${place}.`);
  if (stat.isFile()) {
    if (stat.size > limits.bytes) throw tooBig(place, stat.size, limits.bytes);
    return [{ path: basename(place), source: place, bytes: stat.size }];
  }
  if (!stat.isDirectory()) throw new UsageError(`${place} is neither a file nor a folder.`);
  const ignoreFile = ['.amlignore', '.gitignore'].map((name) => join(place, name)).find((path) => existsSync(path));
  const ignores = readIgnores(ignoreFile === undefined ? '' : readFileSync(ignoreFile, 'utf8'), ignoreFile);
  const found: PackedFile[] = [];
  walk(place, '', 0, ignores, found, limits);
  if (found.length === 0)
    throw new UsageError(
      `${place} holds no files${ignoreFile === undefined ? '' : ` besides those that ${ignoreFile} leaves out`}.`,
    );
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function walk(
  root: string,
  below: string,
  depth: number,
  ignores: Ignores,
  found: PackedFile[],
  limits: { readonly files: number; readonly bytes: number },
): void {
  if (depth > depthMax) throw new UsageError(`${join(root, below)} is more than ${depthMax} folders deep.`);
  for (const name of readdirSync(join(root, below)).sort()) {
    const path = below === '' ? name : `${below}/${name}`;
    const source = join(root, path);
    const stat = lstatSync(source);
    if (ignores(path, stat.isDirectory())) continue;
    if (stat.isDirectory()) walk(root, path, depth + 1, ignores, found, limits);
    else if (stat.isFile()) {
      found.push({ path, source, bytes: stat.size });
      if (found.length > limits.files)
        throw new UsageError(
          `${root} holds more than ${limits.files} files. Leave some out with a .amlignore file in it.`,
        );
      const bytes = found.reduce((sum, file) => sum + file.bytes, 0);
      if (bytes > limits.bytes) throw tooBig(root, bytes, limits.bytes);
    } else if (stat.isSymbolicLink())
      throw new UsageError(
        `${source} is a symbolic link. A snapshot holds files only: copy what it points to, or leave it out with .amlignore.`,
      );
    else throw new UsageError(`${source} is not a regular file. Leave it out with .amlignore.`);
  }
}

const tooBig = (place: string, bytes: number, most: number) =>
  new UsageError(
    `${place} has ${mebibytes(bytes)} MB or more; at most ${mebibytes(most)} MB can be sent. Leave files out with .amlignore, or put data into the workspace's storage.`,
  );
const mebibytes = (bytes: number) => Math.ceil(bytes / (1024 * 1024));

/** The archive, made while it is read. Fails when a file changes its size meanwhile. */
export async function* packFiles(files: readonly PackedFile[]): AsyncIterable<Uint8Array> {
  // Loaded here and not above: most commands send no folder.
  const { default: tar } = await import('tar-stream');
  const pack = tar.pack();
  const write = async () => {
    for (const { path, source, bytes } of files) {
      const entry = pack.entry({
        name: path,
        size: bytes,
        mode: 0o644,
        mtime: new Date(0),
        uid: 0,
        gid: 0,
        type: 'file',
      });
      const content = createReadStream(source);
      content.on('error', (error) => entry.destroy(error));
      content.pipe(entry);
      await finished(entry);
    }
    pack.finalize();
  };
  write().catch((error: unknown) => pack.destroy(error instanceof Error ? error : new Error(String(error))));
  yield* pack as AsyncIterable<Uint8Array>;
}
