// Checkpoint bodies (c2sp.org/tlog-checkpoint): what a transparency log signs about itself, as the
// text of a signed note. Three lines: origin, number of leaves, root hash in base64.
// Promises: one spelling only, so that two checkpoints are equal exactly if their texts are.

import { cryptoFailures } from './crypto.errors.ts';
import { decodeBase64 } from './signed-note.ts';

/** The head of a log. `size` counts leaves; `rootHash` has 32 bytes. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly rootHash: Uint8Array;
}

const WHAT = 'checkpoint';
const ORIGIN = /^[^\s+]{1,1024}$/u;

/** Writes a checkpoint as note text. */
export function encodeCheckpoint({ origin, size, rootHash }: Checkpoint): string {
  if (!ORIGIN.test(origin))
    throw cryptoFailures.InvalidCryptoArgument('The origin of a checkpoint is a name without spaces and plus signs.');
  if (!Number.isSafeInteger(size) || size < 0)
    throw cryptoFailures.InvalidCryptoArgument('The size of a checkpoint is a whole number, 0 or more.');
  if (rootHash.length !== 32) throw cryptoFailures.InvalidCryptoArgument('The root hash of a checkpoint has 32 bytes.');
  return `${origin}\n${size}\n${Buffer.from(rootHash).toString('base64')}\n`;
}

/**
 * Reads the text of a checkpoint that `openNote` returned. Throws `integrity` for any other
 * spelling, and for extension lines: ours has none, and nobody could audit them.
 */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = '', digits = '', root = '', end, ...rest] = text.split('\n', 6);
  const rootHash = decodeBase64(root);
  const size = Number(digits);
  const isSound = ORIGIN.test(origin) && /^(0|[1-9][0-9]{0,15})$/.test(digits) && Number.isSafeInteger(size);
  if (!isSound || rootHash?.length !== 32 || end !== '' || rest.length > 0)
    throw cryptoFailures.IntegrityCheckFailed(WHAT);
  return { origin, size, rootHash };
}
