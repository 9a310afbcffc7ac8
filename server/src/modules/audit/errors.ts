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

/** Gone from here, and known to be: what is asked for lies in files that somebody keeps. */
export const archived = (past: number) =>
  new Failure({
    kind: 'gone',
    code: 'AuditRecordsArchived',
    message: `The records 0 to ${past - 1} are archived and were dropped; the files of their segments hold them. Ask from record ${past} on.`,
  });

export const archivedBefore = (untilMs: number) =>
  new Failure({
    kind: 'gone',
    code: 'AuditRecordsArchived',
    message: `The records of that time are archived and were dropped; the files of their segments hold them. What is here begins after ${new Date(untilMs).toISOString()}.`,
  });

/** A range that no segment can be, or that may not go yet. */
export const invalidSegment = (message: string) =>
  new Failure({ kind: 'invalid', code: 'AuditSegmentInvalid', message });

export const notDroppable = (code: string, message: string) => new Failure({ kind: 'conflict', code, message });

export const segmentMismatch = (why: string) =>
  new Failure({
    kind: 'conflict',
    code: 'AuditSegmentMismatch',
    message: `This file is not the segment of these records: ${why}. Nothing was dropped. Write it anew with 'audit archive'.`,
  });

export const dropRunning = () =>
  new Failure({
    kind: 'conflict',
    code: 'AuditDropRunning',
    message: 'Records of the audit log are being dropped. Wait until that has ended.',
    retryAfterSeconds: 10,
  });
