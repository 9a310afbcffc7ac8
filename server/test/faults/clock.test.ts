// The clock of the machine is set by hours, forth and back, under a running server and between two starts. Whoever was refused for
// a reason other than the time stays refused; nothing waits for a time that is gone; the log stays one that verifies.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { verifyOffline } from '../../src/offline.ts';
import { type Child, openPlace, type Place } from '../child.fixture.ts';
import type { Reply } from '../client.fixture.ts';

const hour = 3_600_000;
let place: Place;
let child: Child;

before(async () => {
  place = await openPlace();
  child = await place.start();
});
after(async () => {
  await child.kill();
  await place.remove();
});

/** A sign-in of this moment: the client of the tests keeps what it has. */
async function signIn({ clientId, secret } = child.owner): Promise<Reply> {
  const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: secret };
  return await child.send(`/${child.tenantId}/oauth2/v2.0/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: String(new URLSearchParams({ ...form, scope: `${child.audience('arm')}/.default` })),
  });
}
const tokenNow = async (who = child.owner) => {
  const { status, body, text } = await signIn(who);
  assert.equal(status, 200, text);
  return String(body.access_token);
};
const groups = () => `/subscriptions/${child.subscriptionId}/resourceGroups`;
async function makeGroup(name: string): Promise<string> {
  const made = await child.arm(await tokenNow(), 'PUT', `${groups()}/${name}`, { location: child.location });
  assert.equal(made.status, 201, made.text);
  return `${groups()}/${name}`;
}
const read = async (token: string) => (await child.arm(token, 'GET', groups())).status;

test('a token ends with its time, and no earlier one is made anew by setting the clock', async () => {
  const token = await tokenNow();
  assert.equal(await read(token), 200);
  await child.setClock(2 * hour);
  assert.equal(await read(token), 401, 'two hours later it is over');
  const later = await tokenNow();
  assert.equal(await read(later), 200);
  await child.setClock(-2 * hour);
  assert.equal(await read(later), 401, 'what begins in four hours does not hold yet');
  assert.equal(await read(await tokenNow()), 200, 'and whoever signs in now works at once');
  await child.setClock(0);
});

test('what was withdrawn stays withdrawn, whichever way the clock is set', async () => {
  const group = await child.group('Clocks');
  const reader = await child.principal(['Reader'], group);
  const before = await tokenNow(reader);
  assert.equal((await child.arm(before, 'GET', group)).status, 200);
  await child.setClock(3 * hour);
  const owner = await tokenNow();
  const assigned = await child.arm(owner, 'GET', `${group}/providers/Microsoft.Authorization/roleAssignments`);
  const mine = assigned.body.value.find((each: { properties: { principalId: string } }) =>
    each.properties.principalId.includes(reader.objectId),
  );
  assert.equal((await child.arm(owner, 'DELETE', mine.id)).status, 200);
  for (const shift of [0, -5 * hour, 0]) {
    await child.setClock(shift);
    const asked = await child.arm(shift === 0 ? before : await tokenNow(reader), 'GET', group);
    assert.equal(asked.status, 403, `at ${shift / hour} hours: ${asked.text}`);
  }
});

test('nothing waits for a time that is gone: work that was begun before the clock was set back ends', async () => {
  await child.setClock(6 * hour);
  const group = await makeGroup('Waiting');
  const vault = `${group}/providers/Microsoft.KeyVault/vaults/clockwork`;
  const properties = {
    tenantId: child.tenantId,
    sku: { family: 'A', name: 'standard' },
    enableRbacAuthorization: true,
  };
  const made = await child.armDone(await tokenNow(), 'PUT', vault, { location: child.location, properties });
  assert.ok(made.status < 300, made.text);
  await child.setClock(-6 * hour);
  // A removal of a group is a task with a lease, made twelve hours "before" everything that stands.
  const gone = await child.armDone(await tokenNow(), 'DELETE', group);
  assert.ok(gone.status < 300, gone.text);
  assert.equal((await child.arm(await tokenNow(), 'GET', group)).status, 404);
  await child.setClock(0);
});

test('a start behind the time of the last one serves, and the log verifies with times that go both ways', async () => {
  await child.setClock(12 * hour);
  await makeGroup('Tomorrow');
  await child.terminate();
  const stopped = await verifyOffline({ flags: { dataDir: place.dataDir } });
  assert.deepEqual(
    [stopped.verified, stopped.findings],
    [true, []],
    'times that go both ways are no change of the log',
  );
  child = await place.start();
  const token = await tokenNow();
  assert.equal((await child.arm(token, 'GET', `${groups()}/Tomorrow`)).status, 200);
  const log = await child.arm(
    token,
    'GET',
    `/subscriptions/${child.subscriptionId}/providers/Strongroom.Audit/records`,
  );
  assert.equal(log.status, 200, log.text);
  assert.ok(log.text.includes('Tomorrow'), 'what was done tomorrow is in the log');
});
