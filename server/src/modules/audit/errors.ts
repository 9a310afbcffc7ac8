// What can go wrong around the audit log, in words for the caller.

import { Failure } from '#kernel/errors/failure';

/** The record of what is about to happen could not be made durable, so it did not happen. */
export const notRecorded = (cause?: unknown) =>
  new Failure({
    kind: 'unavailable',
    code: 'AuditUnavailable',
    message: 'The audit log cannot be written, so nothing was done. Try again in a moment.',
    retryAfterSeconds: 5,
    cause,
  });

/** The act is over and only its outcome is not recorded yet: saying that nothing was done would be untrue. */
export const outcomeNotRecorded = (cause?: unknown) =>
  new Failure({
    kind: 'unavailable',
    code: 'AuditUnavailable',
    message: 'The operation ended, but its outcome could not be recorded. Check its effect before you try it again.',
    retryAfterSeconds: 5,
    cause,
  });

/** What is stored cannot be continued. */
export const damaged = (what: string) =>
  new Failure({
    kind: 'integrity',
    code: 'AuditDamaged',
    message: `The audit log does not fit together: ${what}. Verify it, and restore it from a backup.`,
  });

export const invalidFilter = (message: string) =>
  new Failure({ kind: 'invalid', code: 'BadRequest', target: '$filter', message });

export const invalidQuery = (target: string, message: string) =>
  new Failure({ kind: 'invalid', code: 'InvalidQueryParameterValue', target, message });

export const notCovered = (message: string) => new Failure({ kind: 'notFound', code: 'AuditProofNotFound', message });

export const verificationRunning = () =>
  new Failure({
    kind: 'conflict',
    code: 'AuditVerificationRunning',
    message: 'The audit log is being verified already. Wait until that has ended.',
    retryAfterSeconds: 10,
  });
