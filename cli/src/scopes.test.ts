// Paths of scopes: the root has no segments of its own.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { below } from './commands/scopes.ts';

test('what lies below the root is a path of this server, and no address of another', () => {
  const path = below('/', 'providers/Microsoft.Authorization/roleAssignments');
  assert.equal(new URL(path, 'https://ml.example.org:8443').host, 'ml.example.org:8443');
  assert.equal(path, '/providers/Microsoft.Authorization/roleAssignments');
  assert.equal(below('/subscriptions/s1', 'providers/x'), '/subscriptions/s1/providers/x');
});
