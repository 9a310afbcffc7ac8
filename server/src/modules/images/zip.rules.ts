// Reads a zip archive that somebody else made, whole in memory and never onto the disk. Believes the central directory alone
// and refuses what two readers could see differently: a local header that disagrees, members that share bytes, a name twice,
// links, encryption, anything before or behind the archive. Bounded in members, bytes and ratio; each member is inflated when
// it is read and ends the moment that it has more bytes than it said. Source: PKWARE APPNOTE 6.3, without zip64 and spanning.

import { isAscii } from 'node:buffer';
import { crc32, createInflateRaw } from 'node:zlib';

export type ZipMember = {
  /** As it stands in the archive; whoever writes it somewhere checks it. */
  readonly name: string;
  readonly size: number;
  /** Fails at its end unless the bytes have the check sum that the archive promised. */
  read(): AsyncIterable<Uint8Array>;
};

export const zipLimits = {
  members: 20_000,
  bytes: 1024 ** 3,
  /** Of everything together. Below the floor a ratio says nothing. */
  ratio: 200,
  ratioFloorBytes: 64 * 1024 * 1024,
  /** Longer than any path that goes into an image. */
  nameBytes: 4096,
} as const;
/** What is handed on at once: whoever hashes it does so on the event loop. */
const pieceBytes = 64 * 1024;

/** The message completes the sentence "the archive …". */
export class BadZip extends Error {}
const bad = (why: string) => new BadZip(why);

const endBytes = 22;
const directoryBytes = 46;
const localBytes = 30;
const encryptedOrPatched = 0x0001 | 0x0020 | 0x0040 | 0x2000;
const utf8Names = 0x0800;
const stored = 0;
const deflated = 8;
const unixFileType = 0o170000;
const unixRegular = 0o100000;
const unixFolder = 0o040000;

type Entry = {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly compressedSize: number;
  readonly size: number;
  readonly at: number;
  /** Behind its last byte. */
  readonly end: number;
};

/** The files of the archive in the order of its directory; folders are not listed. Throws BadZip. */
export function readZip(bytes: Buffer): readonly ZipMember[] {
  const { count, start, end } = directoryOf(bytes);
  const entries: Entry[] = [];
  const names = new Set<string>();
  let at = start;
  for (let index = 0; index < count; index++) {
    const { entry, next } = entryAt(bytes, at, start, end);
    at = next;
    if (entry === undefined) continue;
    if (names.has(entry.name)) throw bad('holds the same name twice');
    names.add(entry.name);
    entries.push(entry);
  }
  if (at !== end) throw bad('has a directory that is not as long as it says');
  checkTogether(entries, bytes.length);
  return entries.map((entry) => ({ name: entry.name, size: entry.size, read: () => contentOf(bytes, entry) }));
}

function directoryOf(bytes: Buffer): { readonly count: number; readonly start: number; readonly end: number } {
  const furthest = Math.max(0, bytes.length - endBytes - 0xffff);
  for (let at = bytes.length - endBytes; at >= furthest; at--) {
    // The comment reaches exactly to the end: a record inside a comment is none.
    if (bytes.readUInt32LE(at) !== 0x06054b50 || at + endBytes + bytes.readUInt16LE(at + 20) !== bytes.length) continue;
    const count = bytes.readUInt16LE(at + 10);
    const size = bytes.readUInt32LE(at + 12);
    const start = bytes.readUInt32LE(at + 16);
    const isOnePart =
      bytes.readUInt32LE(at + 4) === 0 && bytes.readUInt16LE(at + 8) === count && count < 0xffff && start < 0xffffffff;
    if (!isOnePart) throw bad('is split into parts or uses zip64, which is not supported');
    if (count > zipLimits.members) throw bad(`has more than ${zipLimits.members} members`);
    // Bytes before the archive would make two readers find two directories.
    if (start + size !== at) throw bad('has a directory that is not where it says');
    return { count, start, end: at };
  }
  throw bad('has no directory: it is no zip archive, or it was cut off');
}

/** The entry of the directory at `at`, or undefined for a folder. */
function entryAt(
  bytes: Buffer,
  at: number,
  directoryStart: number,
  directoryEnd: number,
): { readonly entry: Entry | undefined; readonly next: number } {
  if (at + directoryBytes > directoryEnd || bytes.readUInt32LE(at) !== 0x02014b50) throw bad('has a damaged directory');
  const flags = bytes.readUInt16LE(at + 8);
  const method = bytes.readUInt16LE(at + 10);
  const nameLength = bytes.readUInt16LE(at + 28);
  const next = at + directoryBytes + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
  if (next > directoryEnd) throw bad('has a damaged directory');
  const rawName = bytes.subarray(at + directoryBytes, at + directoryBytes + nameLength);
  const name = nameOf(rawName, flags);
  const crc = bytes.readUInt32LE(at + 16);
  const compressedSize = bytes.readUInt32LE(at + 20);
  const size = bytes.readUInt32LE(at + 24);
  if ((flags & encryptedOrPatched) !== 0) throw bad('holds an encrypted or patched member');
  if (method !== stored && method !== deflated) throw bad('is compressed by a method other than deflate');
  if (method === stored && size !== compressedSize) throw bad('holds a member with two sizes');
  const type = (bytes.readUInt32LE(at + 38) >>> 16) & unixFileType;
  if (type !== 0 && type !== unixRegular && type !== unixFolder)
    throw bad('holds a link or another member that is neither a file nor a folder');
  const isFolder = name.endsWith('/');
  if (isFolder !== (type === unixFolder) && type !== 0) throw bad('holds a member that is a file and a folder');
  if (isFolder && size !== 0) throw bad('holds a folder with content');
  const dataAt = dataOf(bytes, bytes.readUInt32LE(at + 42), directoryStart, { rawName, method });
  if (dataAt + compressedSize > directoryStart) throw bad('holds a member that reaches into the directory');
  const end = dataAt + compressedSize;
  return { entry: isFolder ? undefined : { name, method, crc, compressedSize, size, at: dataAt, end }, next };
}

function nameOf(raw: Buffer, flags: number): string {
  if (raw.length > zipLimits.nameBytes) throw bad(`holds a name of more than ${zipLimits.nameBytes} bytes`);
  const name = raw.toString('utf8');
  if (!isAscii(raw) && ((flags & utf8Names) === 0 || !Buffer.from(name, 'utf8').equals(raw)))
    throw bad('holds a name that is not UTF-8');
  return name;
}

/** Where the bytes of a member begin, behind a local header that says what the directory says. */
function dataOf(
  bytes: Buffer,
  at: number,
  limit: number,
  directory: { readonly rawName: Buffer; readonly method: number },
): number {
  if (at + localBytes > limit || bytes.readUInt32LE(at) !== 0x04034b50) throw bad('has a damaged member');
  const nameLength = bytes.readUInt16LE(at + 26);
  const dataAt = at + localBytes + nameLength + bytes.readUInt16LE(at + 28);
  const rawName = bytes.subarray(at + localBytes, at + localBytes + nameLength);
  if (dataAt > limit || !rawName.equals(directory.rawName) || bytes.readUInt16LE(at + 8) !== directory.method)
    throw bad('says two things of one member');
  return dataAt;
}

function checkTogether(entries: readonly Entry[], archiveBytes: number): void {
  // Members that share bytes are how a small archive unfolds quadratically.
  const inPlace = [...entries].sort((a, b) => a.at - b.at);
  for (const [index, entry] of inPlace.entries())
    if (entry.at < (inPlace[index - 1]?.end ?? 0)) throw bad('holds members that share bytes');
  const size = entries.reduce((sum, entry) => sum + entry.size, 0);
  if (size > zipLimits.bytes) throw bad(`unpacks to more than ${zipLimits.bytes} bytes`);
  if (size > Math.max(zipLimits.ratioFloorBytes, archiveBytes * zipLimits.ratio))
    throw bad(`unpacks to more than ${zipLimits.ratio} times its size`);
}

function contentOf(bytes: Buffer, entry: Entry): AsyncIterable<Uint8Array> {
  const raw = bytes.subarray(entry.at, entry.end);
  return checked(entry, entry.method === stored ? piecesOf(raw) : inflated(raw));
}

function* piecesOf(raw: Buffer): Generator<Buffer> {
  for (let at = 0; at < raw.length; at += pieceBytes) yield raw.subarray(at, at + pieceBytes);
}

async function* inflated(raw: Buffer): AsyncGenerator<Buffer> {
  const inflate = createInflateRaw();
  inflate.end(raw);
  try {
    for await (const piece of inflate) yield piece as Buffer; // a byte stream gives buffers
  } catch (cause) {
    throw new BadZip('holds a member that does not unpack', { cause });
  }
  if (inflate.bytesWritten !== raw.length) throw bad('holds bytes behind a member');
}

async function* checked(entry: Entry, pieces: Iterable<Buffer> | AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let size = 0;
  let crc = 0;
  for await (const piece of pieces) {
    size += piece.length;
    if (size > entry.size) throw bad('holds a member that is longer than it says');
    crc = crc32(piece, crc);
    yield piece;
  }
  if (size !== entry.size || crc !== entry.crc) throw bad('holds a member that is not what it says');
}
