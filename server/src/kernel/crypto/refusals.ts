// How this room says no: `refuse` for arguments that make no sense, `outside` for ranges, and
// `doesNotOpen` for whatever fails authentication.
// Every reason why something does not open has the same words: an attacker who probes learns
// nothing about which byte, key or place was wrong.

import { Failure } from '#kernel/errors/failure';

/** An argument outside its bounds. The message says what is accepted. */
export function refuse(message: string): Failure {
  return new Failure({ kind: 'invalid', code: 'InvalidCryptoArgument', message });
}

/** A range that is not inside the data. */
export function outside(message: string): Failure {
  return new Failure({ kind: 'rangeNotSatisfiable', code: 'InvalidRange', message });
}

/** Sealed data that is not what was sealed, or not where it was sealed. `what` names the kind of thing, never its content. */
export function doesNotOpen(what: string): Failure {
  return new Failure({
    kind: 'integrity',
    code: 'IntegrityCheckFailed',
    message: `This ${what} does not open: it was changed, cut or moved, or its key is another one. Restore it from a backup.`,
  });
}
