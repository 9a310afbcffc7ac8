// What the composed server says of itself fits together: every action that a route needs is declared, every declared action
// is used by a route or asked for by a service, and every route is in the descriptions of openapi/.

import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Action } from '@strongroom/contract/action';
import { declaredActions } from '@strongroom/contract/actions';
import { checkCatalogue } from '#access';
import type { Route } from '#kernel/http/route';
import { documentsOf } from '../../scripts/openapi/documents.ts';
import { type Composition, composedRoutes } from '../../scripts/openapi/routes.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
let composition: Composition;
let routes: readonly Route[];

before(async () => {
  composition = await composedRoutes();
  ({ routes } = composition);
});

const used = (): readonly Action[] => routes.flatMap(({ access }) => ('action' in access ? [access.action] : []));
const unusedMark = ' is declared and not used';

test('every action of a route is declared once, on one plane and in one spelling', () => {
  const mistakes = checkCatalogue(used(), declaredActions);
  assert.deepEqual(
    mistakes.filter((mistake) => !mistake.endsWith(unusedMark)),
    [],
  );
});

test('no summary says `a online endpoint`', () => {
  const wrong = routes
    .map(({ summary }) => summary)
    .filter((summary) => /\b[Aa] [aeio]|\b[Aa]n [^aeiouhn\W]/.test(summary));
  assert.deepEqual(wrong, []);
});

test('every declared action is needed by a route or asked for somewhere in the server', async () => {
  const sources = globSync('server/src/**/*.ts', { cwd: root })
    .filter((path) => !/\.test\.ts$|\/testing(\/|\.ts$)/.test(path))
    .map((path) => readFileSync(root + path, 'utf8'))
    .join('\n');
  /** `secretsActions.purge`, for every action of every table. */
  const names = new Map<string, string[]>();
  for (const path of globSync('contract/src/*.actions.ts', { cwd: root })) {
    const tables = (await import(root + path)) as Readonly<Record<string, unknown>>;
    for (const [table, actions] of Object.entries(tables))
      if (typeof actions === 'object' && actions !== null)
        for (const [name, action] of Object.entries(actions as Record<string, Action>))
          names.set(action.name, [...(names.get(action.name) ?? []), `${table}.${name}`]);
  }
  const unused = checkCatalogue(used(), declaredActions)
    .filter((mistake) => mistake.endsWith(unusedMark))
    .map((mistake) => mistake.slice(0, -unusedMark.length))
    .filter((action) => {
      const spelt = [...(names.get(action) ?? []), `'${action}'`];
      return !spelt.some((text) => sources.includes(text));
    });
  assert.deepEqual(unused, []);
});

test('each description names every operation of its surface once, with who may and what is recorded', () => {
  type Operation = {
    operationId: string;
    'x-strongroom-access': { kind: string; action?: string };
    'x-strongroom-audit': { level: string };
  };
  for (const [name, text] of documentsOf(composition)) {
    const document = JSON.parse(text) as Record<'paths' | 'x-ms-paths', Record<string, Record<string, Operation>>>;
    const described = [document.paths, document['x-ms-paths'] ?? {}]
      .flatMap((paths) => Object.values(paths))
      .flatMap((item) => Object.values(item));
    const byId = new Map(described.map((operation) => [operation.operationId, operation]));
    assert.equal(byId.size, described.length, `${name} names an operation twice`);
    for (const { operation, surface, access, audit } of routes) {
      if (`${surface}.json` !== name) continue;
      const found = byId.get(operation);
      assert.ok(found, operation);
      assert.equal(found['x-strongroom-access'].kind, access.kind, operation);
      assert.equal(found['x-strongroom-access'].action, 'action' in access ? access.action.name : undefined, operation);
      assert.equal(found['x-strongroom-audit'].level, audit.level, operation);
    }
  }
});

/** Names of every property in a schema, however deep. */
function namesIn(schema: unknown): readonly string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  return Object.entries(schema).flatMap(([name, inner]) =>
    name === 'properties' && typeof inner === 'object' && inner !== null
      ? [...Object.keys(inner), ...Object.values(inner).flatMap(namesIn)]
      : namesIn(inner),
  );
}

test('a body that may hold a password, a key or a value of a vault says so, and no digest of it is recorded', () => {
  // Forms of sign-in take whatever a protocol names, and their schema names nothing.
  const silent = routes.flatMap(({ operation, surface, body, audit }) => {
    if ((body?.kind !== 'json' && body?.kind !== 'form') || body.holdsSecrets || audit.level === 'none') return [];
    // What runs log by the name `value`, whoever may read the run may read; what a vault takes by it, is what it keeps.
    const secret = surface === 'keyvault' ? /^value$|^key$/ : /password$|secret|^keyValue$|^primaryKey$/i;
    // A switch of azure-ai-ml's, true or false, that says what kind of secret it would like; references of a job, which are none.
    const harmless = ['expirableSecret', 'secretsConfiguration', 'workspaceSecretName'];
    const names = namesIn(body.schema).filter((name) => secret.test(name) && !harmless.includes(name));
    return surface === 'oauth' ? [operation] : names.map((name) => `${operation} ${name}`);
  });
  assert.deepEqual(silent, []);
});

test('a name that a route records is in its path, its query or its body', () => {
  const nowhere = routes.flatMap(({ operation, method, path, query, body, audit }) => {
    // A PATCH of a resource shares the list of its PUT, and takes less.
    if (method === 'PATCH' || body?.kind !== 'json' || namesIn(body.schema).length === 0) return [];
    const known = [...namesIn(query), ...namesIn(body.schema)];
    return (('record' in audit && audit.record) || [])
      .filter((name) => !path.includes(`{${name}`) && !known.includes(name.split('.')[0] ?? ''))
      .map((name) => `${operation} ${name}`);
  });
  assert.deepEqual(nowhere, []);
});
