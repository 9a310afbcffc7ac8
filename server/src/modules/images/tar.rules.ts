// Writes a tar archive (POSIX ustar, with pax records for long names and large files) that depends on nothing but names and
// contents: sorted, owner 0, time 0, fixed modes. Streams; holds one chunk at a time. Refuses paths that an unpacker could
// take for something else. Source: POSIX.1-2017, pax, "ustar Interchange Format".

import { hasControlCharacter } from '#kernel/ids/characters';
import { imagesFailures } from './images.errors.ts';

export type TarFile = {
  /** Relative, with slashes. */
  readonly path: string;
  readonly size: number;
  open(): Promise<AsyncIterable<Uint8Array> | Uint8Array>;
};

/** A file that is read once, when its turn has come; those of one archive are given in byte order of their paths. */
export type TarEntry = {
  readonly path: string;
  readonly size: number;
  readonly isExecutable?: boolean;
  readonly content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** Absent: a file. A folder, a symbolic link, or a file of the layers below that is gone. None of them has content. */
  readonly as?: 'folder' | { readonly linkTo: string } | 'gone';
};

const block = 512;
const octalSizeMax = 8 ** 11 - 1;
const pathBytesMax = 1024;

/**
 * Throws unless the path is plain: relative, no dot segments, no control characters, nothing that unpackers read as a
 * deletion.
 * @param target the property that brought the file
 */
export function checkPath(path: string, target: string): void {
  const wrong = (why: string) => imagesFailures.unsafePath(target, path, why);
  if (path === '' || Buffer.byteLength(path) > pathBytesMax)
    throw wrong(`its path must have 1 to ${pathBytesMax} bytes`);
  if (hasControlCharacter(path) || path.includes('\\'))
    throw wrong('its path holds a backslash or a control character');
  for (const part of path.split('/')) {
    if (part === '' || part === '.' || part === '..')
      throw wrong('its path is absolute or holds an empty or dot segment');
    if (part.startsWith('.wh.')) throw wrong("names that begin with '.wh.' delete files in image layers");
  }
}

/** The archive, chunk by chunk. Files in byte order of their paths, each folder before what is in it. */
export async function* tarOf(files: readonly TarFile[]): AsyncGenerator<Uint8Array> {
  const sorted = files.map((file) => ({ file, bytes: Buffer.from(file.path) }));
  sorted.sort((a, b) => Buffer.compare(a.bytes, b.bytes));
  async function* entries(): AsyncGenerator<TarEntry> {
    for (const { file } of sorted) {
      const content = await file.open();
      yield { path: file.path, size: file.size, content: content instanceof Uint8Array ? [content] : content };
    }
  }
  yield* tarOfEntries(entries());
}

/** The same of files that come one by one, in order: whoever gives them sees to that, and to their paths. */
export async function* tarOfEntries(entries: AsyncIterable<TarEntry>): AsyncGenerator<Uint8Array> {
  const folders = new Set<string>();
  for await (const { path, size, isExecutable = false, content, as } of entries) {
    for (const folder of as === 'folder' ? [...foldersOf(path), path] : foldersOf(path)) {
      if (folders.has(folder)) continue;
      folders.add(folder);
      yield headerOf(`${folder}/`, 0, '5');
    }
    if (as === 'folder') continue;
    if (as === 'gone') {
      yield headerOf(whiteoutOf(path), 0, '0');
      continue;
    }
    if (as !== undefined) {
      yield headerOf(path, 0, '2', false, as.linkTo);
      continue;
    }
    yield headerOf(path, size, '0', isExecutable);
    let written = 0;
    for await (const chunk of content) {
      written += chunk.length;
      yield chunk;
    }
    // A file that is not as long as it was said to be would shift everything after it.
    if (written !== size) throw new Error(`a file of an image layer has ${written} bytes, not ${size}`);
    yield paddingOf(size);
  }
  yield new Uint8Array(2 * block);
}

/** What stands in a layer for a file that is gone (OCI Image Layer, "Whiteouts"). */
const whiteoutOf = (path: string): string => path.replace(/[^/]+$/, (name) => `.wh.${name}`);

function foldersOf(path: string): readonly string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}

function headerOf(path: string, size: number, type: '0' | '2' | '5', isExecutable = false, linkTo = ''): Uint8Array {
  const split = splitPath(path);
  const isPlainLink = linkTo.length <= 100 && /^[\x20-\x7e]*$/.test(linkTo);
  if (split !== undefined && size <= octalSizeMax && isPlainLink) return ustar(split, size, type, isExecutable, linkTo);
  const records = [
    split === undefined ? record('path', path) : '',
    size > octalSizeMax ? record('size', String(size)) : '',
    isPlainLink ? '' : record('linkpath', linkTo),
  ].join('');
  const bytes = Buffer.from(records);
  return Buffer.concat([
    ustar({ prefix: '', name: 'pax' }, bytes.length, 'x'),
    bytes,
    paddingOf(bytes.length),
    ustar({ prefix: '', name: 'long' }, Math.min(size, octalSizeMax), type, isExecutable, isPlainLink ? linkTo : ''),
  ]);
}

/** `{length} {key}={value}\n`, the length counting itself. */
function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  let length = bytes + 1;
  while (String(length).length + bytes !== length) length = String(length).length + bytes;
  return `${length}${rest}`;
}

/** A path as ustar has room for it, or undefined. Other than ASCII is for pax, where it is UTF-8 by definition. */
function splitPath(path: string): { readonly prefix: string; readonly name: string } | undefined {
  if (!/^[\x20-\x7e]+$/.test(path)) return undefined;
  if (path.length <= 100) return { prefix: '', name: path };
  for (let at = path.indexOf('/'); at > 0 && at <= 155; at = path.indexOf('/', at + 1)) {
    const name = path.slice(at + 1);
    if (name.length > 0 && name.length <= 100) return { prefix: path.slice(0, at), name };
  }
  return undefined;
}

function ustar(
  path: { readonly prefix: string; readonly name: string },
  size: number,
  type: string,
  isExecutable = false,
  linkTo = '',
): Uint8Array {
  const header = Buffer.alloc(block);
  const octal = (value: number, length: number) => `${value.toString(8).padStart(length - 1, '0')}\0`;
  header.write(path.name, 0, 100);
  header.write(octal(type !== '0' || isExecutable ? 0o755 : 0o644, 8), 100);
  header.write(octal(0, 8), 108);
  header.write(octal(0, 8), 116);
  header.write(octal(size, 12), 124);
  header.write(octal(0, 12), 136);
  header.write('        ', 148);
  header.write(type, 156);
  header.write(linkTo, 157, 100);
  header.write('ustar\x0000', 257);
  header.write(octal(0, 8), 329);
  header.write(octal(0, 8), 337);
  header.write(path.prefix, 345, 155);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

const paddingOf = (size: number) => new Uint8Array((block - (size % block)) % block);
