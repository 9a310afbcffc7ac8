// Every route, called by somebody who may: what was recorded is what the route says that it records. An act has its intent
// and its outcome, an access its one entry, a route without records none; and no record holds a body, a token or a secret.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Route } from '#kernel/http/route';
import { type Bench, openServer } from './server.fixture.ts';
import { type Asked, addressesOf, createAsker, furnish, recordsOf, type Values } from './sweep.fixture.ts';

let bench: Bench;
let absent: Values;
let asked: readonly (Asked & { readonly sent: string | undefined })[];
const marker = 'planted-in-a-body-7c1f';

/** Agents know no principals, endpoints no tokens. */
const elsewhere = new Set(['agent', 'scoring']);

before(async () => {
  bench = await openServer();
  ({ absent } = await furnish(bench));
  const ask = createAsker(bench);
  const mighty = await bench.principal(['Owner', 'Key Vault Administrator', 'Storage Blob Data Owner', 'AcrPush']);
  const made: (Asked & { sent: string | undefined })[] = [];
  for (const route of bench.server.composed.door.routes) {
    if (elsewhere.has(route.surface)) continue;
    const [at] = addressesOf(
      route,
      { ...absent, vault: 'rooms-vault', account: 'roomsaccount', container: 'rooms' },
      'localhost',
    );
    assert.ok(at);
    const sent = bodyOf(route);
    const signed =
      route.access.kind === 'open' ? {} : { token: await bench.token(mighty, bench.audience(route.surface)) };
    made.push({ ...(await ask(route, at, { ...signed, ...(sent === undefined ? {} : { body: sent }) })), sent });
  }
  asked = made;
});
after(() => bench.close());

/** Well-formed and about nothing, so that it is looked at and does no harm. */
function bodyOf({ body }: Route): string | undefined {
  if (body === undefined) return undefined;
  return body.kind === 'form' ? `state=${marker}` : JSON.stringify({ value: marker, tags: { [marker]: marker } });
}

test('each request left exactly the records that its route states', async () => {
  const records = await recordsOf(bench);
  const wrong = asked.flatMap(({ route, correlation, reply }) => {
    const kinds = (records.get(correlation) ?? [])
      .map((record) => record.kind)
      .sort()
      .join('+');
    const refused = reply.status === 401 || reply.status === 403;
    const expected =
      route.audit.level === 'none'
        ? [refused ? 'entry' : '']
        : route.audit.level === 'access'
          ? ['entry', 'entry+outcome']
          : ['intent+outcome', 'entry']; // the entry of what was refused before it was an act
    return expected.includes(kinds) ? [] : [`${route.operation} (${route.audit.level}, ${reply.status}): '${kinds}'`];
  });
  assert.deepEqual(wrong, []);
});

test('each record names the operation, the action, the scope and the caller, and its outcome is the answer', async () => {
  const records = await recordsOf(bench);
  const wrong = asked.flatMap(({ route, correlation, reply }) =>
    (records.get(correlation) ?? []).flatMap((record) => {
      const mistakes: string[] = [];
      if (record.operation !== route.operation) mistakes.push(record.operation);
      if (record.action !== ('action' in route.access ? route.access.action.name : '')) mistakes.push(record.action);
      if (!record.scope.startsWith('/')) mistakes.push(`scope ${record.scope}`);
      if (route.access.kind !== 'open' && !/^[0-9a-f-]{36}$/.test(record.caller.objectId)) mistakes.push('no caller');
      if (record.kind !== 'intent' && record.outcome?.status !== undefined && record.outcome.status !== reply.status)
        if (route.surface !== 'mlflow' && route.surface !== 'oauth')
          // MLflow's own statuses stand for several of ours.
          mistakes.push(`${record.outcome.status}, answered ${reply.status}`);
      return mistakes.map((mistake) => `${route.operation}: ${mistake}`);
    }),
  );
  assert.deepEqual(wrong, []);
});

test('no record holds what was in a body, a token or a secret', async () => {
  const token = await bench.ownerToken();
  const secrets = [marker, token, token.split('.').at(-1) ?? '', bench.owner.secret];
  for (const list of (await recordsOf(bench)).values())
    for (const record of list) {
      const text = JSON.stringify(record);
      for (const secret of secrets) assert.ok(!text.includes(secret), record.operation);
    }
});

test('the whole log verifies afterwards, with nothing left open', async () => {
  const path = `/subscriptions/${bench.subscriptionId}/providers/Strongroom.Audit/verify`;
  const { body, text } = await bench.arm(await bench.ownerToken(), 'POST', path, {});
  assert.deepEqual([body.verified, body.findings], [true, []], text);
  // This very request is under way.
  assert.equal(body.open, 1, text);
});
