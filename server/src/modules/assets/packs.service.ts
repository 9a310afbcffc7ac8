// Where the files of a snapshot go: large ones into a blob each, small ones together, because what a small file costs is not
// its bytes but the syncs of the disk. Holds one pack and the beginnings of the files that are being added, never a whole
// large file.

import { Readable } from 'node:stream';
import { createSha256 } from '#kernel/crypto/digest';
import type { SnapshotFile } from './snapshots.store.ts';

/** More is a blob of its own. */
export const smallBytesMax = 256 * 1024;
const packBytes = 4 * 1024 * 1024;

/** A blob with the digest of what is in it. */
export type Kept = { readonly blob: string; readonly size: number; readonly sha256: string };

export type Packer = {
  /** Reads the content to its end. Several may be under way at the same time. */
  add(path: string, content: Readable): Promise<void>;
  /** A file that is a blob already. */
  keep(path: string, kept: Kept): void;
  /** Every file that was added, by path; after it nothing. */
  end(): Promise<readonly SnapshotFile[]>;
};

/** @param put writes a blob of its own, and says what was in it */
export function createPacker(put: (content: Readable | Uint8Array) => Promise<Kept>): Packer {
  const files: SnapshotFile[] = [];
  let pack: { readonly path: string; readonly bytes: Buffer }[] = [];
  let packed = 0;

  async function flush(): Promise<void> {
    const full = pack;
    pack = [];
    packed = 0;
    const { blob } = await put(Buffer.concat(full.map(({ bytes }) => bytes)));
    let start = 0;
    for (const { path, bytes } of full) {
      const hash = createSha256();
      hash.update(bytes);
      files.push({ path, size: bytes.length, sha256: hash.hex(), blob, start });
      start += bytes.length;
    }
  }

  return {
    async add(path, content) {
      const pieces = content[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
      const head: Buffer[] = [];
      let read = 0;
      let next = await pieces.next();
      for (; !next.done && read <= smallBytesMax; next = await pieces.next()) {
        // A copy: whoever reads may use the memory of a piece again for the next one.
        head.push(Buffer.from(next.value));
        read += next.value.length;
      }
      if (next.done === true && read <= smallBytesMax) {
        pack.push({ path, bytes: Buffer.concat(head) });
        packed += read;
        if (packed >= packBytes) await flush();
        return;
      }
      const whole = Readable.from(rest(head, next, pieces), { objectMode: false });
      try {
        files.push({ path, start: 0, ...(await put(whole)) });
      } catch (thrown) {
        content.destroy();
        throw thrown;
      }
    },
    keep(path, kept) {
      files.push({ path, start: 0, ...kept });
    },
    async end() {
      if (pack.length > 0) await flush();
      return files.sort((a, b) => (a.path < b.path ? -1 : 1));
    },
  };
}

async function* rest(
  head: Buffer[],
  next: IteratorResult<Buffer>,
  pieces: AsyncIterator<Buffer>,
): AsyncGenerator<Buffer> {
  yield* head.splice(0);
  for (let piece = next; !piece.done; piece = await pieces.next()) yield piece.value;
}
