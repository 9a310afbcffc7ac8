// What the database says when it does not do what was asked.

import { defineFailures } from '#kernel/errors/failures';

/** The disk does not come back by itself, and a client that tries at once would only be told the same. */
const ofDisk = (message: string) => (cause: unknown) => ({ message, retryAfterSeconds: 30, cause });

export const databaseFailures = defineFailures('database', {
  WriteFailed: { kind: 'internal', say: 'A statement of this write failed before, so nothing more is done in it.' },
  ServerBusy: { kind: 'unavailable', say: 'Too many changes are waiting to be stored. Try again in a moment.' },
  DatabaseClosed: { kind: 'unavailable', say: 'This database is closed.' },
  DatabaseOwner: { kind: 'internal', say: 'No database belongs to an owner of such a name.' },
  WriteUnknown: {
    kind: 'unavailable',
    say: 'The database server was lost while it stored the change: whether it did is not known. Look, then try again.',
  },
  TextNotStorable: { kind: 'invalid', say: 'A text must not hold the character U+0000.' },
  StorageFull: {
    kind: 'unavailable',
    say: 'The disk that holds the data folder is full. Nothing of this request was stored.',
  },
  DatabaseDamaged: {
    kind: 'integrity',
    say: 'A stored page does not verify: the database file was damaged or altered. Restore it from a backup.',
  },
  StorageUnavailable: {
    kind: 'unavailable',
    say: 'The database could not be reached on its disk. Nothing of this request was stored; try again.',
  },
  SyncFailed: {
    kind: 'unavailable',
    meaning: 'The disk failed while a change was made durable, so what it holds of it is not known.',
    remedy: 'Look after the disk, then start the server again, and look whether the change is there.',
    say: ofDisk(
      'The disk failed while the change was made durable, so whether it is kept is not known, and this database takes no more changes. Look after the disk and start the server again, which reads the log of changes anew; then look whether this one is there.',
    ),
  },
  WritesStopped: {
    kind: 'unavailable',
    meaning: 'The disk failed under a database before, so it takes no more changes.',
    remedy: 'Look after the disk, then start the server again.',
    say: ofDisk(
      'The disk failed under this database, so it takes no more changes: nothing of this request was stored in it. Look after the disk and start the server again, which reads the log of changes anew.',
    ),
  },
  DatabaseEncoding: { kind: 'internal', say: 'The database of the server has to be made with the encoding UTF8.' },
  DatabaseMissing: {
    kind: 'unavailable',
    say: 'The database file is missing or cannot be opened. Check that the data folder is complete and readable.',
  },
  ScanTimeout: { kind: 'unavailable', say: 'The query took too long and was given up. Narrow the filter.' },
  ScanFailed: { kind: 'internal', say: 'The query could not be run.' },
  DatabaseKey: { kind: 'internal', say: 'A database key is 32 raw bytes.' },
  WriteUndone: {
    kind: 'unavailable',
    say: 'The change was undone together with another one that the database gave up. Try again.',
  },
  DatabasePath: { kind: 'internal', say: 'A database path must be absolute.' },
  DatabaseKeyRejected: {
    kind: 'integrity',
    say: 'The database does not open with its key: the key is another one, or the file is damaged. Check that the root key belongs to this data folder, or restore the file from a backup.',
  },
  SchemaMismatch: {
    kind: 'integrity',
    say: 'A migration of this database is not the one that this version has. Run the version that made it, or restore the folder from a backup.',
  },
  ValueNotStorable: {
    kind: 'internal',
    say: 'Only text, numbers, bytes and null are stored: times as numbers or text, truth as 0 or 1.',
  },
  NumberNotStorable: {
    kind: 'invalid',
    say: 'A number does not fit what is stored: whole numbers to 2^53, others finite.',
  },
  DataFolderInUse: {
    kind: 'conflict',
    say: 'Another server works on this data folder. Stop it first, or name another folder with --data-dir.',
  },
  DatabaseMisuse: { kind: 'internal', say: 'The server asked its database for what it does not do.' },
  ReadInWrite: {
    kind: 'internal',
    say: 'A write read beside its transaction. Read before it, or through the transaction.',
  },
  NestedWrite: { kind: 'internal', say: 'write() was called inside a write. Pass the transaction on instead.' },
  WriteAwaited: { kind: 'internal', say: 'A write awaited something other than statements of its transaction.' },
  TransactionEnded: { kind: 'internal', say: 'A transaction was used outside of the write that it belongs to.' },
  DatabaseReadOnly: { kind: 'internal', say: 'This database was opened for reading only.' },
  ServerStopping: { kind: 'unavailable', say: 'The server is stopping.' },
  ResultTooLarge: {
    kind: 'tooLarge',
    meaning: 'An answer would hold more rows or bytes than one may.',
    remedy: 'Narrow the filter, or ask page by page.',
    say: (maxRows: number) =>
      `The answer would hold more than ${maxRows} rows or too many bytes. Narrow the filter, or ask page by page.`,
  },
});
