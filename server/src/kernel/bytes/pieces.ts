// Pieces of streams whose memory is nobody else's. Whoever is the last to use one gives its memory back at once: left to the garbage
// collector, the segments of one large read cost more than their decryption, because memory outside of the heap that piles up makes it
// collect the whole heap again and again. So do the pieces of a body that comes in. A piece of which nobody said so is left alone.

const owned = new WeakSet<Uint8Array>();
/** What is smaller may lie in memory that the platform has cut out of a larger one, beside what is somebody's; unless it is all of its memory. */
const leastBytes = 64 * 1024;
/** What is smaller is not worth the call. */
const leastWholeBytes = 4 * 1024;

/** All of its memory is its own: nothing of somebody else lies beside it. */
export const isAlone = (piece: Uint8Array): piece is Uint8Array<ArrayBuffer> =>
  piece.buffer instanceof ArrayBuffer && piece.length === piece.buffer.byteLength;

/** Says that nobody but who gets this piece has its memory, all of it. */
export function ownPiece<P extends Uint8Array>(piece: P): P {
  if (piece.length >= (isAlone(piece) ? leastWholeBytes : leastBytes)) owned.add(piece);
  return piece;
}

/** For whoever passes a piece on and goes on looking at it: its memory stays. */
export function keepPiece(piece: Uint8Array): void {
  owned.delete(piece);
}

/** After the last use: the piece is empty from here on. */
export function releasePiece(piece: Uint8Array): void {
  if (owned.delete(piece) && piece.buffer instanceof ArrayBuffer) piece.buffer.transfer(0);
}
