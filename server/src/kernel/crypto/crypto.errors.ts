// How this room says no. Messages never hold a key, a plaintext or a digest of one, and every reason why something does not open has
// the same words: whoever probes learns nothing about which byte, key or place was wrong.

import { defineFailures } from '#kernel/errors/failures';

export const cryptoFailures = defineFailures('crypto', {
  /** The sentence is the algorithm's: which sizes and values it takes. */
  InvalidCryptoArgument: {
    kind: 'invalid',
    meaning: 'An argument of a cryptographic operation is outside its bounds.',
    remedy: 'Follow the message, which says what is accepted.',
    say: (message: string) => message,
  },
  InvalidRange: {
    kind: 'rangeNotSatisfiable',
    meaning: 'A range of bytes is not inside the data.',
    remedy: 'Ask for a range that is; the message says how much there is.',
    say: (message: string) => message,
  },
  /** Of sealed data that is not what was sealed, or not where it was sealed. */
  IntegrityCheckFailed: {
    kind: 'integrity',
    meaning: 'Something sealed does not open: it was changed, cut or moved, or its key is another one.',
    remedy: 'Restore it from a backup.',
    /** `what` names the kind of thing, never its content. */
    say: (what: string) =>
      `This ${what} does not open: it was changed, cut or moved, or its key is another one. Restore it from a backup.`,
  },
  DigestFailed: {
    kind: 'internal',
    meaning: 'The thread that computes digests ended before the digest was there.',
    remedy: 'Try again; if it happens again, look into the log.',
    say: (cause?: unknown) => ({ message: 'The digest ended with its thread.', cause }),
  },
});
