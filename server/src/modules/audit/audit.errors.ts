// What the audit log refuses, and what cannot be done while it cannot record.

import { defineFailures } from '#kernel/errors/failures';

export const auditFailures = defineFailures('audit', {
  /** The record of what is about to happen could not be made durable, so it did not happen. */
  notRecorded: {
    kind: 'unavailable',
    code: 'AuditUnavailable',
    meaning: 'What is about to be done could not be recorded, so it was not done.',
    remedy: 'Try again in a moment; if it goes on, give the disk of the audit log room.',
    say: (cause?: unknown) => ({
      message: 'The audit log cannot be written, so nothing was done. Try again in a moment.',
      retryAfterSeconds: 5,
      cause,
    }),
  },
  /** Trying again is no use: the disk lost what it was given, so the log takes nothing until it is read anew. */
  notRecordedUntilStarted: {
    kind: 'unavailable',
    code: 'AuditUnavailable',
    meaning:
      'The disk failed under the audit log, which takes nothing until the server is started again. Nothing was done.',
    remedy: 'Look after the disk, then start the server again and verify the log.',
    say: (cause: unknown) => ({
      message:
        'The disk failed under the audit log, so it takes no more records and nothing was done. Look after the disk and start the server again.',
      retryAfterSeconds: 30,
      cause,
    }),
  },
  /** The act is over and only its outcome is not recorded yet: saying that nothing was done would be untrue. */
  outcomeNotRecorded: {
    kind: 'unavailable',
    code: 'AuditUnavailable',
    meaning: 'The operation ended, but its outcome could not be recorded yet.',
    remedy: 'Check its effect before you try it again.',
    say: (cause?: unknown) => ({
      message: 'The operation ended, but its outcome could not be recorded. Check its effect before you try it again.',
      retryAfterSeconds: 5,
      cause,
    }),
  },
  AuditDamaged: {
    kind: 'integrity',
    meaning: 'What is stored of the audit log does not fit together, so it cannot be continued.',
    remedy: 'Verify it, and restore it from a backup.',
    say: (what: string) => `The audit log does not fit together: ${what}. Verify it, and restore it from a backup.`,
  },
  StoreRolledBack: {
    kind: 'integrity',
    meaning: 'A store is older than what the audit log knows of it: a copy was put in its place.',
    remedy: 'Put its newest copy back. If it was restored on purpose, start the server once with --accept-rollback.',
    /** `text`: which store, and how far it is behind. */
    say: (text: string, store: string) =>
      `${text} Put its newest copy back. If it was restored on purpose, start the server once with --accept-rollback ${store}; that is recorded.`,
  },
  AuditExportBroken: {
    kind: 'integrity',
    meaning: 'An export of the log does not verify.',
    remedy: 'Do not rely on the file: export again, and find out who changed it.',
    say: (line: number, why: string, cause?: unknown) => ({
      message: `The export does not verify at line ${line}: ${why}.`,
      cause,
    }),
  },
  segmentUnreadable: {
    kind: 'integrity',
    code: 'AuditExportBroken',
    meaning: 'A file given as a segment of the log is none.',
    remedy: "Give the file that 'audit archive' wrote.",
    say: (why: string, cause?: unknown) => ({ message: `This is no segment of an audit log: ${why}.`, cause }),
  },
  /** The sentence is the filter's: what was found in it, and what was expected there. */
  invalidFilter: {
    kind: 'invalid',
    code: 'BadRequest',
    meaning: 'A $filter of the activity log is not one that is served.',
    remedy: 'Follow the message, which says what was expected.',
    say: (message: string) => ({ message, target: '$filter' }),
  },
  InvalidQueryParameterValue: {
    kind: 'invalid',
    meaning: 'A parameter of a question to the log has a value that it does not take.',
    remedy: 'Follow the message, which says what it takes.',
    say: (target: string, message: string) => ({ message, target }),
  },
  recordUncovered: {
    kind: 'notFound',
    code: 'AuditProofNotFound',
    meaning: 'No checkpoint covers a record that is to be archived or dropped.',
    remedy: 'Ask again in a minute, when the next checkpoint was made.',
    say: (sequence: number, besides = '') => `No checkpoint covers record ${sequence} yet.${besides}`,
  },
  beyondLog: {
    kind: 'notFound',
    code: 'AuditProofNotFound',
    meaning: 'The log holds fewer records than are asked about.',
    remedy: 'Ask about fewer records.',
    say: (records: number, asked: number) => `The log holds ${records} records, not ${asked}.`,
  },
  uncovered: {
    kind: 'notFound',
    code: 'AuditProofNotFound',
    say: 'No checkpoint covers this yet. One is made within a minute.',
  },
  noCheckpoint: {
    kind: 'notFound',
    code: 'AuditProofNotFound',
    say: 'There is no checkpoint yet. One is made within a minute.',
  },
  noSuchRange: {
    kind: 'notFound',
    code: 'AuditProofNotFound',
    meaning: 'A range ends before it begins, or beyond what a checkpoint covers.',
    remedy: 'Ask for a range that ends where the message says, or before.',
    say: (size: number) => `A range begins before it ends, and ends at ${size} or before.`,
  },
  AuditVerificationRunning: {
    kind: 'conflict',
    meaning: 'The log is being verified already.',
    remedy: 'Wait until that has ended.',
    say: () => ({
      message: 'The audit log is being verified already. Wait until that has ended.',
      retryAfterSeconds: 10,
    }),
  },
  AuditDropRunning: {
    kind: 'conflict',
    meaning: 'Records of the log are being dropped.',
    remedy: 'Wait until that has ended.',
    say: () => ({
      message: 'Records of the audit log are being dropped. Wait until that has ended.',
      retryAfterSeconds: 10,
    }),
  },
  /** Gone from here, and known to be: what is asked for lies in files that somebody keeps. */
  AuditRecordsArchived: {
    kind: 'gone',
    meaning: 'The records that are asked for are archived and were dropped.',
    remedy: 'Look into the files of their segments, or ask for later records.',
    say: (past: number) =>
      `The records 0 to ${past - 1} are archived and were dropped; the files of their segments hold them. Ask from record ${past} on.`,
  },
  archivedBefore: {
    kind: 'gone',
    code: 'AuditRecordsArchived',
    meaning: 'The records of the time that is asked for are archived and were dropped.',
    remedy: 'Look into the files of their segments, or ask for a later time.',
    say: (untilMs: number) =>
      `The records of that time are archived and were dropped; the files of their segments hold them. What is here begins after ${new Date(untilMs).toISOString()}.`,
  },
  segmentUneven: {
    kind: 'invalid',
    code: 'AuditSegmentInvalid',
    meaning: 'A segment begins or ends within a tile.',
    remedy: 'List the segments, and take one of them.',
    say: (leavesPerTile: number) => `A segment begins and ends at a multiple of ${leavesPerTile} records.`,
  },
  segmentSize: {
    kind: 'invalid',
    code: 'AuditSegmentInvalid',
    meaning: 'A segment holds no records, or more than a file of them does.',
    remedy: 'List the segments, and take one of them.',
    say: (recordsMin: number, recordsMax: number) => `A segment holds ${recordsMin} to ${recordsMax} records.`,
  },
  segmentName: {
    kind: 'invalid',
    code: 'AuditSegmentInvalid',
    say: "A segment is named by its first record and the one after its last, such as '0-32768'.",
  },
  AuditRetentionNotSet: {
    kind: 'conflict',
    say: 'This installation keeps its audit log for ever: audit.retentionDays is 0. Nothing is dropped.',
  },
  AuditSegmentOutOfOrder: {
    kind: 'conflict',
    meaning: 'A segment that is to be dropped is not the oldest.',
    remedy: 'Drop the oldest first; the message says where it begins.',
    say: (begin: number, from: number) =>
      `Records are dropped from the oldest on: the next segment begins at ${begin}, not at ${from}.`,
  },
  AuditSegmentOpen: {
    kind: 'conflict',
    say: 'The segment holds an act whose outcome is not recorded yet. Nothing was dropped.',
  },
  retentionNotWitnessed: {
    kind: 'conflict',
    code: 'AuditRetentionNotOver',
    meaning: 'By its own checkpoints the log has not seen the time of retention pass since the segment was signed.',
    remedy: 'Drop the segment later.',
    say: (days: number, retentionDays: number) =>
      `By its checkpoints the log has seen ${days} days pass since the segment was signed (of a time without one, a day counts), and records are kept for ${retentionDays}. Nothing was dropped.`,
  },
  AuditRetentionNotOver: {
    kind: 'conflict',
    meaning: 'A segment that is to be dropped holds a record that is younger than the retention.',
    remedy: 'Drop the segment later.',
    say: (newestMs: number, retentionDays: number) =>
      `The segment holds a record of ${new Date(newestMs).toISOString()}, and records are kept for ${retentionDays} days. Nothing was dropped.`,
  },
  AuditSegmentSlow: {
    kind: 'timeout',
    meaning: 'The file of a segment took too long to arrive; nothing else is verified or dropped meanwhile.',
    remedy: 'Send it again over a faster connection.',
    say: (minutes: number) =>
      `The file did not arrive whole within ${minutes} minutes. Nothing was dropped. Send it again over a faster connection.`,
  },
  AuditSegmentMismatch: {
    kind: 'conflict',
    meaning: 'The file that was sent is not the segment of the records that are to be dropped.',
    remedy: "Write it anew with 'audit archive', and send that.",
    say: (why: string) =>
      `This file is not the segment of these records: ${why}. Nothing was dropped. Write it anew with 'audit archive'.`,
  },
});
