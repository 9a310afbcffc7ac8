// An error of the library reaches a program in a word of our table, whatever the library says.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { providerFailure } from './oauth.errors.ts';

const told = (error: string, status: number) => {
  const { code, kind, message } = providerFailure(error, 'Why.', status);
  return [code, kind, message];
};

test('a word that programs decide by stays that word', () => {
  for (const word of ['invalid_grant', 'authorization_pending', 'expired_token', 'access_denied', 'invalid_target'])
    assert.deepEqual(told(word, 400), [word, 'invalid', 'Why.']);
});

test('any other word is a request that is wrong, and a server that failed says so', () => {
  assert.deepEqual(told('invalid_dpop_proof', 400), ['invalid_request', 'invalid', 'Why.']);
  assert.deepEqual(told('toString', 400), ['invalid_request', 'invalid', 'Why.']);
  assert.deepEqual(told('server_error', 500), ['server_error', 'internal', 'Why.']);
  assert.deepEqual(told('invalid_grant', 503), ['server_error', 'internal', 'Why.']);
});
