// The hardened reader of the archives that users send: tar, plain or gzip. Files and folders only; no absolute paths, no
// `..`, no links, no devices; bounded count, size and ratio. It unpacks nothing to a disk: each file is handed on as a
// stream and must be consumed before the next.

import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import tar from 'tar-stream';
import { Failure } from '#kernel/errors/failure';
import { hasControlCharacter } from '#kernel/ids/characters';
import { assetsFailures } from './assets.errors.ts';
import type { ContentLimits } from './limits.rules.ts';

const maxPathLength = 1024;
/** What a file system of Linux takes as one name. */
const maxNameBytes = 255;
/** What packs better than this beyond the first bytes is made to fill a disk. */
const ratioMax = 100;
const ratioFreeBytes = 10 * 1024 * 1024;
/** Headers, folders and padding besides the files' own bytes. */
const overheadBytes = 16 * 1024 * 1024;

/** The path as the snapshot keeps it. Throws `invalid` with why it is refused. */
export function safePath(path: string): string {
  const clean = path.replace(/^(\.\/)+/, '').replace(/\/+$/, '');
  if (clean === '' || clean.length > maxPathLength)
    throw assetsFailures.unsafePath(path, `a path that is empty or longer than ${maxPathLength} characters`);
  if (hasControlCharacter(clean) || clean.includes('\\'))
    throw assetsFailures.unsafePath(path, 'a path with a backslash or a control character');
  if (clean.startsWith('/') || /^[A-Za-z]:/.test(clean)) throw assetsFailures.unsafePath(path, 'an absolute path');
  for (const segment of clean.split('/')) {
    if (segment === '' || segment === '.' || segment === '..')
      throw assetsFailures.unsafePath(path, 'a path that leaves the folder or is not written plainly');
    if (Buffer.byteLength(segment) > maxNameBytes)
      throw assetsFailures.unsafePath(
        path,
        `with a name of more than ${maxNameBytes} bytes, which no file system takes`,
      );
  }
  return clean;
}

/** Takes the paths of a folder one by one, and throws `invalid` for one that cannot be beside those that were taken. */
export function createPaths(): (path: string) => void {
  const files = new Set<string>();
  const folders = new Set<string>();
  return (path) => {
    // On a case-blind file system two casings would be one file; the snapshot must mean the same everywhere.
    const key = path.toLowerCase();
    if (files.has(key)) throw assetsFailures.duplicatePath(path);
    if (folders.has(key)) throw assetsFailures.unsafePath(path, 'a file of the name that a folder has');
    for (let at = key.indexOf('/'); at >= 0; at = key.indexOf('/', at + 1)) {
      const folder = key.slice(0, at);
      if (files.has(folder)) throw assetsFailures.unsafePath(path, 'a file in a folder of the name that a file has');
      folders.add(folder);
    }
    files.add(key);
  };
}

/** Reads the archive to its end. `take` must consume the stream that it is given. */
export async function readArchive(
  source: Readable,
  limits: ContentLimits,
  take: (path: string, content: Readable, size: number) => Promise<void>,
): Promise<void> {
  const paths = createPaths();
  let count = 0;
  const extract = tar.extract();
  const fail = (error: unknown) =>
    extract.destroy(error instanceof Failure ? error : assetsFailures.InvalidSnapshot({ cause: error }));
  let packed = 0;
  const input = await gunzipped(source, (bytes) => {
    packed += bytes;
  }).catch((thrown: unknown) => {
    throw thrown instanceof Failure ? thrown : assetsFailures.InvalidSnapshot({ cause: thrown });
  });
  let received = 0;
  input.on('data', (chunk: Buffer) => {
    received += chunk.length;
    // A bomb shows here, before any entry of it is believed.
    if (received > limits.bytes + overheadBytes) {
      input.destroy();
      extract.destroy(assetsFailures.SnapshotTooLarge(limits));
    } else if (received > ratioFreeBytes && received > packed * ratioMax) {
      input.destroy();
      extract.destroy(assetsFailures.SnapshotTooDense(ratioMax));
    }
  });
  input.on('error', fail);
  input.pipe(extract);
  let bytes = 0;
  try {
    for await (const entry of extract) {
      const { type, name, size = 0 } = entry.header;
      if (type === 'directory') {
        if (name !== './' && name !== '.') safePath(name);
        entry.resume();
        continue;
      }
      if (type !== 'file' && type !== 'contiguous-file')
        throw assetsFailures.InvalidSnapshotEntry(name, type ?? 'special file');
      const path = safePath(name);
      paths(path);
      if (++count > limits.files) throw assetsFailures.SnapshotTooManyFiles(limits);
      bytes += size;
      if (bytes > limits.bytes) throw assetsFailures.SnapshotTooLarge(limits);
      await take(path, entry as unknown as Readable, size);
    }
  } catch (thrown) {
    input.destroy();
    source.resume();
    if (thrown instanceof Failure) throw thrown;
    throw assetsFailures.InvalidSnapshot({ cause: thrown });
  }
  if (count === 0) throw assetsFailures.EmptySnapshot();
}

/** Looks at the first two bytes: gzip is unpacked, anything else passes as it is. `took` is told of each piece as it came. */
async function gunzipped(source: Readable, took: (bytes: number) => void): Promise<Readable> {
  const pieces = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let head = Buffer.alloc(0);
  while (head.length < 2) {
    const { done, value } = await pieces.next();
    if (done) break;
    head = Buffer.concat([head, value]);
  }
  const whole = Readable.from(from(head, pieces, took), { objectMode: false });
  if (head[0] !== 0x1f || head[1] !== 0x8b) return whole;
  const gunzip = createGunzip();
  whole.on('error', (error) => gunzip.destroy(error));
  return whole.pipe(gunzip);
}

async function* from(head: Buffer, rest: AsyncIterator<Buffer>, took: (bytes: number) => void): AsyncGenerator<Buffer> {
  took(head.length);
  yield head;
  for (let next = await rest.next(); !next.done; next = await rest.next()) {
    took(next.value.length);
    yield next.value;
  }
}
