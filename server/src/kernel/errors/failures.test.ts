// A table of failures: what its rows make, what it prints, and what it refuses.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import { checkFailures, defineFailures, retold, tableOf } from '#kernel/errors/failures';

const failures = defineFailures('library', {
  BookNotFound: {
    kind: 'notFound',
    meaning: 'There is no book of that title.',
    remedy: 'Look through the list of books.',
    say: (title: string) => `There is no book '${title}'. Look through the list.`,
  },
  bookLent: {
    kind: 'conflict',
    code: 'BookLent',
    meaning: 'Somebody has the book.',
    remedy: 'Ask again when it is back.',
    say: (title: string, days: number) => ({
      message: `'${title}' is lent for ${days} days.`,
      target: 'title',
      retryAfterSeconds: days * 86_400,
    }),
  },
  Closed: { kind: 'unavailable', say: 'The library is closed. Come tomorrow.' },
});

test('a row makes a failure of its kind, under its code, with what the case adds', () => {
  const found = failures.BookNotFound('Emma');
  assert.ok(found instanceof Failure);
  assert.deepEqual(
    [found.kind, found.code, found.status, found.message],
    ['notFound', 'BookNotFound', 404, "There is no book 'Emma'. Look through the list."],
  );
  const lent = failures.bookLent('Emma', 2);
  assert.deepEqual([lent.code, lent.target, lent.retryAfterSeconds], ['BookLent', 'title', 172_800]);
  assert.equal(failures.Closed().message, 'The library is closed. Come tomorrow.');
  const cause = new Error('flood');
  const flooded = failures.Closed({ message: 'Flooded.', cause });
  assert.deepEqual([flooded.message, flooded.cause, flooded.kind], ['Flooded.', cause, 'unavailable']);
});

test('a table prints the code, the status, the meaning and what to do', () => {
  assert.deepEqual(tableOf(failures), {
    room: 'library',
    rows: [
      {
        code: 'BookNotFound',
        kind: 'notFound',
        status: 404,
        meaning: 'There is no book of that title.',
        remedy: 'Look through the list of books.',
      },
      {
        code: 'BookLent',
        kind: 'conflict',
        status: 409,
        meaning: 'Somebody has the book.',
        remedy: 'Ask again when it is back.',
      },
      {
        code: 'Closed',
        kind: 'unavailable',
        status: 503,
        meaning: 'The library is closed. Come tomorrow.',
        remedy: '',
      },
    ],
  });
});

test('a case cannot change what the row decided', () => {
  const sly = { message: 'x', kind: 'forbidden', code: 'Other' } as const;
  assert.deepEqual([failures.Closed(sly).kind, failures.Closed(sly).code], ['unavailable', 'Closed']);
});

test('one code of a room has one kind, in one table and over several', () => {
  assert.throws(
    () =>
      defineFailures('library', {
        one: { kind: 'invalid', code: 'Same', say: 'a' },
        other: { kind: 'conflict', code: 'Same', say: 'b' },
      }),
    /the failure Same of library is declared as invalid and as conflict/,
  );
  const gone = defineFailures('library', { Closed: { kind: 'gone', say: 'It is gone.' } });
  assert.throws(() => checkFailures([tableOf(failures), tableOf(gone)]), /declared as unavailable and as gone/);
  const elsewhere = defineFailures('museum', { Closed: { kind: 'gone', say: 'It is gone.' } });
  checkFailures([tableOf(failures), tableOf(elsewhere)]);
});

test('a protocol of few words says why one code has several kinds', () => {
  const few = defineFailures(
    'archive',
    {
      one: { kind: 'invalid', code: 'NO', say: 'It is not well-formed.' },
      other: { kind: 'tooLarge', code: 'NO', say: 'It is too long.' },
    },
    { fewWords: 'the archive says NO to everything' },
  );
  checkFailures([tableOf(few)]);
  assert.deepEqual([few.one().status, few.other().status], [400, 413]);
});

test('a failure that is told in other words stays what it was', () => {
  const closed = failures.Closed({ cause: new Error('flood') });
  const told = retold(closed, 'The library of Bath is closed.');
  assert.deepEqual(
    [told.kind, told.code, told.message, told.cause],
    ['unavailable', 'Closed', 'The library of Bath is closed.', closed],
  );
  assert.equal(retold(closed, 'It is closed to you.', 'forbidden').status, 403);
});
