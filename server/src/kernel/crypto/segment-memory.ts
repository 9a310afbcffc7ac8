// Memory for the segment that a sealed stream gathers, used again by the next stream. It is shared, so that a digest reads it on
// its thread without a copy; and memory that was shared goes back to the system only when every thread that saw it collects
// its garbage, which a thread that makes none may not do for gigabytes. Whoever gives memory back has emptied it.

const idle: Uint8Array[] = [];
/** Half of it serves as many streams that are digested: more than are under way at once on most days. */
const idleMax = 32;

/** Of `bytes` bytes or more, all zero. */
export function takeMemory(bytes: number): Uint8Array {
  const at = idle.findIndex((memory) => memory.length >= bytes);
  const [found] = at < 0 ? [] : idle.splice(at, 1);
  return found ?? new Uint8Array(new SharedArrayBuffer(bytes));
}

/** order matters: nobody may still write to it, or he writes into a stranger's stream. */
export function giveMemory(memory: Uint8Array): void {
  memory.fill(0);
  if (memory.length > 0 && idle.length < idleMax) idle.push(memory);
}
