// The one order of every act that begins inside: decided, recorded, done, concluded; and what the log says of each ending.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AuditTrail } from '#kernel/authority/audit';
import type { RecordedDuty } from '#kernel/authority/duty';
import { counted, recorded } from '#kernel/authority/perform';
import { Failure } from '#kernel/errors/failure';
import { testActs, testAudit, testAuthority, testGrant } from '#kernel/testing/authority';

const action = { name: 'Test/things/delete', plane: 'control' } as const;
const scope = '/subscriptions/s/resourceGroups/g/providers/Test/things/one';
const facts = { operation: 'Things_Expire', action, scope, parameters: { name: 'one' } };
const duty: RecordedDuty = {
  name: 'test.expire',
  why: 'A test.',
  actions: [action],
  under: 'Test/things',
  record: { level: 'activity' },
};

function open(allows = true) {
  const { grants } = testAuthority(() => allows);
  const audit = testAudit();
  return { acts: testActs(grants, audit), audit };
}

test('the intent is there before the act begins, and the outcome after it', async () => {
  const { acts, audit } = open();
  const done = await acts.also(testGrant(), facts, async (granted) => {
    assert.deepEqual(
      audit.entries.map(({ intent, outcome }) => [intent.operation, intent.decision, outcome]),
      [['Things_Expire', 'allowed', undefined]],
    );
    assert.equal(granted.scope, scope);
    return 7;
  });
  assert.equal(done, 7);
  assert.deepEqual(audit.entries[0]?.outcome, { status: 200, code: undefined });
});

test('who may not is recorded, and nothing is done', async () => {
  const { acts, audit } = open(false);
  const never = async () => assert.fail('it was done');
  await assert.rejects(acts.also(testGrant(), facts, never), { kind: 'forbidden' });
  const principal = { objectId: 'object', name: 'Vision' };
  await assert.rejects(acts.as(principal, { ...facts, reason: 'cleans' }, never), { kind: 'forbidden' });
  assert.deepEqual(
    audit.entries.map(({ level, intent, outcome }) => [level, intent.actor.name, intent.decision, outcome?.status]),
    [
      ['refused', 'tester@strongroom.local', 'refused', 403],
      ['refused', 'Vision', 'refused', 403],
    ],
  );
});

test('what fails is concluded with its failure, and thrown', async () => {
  const { acts, audit } = open();
  const gone = new Failure({ kind: 'gone', code: 'ThingGone', message: 'It is gone.' });
  await assert.rejects(
    acts.duty(duty, facts, () => Promise.reject(gone)),
    gone,
  );
  assert.deepEqual(audit.entries[0]?.outcome, { status: gone.status, code: 'ThingGone' });
  assert.deepEqual(
    [audit.entries[0]?.intent.actor.kind, audit.entries[0]?.intent.reason],
    ['system', 'duty: test.expire'],
  );
});

test('what cannot be recorded is not done', async () => {
  const full = new Failure({ kind: 'unavailable', code: 'AuditUnavailable', message: 'The log takes nothing.' });
  const audit = { ...testAudit(), begin: () => Promise.reject(full) } satisfies AuditTrail;
  const { grants } = testAuthority();
  let isDone = false;
  const act = async () => {
    isDone = true;
  };
  const acts = testActs(grants, audit);
  await assert.rejects(acts.duty(duty, facts, act), full);
  await assert.rejects(acts.also(testGrant(), facts, act), full);
  await assert.rejects(recorded(audit, 'access', {} as never, act), full); // never read: begin refuses before
  assert.equal(isDone, false);
});

test('a duty that wants what it does not declare is refused before anything is done', async () => {
  const { acts } = open();
  const never = async () => assert.fail('it was done');
  const other = { name: 'Test/things/write', plane: 'control' } as const;
  await assert.rejects(acts.duty(duty, { ...facts, action: other }, never), { code: 'DutyExceeded' });
  const group = '/subscriptions/s/resourceGroups/g';
  for (const elsewhere of ['/', '/subscriptions/s', group, `${group}/providers/Test/otherthings/one`])
    await assert.rejects(acts.duty(duty, { ...facts, scope: elsewhere }, never), { code: 'DutyExceeded' });
});

test('a list is recorded by its length and a digest that does not depend on its order', () => {
  assert.deepEqual(counted(['b', 'a']), counted(['a', 'b']));
  assert.notDeepEqual(counted(['a', 'b']), counted(['a', 'c']));
  assert.equal(counted(['a', 'b'])['count'], 2);
});
