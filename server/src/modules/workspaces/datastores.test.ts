// Which datastores a list shows, by the questions that clients ask it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '#resources';
import { createDatastoreKind } from './datastores.kind.ts';

const refuse = () => Promise.reject(new Error('lists ask for none of it'));
const kind = createDatastoreKind({
  domain: 'localhost:8443',
  datastores: { sign: refuse, builtIn: () => undefined },
  workspaces: { get: refuse },
});
const shown = (query: Readonly<Record<string, string>>) =>
  ['workspaceblobstore', 'workspaceartifactstore', 'mine'].filter(
    (name) => kind.matches?.({ name } as Resource, query), // only the name is looked at
  );

test('a list of datastores narrows to the default, to names and to a text in the name', () => {
  assert.deepEqual(shown({}), ['workspaceblobstore', 'workspaceartifactstore', 'mine']);
  assert.deepEqual(shown({ isDefault: 'true' }), ['workspaceblobstore']);
  assert.deepEqual(shown({ isDefault: 'false' }), ['workspaceartifactstore', 'mine']);
  assert.deepEqual(shown({ names: 'mine,workspaceblobstore,nobody' }), ['workspaceblobstore', 'mine']);
  assert.deepEqual(shown({ searchText: 'ARTI' }), ['workspaceartifactstore']);
  assert.deepEqual(shown({ names: 'mine', searchText: 'store' }), []);
});
