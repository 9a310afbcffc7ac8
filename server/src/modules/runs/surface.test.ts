// What the surface reads out of an address is the canonical path that the routes are written over, and there is a way back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readTarget } from '#kernel/http/target';
import { createMlflowSurface, mlflowWireOf, workspacePath } from './surface.ts';

const surface = createMlflowSurface([]);

test('what is described is what is read', () => {
  for (const tail of ['version', 'health', 'server-info', 'runs/create', 'mlflow-artifacts/artifacts/a'] as const) {
    const template = `${workspacePath}/${tail}`;
    const { path, query } = mlflowWireOf(template);
    assert.deepEqual(query, {});
    const written = (text: string) => text.replaceAll(/\{(\w+)\}/g, '$1');
    const read = surface.recognise(readTarget(written(path), 'localhost'));
    assert.equal(`/${read?.join('/')}`, written(template), path);
  }
});
