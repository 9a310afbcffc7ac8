// What is tried again and what is given up.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asFailure, Failure, failureKinds, passesBy } from '#kernel/errors/failure';

const failure = (kind: Failure['kind'], code = 'Any') => new Failure({ kind, code, message: 'Any.' });

test('what is full, busy, out of reach or a fault of ours passes by; what is wrong, refused or damaged does not', () => {
  assert.deepEqual(
    failureKinds.filter((kind) => passesBy(failure(kind))),
    ['timeout', 'dependency', 'throttled', 'internal', 'unavailable', 'full'],
  );
  assert.equal(passesBy(asFailure(new TypeError('a fault of ours'))), true);
});

test('of conflicts only another operation at work passes by', () => {
  assert.equal(passesBy(failure('conflict', 'AnotherOperationInProgress')), true);
  assert.equal(passesBy(failure('conflict', 'JobNameUsed')), false);
});
