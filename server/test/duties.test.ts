// What the house does by itself: each duty is declared once, and held to what it declares.

import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { declaredActions } from '@strongroom/contract/actions';
import { type Duty, dutyAllows, holdToDuty } from '#kernel/authority/duty';
import { composedRoutes } from '../../scripts/openapi/routes.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const group = '/subscriptions/s/resourceGroups/g';
let duties: readonly Duty[];

before(async () => {
  duties = (await composedRoutes()).modules.flatMap((module) => module.duties ?? []);
});

test('every duty has a name of its own, begins with its module, and names actions of the catalogue', () => {
  const names = duties.map(({ name }) => name);
  assert.deepEqual([...new Set(names)], names);
  const known = new Set(declaredActions.map(({ name }) => name));
  for (const { name, actions } of duties)
    for (const action of actions)
      assert.ok(action.name.startsWith('{type}/') || known.has(action.name), `${name} names ${action.name}`);
});

test('every file of duties belongs to a module that declares them', () => {
  const files = globSync('server/src/**/duties.ts', { cwd: root }).map((path) => path.split('/').at(-2));
  const modules = new Set(duties.map(({ name }) => name.split('.')[0]));
  assert.deepEqual(files.sort(), [...modules].sort());
});

test('no duty may do what it does not declare, nor where it does not reach', () => {
  const exceeded = { code: 'DutyExceeded' };
  for (const duty of duties.filter(({ under }) => !under.startsWith('{'))) {
    const within = exampleOf(duty.under);
    const mine = new Set(duty.actions.map(({ name }) => name));
    for (const action of declaredActions) {
      assert.equal(dutyAllows(duty, within, action, within), mine.has(action.name), `${duty.name}: ${action.name}`);
      if (!mine.has(action.name)) assert.throws(() => holdToDuty(duty, action, within), exceeded);
    }
    const [action] = duty.actions;
    holdToDuty(duty, action, within);
    if (duty.under === '/') continue;
    for (const elsewhere of ['/', '/providers/Microsoft.Elsewhere/things/one'])
      assert.throws(() => holdToDuty(duty, action, elsewhere), exceeded, `${duty.name} at ${elsewhere}`);
    assert.equal(dutyAllows(duty, within, action, `${within}-2`), false);
  }
});

function exampleOf(under: string): string {
  if (under === '/') return '/';
  if (under === 'Microsoft.Resources/subscriptions') return '/subscriptions/s';
  if (under === 'Microsoft.Resources/resourceGroups') return group;
  const [namespace, ...types] = under.split('/');
  return `${group}/providers/${namespace}/${types.map((type, at) => `${type}/name${at}`).join('/')}`;
}
