// Every table of failures that the kernel answers with, whichever room it stands in.

import { authorityFailures } from '#kernel/authority/authority.errors';
import { byteFailureTable } from '#kernel/bytes/bytes.errors';
import { configFailures } from '#kernel/config/config.errors';
import { cryptoFailures } from '#kernel/crypto/crypto.errors';
import { databaseFailures } from '#kernel/database/database.errors';
import { statusOf } from '#kernel/errors/failure';
import { type FailureTable, tableOf } from '#kernel/errors/failures';
import { filesFailures } from '#kernel/files/files.errors';
import { httpFailures } from '#kernel/http/http.errors';
import { idsFailures } from '#kernel/ids/ids.errors';
import { inputFailures } from '#kernel/input/input.errors';
import { sealingFailures } from '#kernel/sealing/sealing.errors';
import { tasksFailures } from '#kernel/tasks/tasks.errors';

/** What `asFailure` makes of whatever nobody foresaw. */
const unforeseen: FailureTable = {
  room: 'any',
  rows: [
    {
      code: 'InternalError',
      kind: 'internal',
      status: statusOf('internal'),
      meaning: 'The server could not finish the request, for a reason that nobody foresaw.',
      remedy: 'Find the request id of the headers in its log, and report what stands there.',
    },
  ],
};

export const kernelFailures: readonly FailureTable[] = [
  unforeseen,
  tableOf(authorityFailures),
  byteFailureTable,
  tableOf(configFailures),
  tableOf(cryptoFailures),
  tableOf(databaseFailures),
  tableOf(filesFailures),
  tableOf(httpFailures),
  tableOf(idsFailures),
  tableOf(inputFailures),
  tableOf(sealingFailures),
  tableOf(tasksFailures),
];
