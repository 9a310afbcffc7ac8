// Credentials in what anybody who may read a resource sees: refused in every place, whatever the kind.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import type { Draft, Properties, Resource, ResourceKind } from './kind.types.ts';
import { refuseCredentials } from './visible.rules.ts';

const kind = { title: 'job', secretProperties: ['keys'] } as unknown as ResourceKind; // what the function looks at
const draft = (properties: Properties, tags: Readonly<Record<string, string>> = {}): Draft => ({
  location: undefined,
  tags,
  kind: undefined,
  sku: undefined,
  identity: undefined,
  properties,
});
const token = `ghp_${'a'.repeat(36)}`;
const refusedAt = (path: string, asked: Draft, existing?: Resource) =>
  assert.throws(
    () => refuseCredentials(kind, asked, existing),
    (thrown: unknown) => {
      assert.ok(thrown instanceof Failure, String(thrown));
      assert.deepEqual([thrown.code, thrown.target], ['CredentialVisible', path]);
      assert.ok(
        !thrown.message.includes('aaaa') && !thrown.message.includes('hunter2'),
        'the value is repeated nowhere',
      );
      return true;
    },
  );

test('a credential is refused wherever a resource may have it', () => {
  for (const [path, asked] of [
    ['tags.note', draft({}, { note: token })],
    ['properties.command', draft({ command: `curl -u x:${token} https://x` })],
    ['properties.description', draft({ description: `the token is ${token}` })],
    ['properties.environmentVariables.X', draft({ environmentVariables: { X: token } })],
    ['properties.inputs.x.value', draft({ inputs: { x: { jobInputType: 'literal', value: token } } })],
    ['properties.properties.x', draft({ properties: { x: token } })],
    ['properties.deep.0.er', draft({ deep: [{ er: token }] })],
    ['properties.environmentVariables.DB_PASSWORD', draft({ environmentVariables: { DB_PASSWORD: 'hunter2' } })],
    ['properties.inputs.password.value', draft({ inputs: { password: { value: 'hunter2' } } })],
    ['properties.inputs.password.value', draft({ inputs: { password: { value: 12_345_678 } } })],
    ['tags.db_password', draft({}, { db_password: 'hunter2' })],
    ['properties.tags.db_password', draft({ tags: { db_password: 'hunter2' } })],
    ['properties.queueSettings.x', { ...draft({}), inert: { queueSettings: { x: token } } }],
    ['sku.name', { ...draft({}), sku: { name: token } }],
    ['properties.uri', draft({ uri: 'https://user:hunter2@host.example/data' })],
  ] as const)
    refusedAt(path, asked);
});

test('what a kind takes as a secret passes, and so does what was there before', () => {
  refuseCredentials(kind, draft({ keys: { primaryKey: token }, authMode: 'Key' }), undefined);
  // Properties of a protocol are not named by users: only what they hold says something.
  refuseCredentials(kind, draft({ clientSecret: 'none here', credentials: { credentialsType: 'None' } }), undefined);
  const existing = draft({ command: token, environmentVariables: { A: token } }, { a: token }) as unknown as Resource;
  const same = { command: token, environmentVariables: { A: token, B: '1' } };
  refuseCredentials(kind, draft(same, { a: token, b: '2' }), existing);
  refusedAt('properties.environmentVariables.B', draft({ environmentVariables: { A: token, B: token } }), existing);
  refusedAt('tags.b', draft({}, { a: token, b: token }), existing);
});
