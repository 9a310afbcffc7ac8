// What a decision costs with 10,000 assignments: the evaluator beside a scan that tests every assignment with regular
// expressions, on the same questions in one run. The scan is what a table of permissions without an index does; both must
// agree on every question, or nothing is printed. The order alternates, a first round warms up, nothing is asserted on time.
// Run: node bench/access.bench.ts

import assert from 'node:assert/strict';
import { type Actor, createActor } from '../server/src/kernel/authority/actor.ts';
import type { Action } from '../server/src/kernel/authority/grant.ts';
import { idKey } from '../server/src/kernel/ids/ids.ts';
import type { Assignment } from '../server/src/modules/access/assignment.types.ts';
import { builtInRoles, roleIds } from '../server/src/modules/access/built-in-roles.data.ts';
import { createEvaluator } from '../server/src/modules/access/evaluator.service.ts';

const ASSIGNMENTS = 10_000;
const PRINCIPALS = 500;
const WORKSPACES = 400;
const GROUPS_OF_ONE = 20;
const QUESTIONS = 2_000;
const ROUNDS = 7;

const principal = (index: number) => `00000000-0000-4000-8000-${index.toString(16).padStart(12, '0')}`;
const workspace = (index: number) =>
  `/subscriptions/sub-${index % 4}/resourceGroups/group-${index % 40}/providers/Microsoft.MachineLearningServices/workspaces/w${index}`;
const roles: readonly string[] = [
  roleIds.reader,
  roleIds.contributor,
  roleIds.azureMlDataScientist,
  roleIds.storageBlobDataReader,
];

/** Numbers that look random and are the same in every run. */
let seed = 42;
const below = (limit: number) => {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff;
  // The low bits of such a generator repeat soon.
  return (seed >>> 8) % limit;
};
const from = <T>(list: readonly T[], fallback: T): T => list[below(list.length)] ?? fallback;

const assignments = Array.from({ length: ASSIGNMENTS }, (_, index): Assignment => {
  const at = workspace(below(WORKSPACES));
  const scope = below(20) === 0 ? at.slice(0, at.indexOf('/providers')) : at;
  return {
    name: principal(1_000_000 + index),
    scope,
    scopeKey: idKey(scope),
    roleId: from(roles, roleIds.reader),
    principalId: principal(below(PRINCIPALS)),
    principalType: 'User',
    description: undefined,
    expiresAtMs: undefined,
    conditions: undefined,
    createdOn: '',
    updatedOn: '',
    createdBy: '',
    updatedBy: '',
  };
});

const actions: readonly Action[] = [
  { name: 'Microsoft.MachineLearningServices/workspaces/read', plane: 'control' },
  { name: 'Microsoft.MachineLearningServices/workspaces/jobs/write', plane: 'control' },
  { name: 'Microsoft.MachineLearningServices/workspaces/write', plane: 'control' },
  { name: 'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read', plane: 'data' },
];
const actorOf = (index: number): Actor =>
  createActor({
    kind: 'user',
    objectId: principal(index),
    tenantId: principal(0),
    name: 'somebody',
    groups: Array.from({ length: GROUPS_OF_ONE }, (_, at) => principal((index * 7 + at * 13) % PRINCIPALS)),
    method: 'bearer',
    facts: { methods: ['pwd', 'otp', 'mfa'], at: 1_760_000_000, from: '192.0.2.7' },
  });
const actors = Array.from({ length: 200 }, (_, index) => actorOf(index));
// Half of the questions are about workspaces where somebody of the actor's groups has a role, half about any.
const questions = Array.from({ length: QUESTIONS }, (_, index) => {
  const actor = from(actors, actorOf(0));
  const own = assignments.filter((each) => actor.groups.includes(each.principalId)).map((each) => each.scope);
  const at = index % 2 === 0 ? from(own, '/') : workspace(below(WORKSPACES));
  const action: Action = actions[below(actions.length)] ?? { name: '*', plane: 'control' };
  return { actor, action, scope: `${at}/jobs/j${below(1_000)}` };
});

const evaluator = createEvaluator({ nowMs: () => 0 });
for (const role of builtInRoles) evaluator.putRole(role);
for (const assignment of assignments) evaluator.putAssignment(assignment);

const toExpression = (pattern: string) =>
  new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`, 'i');
const scanned = new Map(
  builtInRoles.map(({ id, permissions: [block] }) => [
    id,
    {
      control: { grants: block?.actions.map(toExpression) ?? [], withholds: block?.notActions.map(toExpression) ?? [] },
      data: {
        grants: block?.dataActions.map(toExpression) ?? [],
        withholds: block?.notDataActions.map(toExpression) ?? [],
      },
    },
  ]),
);

function scan(actor: Actor, action: Action, scope: string): boolean {
  const who = new Set([actor.objectId, ...actor.groups]);
  const target = scope.toLowerCase();
  return assignments.some((each) => {
    if (!who.has(each.principalId) || !`${target}/`.startsWith(`${each.scopeKey}/`)) return false;
    const side = scanned.get(each.roleId)?.[action.plane];
    return (
      side?.grants.some((pattern) => pattern.test(action.name)) &&
      !side.withholds.some((pattern) => pattern.test(action.name))
    );
  });
}

let allowed = 0;
for (const { actor, action, scope } of questions) {
  const decision = evaluator.decide(actor, action, scope).allowed;
  assert.equal(decision, scan(actor, action, scope), `${action.name} at ${scope}`);
  if (decision) allowed++;
}

function microseconds(decide: (actor: Actor, action: Action, scope: string) => unknown): number {
  const start = performance.now();
  for (const { actor, action, scope } of questions) decide(actor, action, scope);
  return ((performance.now() - start) * 1_000) / questions.length;
}
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const index: number[] = [];
const naive: number[] = [];
for (let round = 0; round <= ROUNDS; round++) {
  const order = [() => index.push(microseconds(evaluator.decide)), () => naive.push(microseconds(scan))];
  for (const run of round % 2 === 0 ? order : order.toReversed()) run();
  if (round === 0) index.length = naive.length = 0;
}

console.log(`${ASSIGNMENTS} assignments, ${PRINCIPALS} principals, ${GROUPS_OF_ONE} groups an actor`);
console.log(`${QUESTIONS} questions, ${allowed} of them allowed; median of ${ROUNDS} rounds`);
console.log(`evaluator  ${median(index).toFixed(2)} µs a decision`);
console.log(`scan       ${median(naive).toFixed(2)} µs a decision`);
console.log(`ratio      ${(median(naive) / median(index)).toFixed(0)} times faster`);
