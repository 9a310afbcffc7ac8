// Memory for a segment that is gathered, sealed or read, used again by the next transfer: memory that the platform gives afresh
// costs more than the cipher, and left to the garbage collector it has the whole heap collected again and again. It is not shared
// with a thread but lent to it: the platform copies into shared memory five times slower, and empties it twenty times slower.
// What is given back is empty, and gone from whoever gave it: a view that he kept has no length, and shows nothing of the next stream.

const idle: Uint8Array<ArrayBuffer>[] = [];
/** Half of it serves as many streams that are digested: more than are under way at once on most days. */
const idleMax = 32;

/** Of `bytes` bytes or more, all zero. */
export function takeMemory(bytes: number): Uint8Array<ArrayBuffer> {
  const at = idle.findIndex((memory) => memory.length >= bytes);
  const [found] = at < 0 ? [] : idle.splice(at, 1);
  return found ?? new Uint8Array(bytes);
}

/** Up to this many bytes a transfer has memory of its own. */
export const ownMemoryBytes = 256 * 1024;

/** The memory of a piece that a sealed stream gave, whether it is of its own or of a segment. The piece is over. */
export function giveSegment({ buffer }: Uint8Array): void {
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength === 0) return;
  if (buffer.byteLength > ownMemoryBytes) giveMemory(new Uint8Array(buffer));
  else buffer.transfer(0);
}

/** order matters: no disk may still write to it, or it writes into a stranger's stream. Giving it a second time does nothing. */
export function giveMemory(memory: Uint8Array<ArrayBuffer>): void {
  if (memory.length === 0) return;
  memory.fill(0);
  if (idle.length < idleMax) idle.push(new Uint8Array(memory.buffer.transfer()));
  else memory.buffer.transfer(0);
}
