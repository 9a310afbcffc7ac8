import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Bounds, type BoundsRule, ruleFor, rulesBelow } from '#kernel/authority/bounds';

const here = { nowMs: 1000, address: '192.0.2.7' };

test('bounds end at their time, and hold from their addresses alone', () => {
  const rule = { scope: '/a', actions: ['X/read'], reason: 'test' };
  const allowed = (more: Partial<Bounds>, at = here) =>
    ruleFor({ rules: [rule], roles: 'ignored', ...more }, 'X/read', '/a/b', at) === rule;
  assert.equal(allowed({}), true);
  assert.equal(allowed({ untilMs: 1001 }), true);
  assert.equal(allowed({ untilMs: 1000 }), false);
  assert.equal(allowed({ addresses: ['192.0.2.0/24'] }), true);
  assert.equal(allowed({ addresses: ['198.51.100.1', '192.0.2.7'] }), true);
  for (const addresses of [[], ['198.51.100.0/24'], ['192.0.2.7/33'], ['everywhere'], ['']])
    assert.equal(allowed({ addresses }), false, addresses.join());
  assert.equal(allowed({ addresses: ['0.0.0.0/0'] }, { nowMs: 0, address: undefined } as never), false);
});

test('an empty scope, a relative one and the root allow nothing', () => {
  for (const scope of ['', '/', '//', 'a', ' /a']) {
    const bounds: Bounds = { rules: [{ scope, actions: 'reads', reason: 'test' }], roles: 'ignored' };
    assert.equal(ruleFor(bounds, 'X/read', '/a', here), undefined, scope);
    assert.deepEqual(rulesBelow(bounds, 'X/read', '/', here), [], scope);
  }
});

/** As slow and as plain as it can be: segments compared one by one, every rule looked at. */
function allows(rules: readonly BoundsRule[], action: string, scope: string): boolean {
  const segments = (id: string) =>
    id
      .toLowerCase()
      .split('/')
      .filter((segment) => segment !== '');
  const asked = segments(scope);
  for (const { scope: at, actions } of rules) {
    const outer = segments(at);
    if (at[0] !== '/' || outer.length === 0 || outer.length > asked.length) continue;
    let isBelow = true;
    for (let index = 0; index < outer.length; index++) if (outer[index] !== asked[index]) isBelow = false;
    if (!isBelow) continue;
    if (actions === 'reads') {
      if (action.toLowerCase().split('/').length > 1 && action.toLowerCase().split('/').at(-1) === 'read') return true;
    } else for (const listed of actions) if (listed.toLowerCase() === action.toLowerCase()) return true;
  }
  return false;
}

test('a scope that some later reading could resolve to another one lies within no bounds', () => {
  const bounds: Bounds = { rules: [{ scope: '/a/b', actions: 'reads', reason: 'test' }], roles: 'ignored' };
  for (const scope of ['/a/b/../c', '/a/b/./c', '/a/b\\c', '/a/b/c\u0000', 'a/b', ''])
    assert.equal(ruleFor(bounds, 'X/read', scope, here), undefined, scope);
});

const names = ['a', 'A', 'ab', 'b', '', 'read'];
const anId = fc.array(fc.constantFrom(...names), { maxLength: 4 }).map((parts) => `/${parts.join('/')}`);
const aScope = fc.oneof({ weight: 9, arbitrary: anId }, { weight: 1, arbitrary: fc.constantFrom('', 'a', 'a/b') });
const anAction = fc.constantFrom('X/read', 'x/READ', 'X/write', 'X/reads', 'read', 'X/y/read', '*', '');
const aRule: fc.Arbitrary<BoundsRule> = fc.record({
  scope: aScope,
  actions: fc.oneof(fc.constant('reads' as const), fc.array(anAction, { maxLength: 3 })),
  reason: fc.constant('test'),
});

test('any bounds allow what a plain reading of them allows, and nothing else', () => {
  fc.assert(
    fc.property(fc.array(aRule, { maxLength: 4 }), anAction, anId, (rules, action, scope) => {
      const found = ruleFor({ rules, roles: 'ignored' }, action, scope, here);
      assert.equal(found !== undefined, allows(rules, action, scope));
      if (found) assert.equal(allows([found], action, scope), true);
    }),
    { numRuns: 5000 },
  );
});

test('what may lie below a scope is never less than what does', () => {
  fc.assert(
    fc.property(fc.array(aRule, { maxLength: 4 }), anAction, anId, anId, (rules, action, under, below) => {
      const bounds: Bounds = { rules, roles: 'ignored' };
      const scope = `${under}${below}`;
      const reachable = rulesBelow(bounds, action, under, here);
      if (ruleFor(bounds, action, scope, here)) assert.ok(reachable.length > 0);
      for (const { scope: at } of reachable) assert.ok(allows(rules, action, at) || allows(rules, action, under));
    }),
    { numRuns: 5000 },
  );
});
