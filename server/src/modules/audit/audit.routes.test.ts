// The log over real requests: our own routes, who may read, and that no secret of a body or a query is anywhere in what is stored.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Actor } from '#kernel/authority/actor';
import { closeScanPool, tables } from '#kernel/database/database';
import { activity, json, needs, route, whole } from '#kernel/http/route';
import { testActor } from '#kernel/testing/authority';
import { testOfFiles } from '#kernel/testing/databases';
import type { AuditTables } from './audit.store.ts';
import { verifyExport } from './index.ts';
import { events, opened, since } from './testing/door.ts';
import { intentOf, subscriptionId, vaultId } from './testing/fixture.ts';

after(() => closeScanPool());

test('the log is exported as lines that verify without the server, and what no checkpoint covers is refused', async (t) => {
  const { put, audit, door } = await opened(t);
  const get = async (query = '') =>
    fetch(`${door.url}/providers/Strongroom.Audit/export${query}`, { headers: { authorization: 'Bearer x' } });
  await put('s', { value: 'v' });
  assert.equal((await get()).status, 404, 'no checkpoint yet');
  await audit.checkpointNow();
  const answer = await get();
  assert.deepEqual([answer.status, answer.headers.get('content-type')], [200, 'application/x-ndjson']);
  const lines = (await answer.text()).trimEnd().split('\n');
  assert.deepEqual(await verifyExport(lines, audit.verifier), {
    from: 0,
    to: lines.length - 1,
    size: lines.length - 1,
  });
  await assert.rejects(
    verifyExport([...lines.slice(0, -1), lines.at(-1)?.replace('tester', 'nobody') ?? ''], audit.verifier),
  );
  assert.equal((await get('?from=1&to=2')).status, 200);
  assert.equal((await get('?from=2&to=1')).status, 404);
  assert.equal((await get('?from=x')).status, 400);
});

test('the native listing answers leaves that can be hashed again, filtered and paged', async (t) => {
  const { audit, call, put } = await opened(t);
  await put('s', { value: 'v' });
  await audit.trail.begin(
    'access',
    intentOf({ actor: { ...testActor, objectId: 'Somebody' } as Actor, operation: 'Other' }),
  );
  const path = `/subscriptions/${subscriptionId}/providers/Strongroom.Audit/records`;
  const { body } = await call(path);
  // The listing's own entry is in the log before it answers.
  assert.deepEqual(
    body.value.map((entry: { sequence: number }) => entry.sequence),
    [3, 2, 1, 0],
  );
  assert.equal(body.value[0].record.operation, 'AuditRecords_ListBySubscription');
  const { leafHash } = await import('#kernel/crypto/merkle');
  const { canonicalJson } = await import('./canonical.rules.ts');
  for (const { record, leafHash: leaf } of body.value)
    assert.equal(Buffer.from(leafHash(canonicalJson(record))).toString('base64'), leaf);
  const sequences = async (query: string) =>
    (await call(`${path}?${query}`)).body.value.map((entry: { sequence: number }) => entry.sequence);
  assert.deepEqual(await sequences('caller=SOMEBODY'), [2]);
  assert.deepEqual(await sequences('operation=Other'), [2]);
  assert.deepEqual(await sequences('kind=outcome'), [1]);
  assert.deepEqual(await sequences(`scope=${encodeURIComponent(vaultId.toLowerCase())}`), [2, 1, 0]);
  assert.deepEqual(await sequences('to=2025-01-01'), []);
  const first = await call(`${path}?$top=2&kind=intent`);
  assert.equal(first.body.nextLink, undefined);
  const page = await call(`${path}?$top=1&scope=${encodeURIComponent(vaultId)}`);
  assert.equal((await call(page.body.nextLink)).body.value[0].sequence, 1);
  for (const query of ['$top=0', '$top=1001', 'from=x', 'kind=all', '$skipToken=1'])
    assert.equal((await call(`${path}?${query}`)).status, 400, query);
});

test('checkpoints, proofs and verification are answered, and what is out of range is refused', async (t) => {
  const { audit, call, put } = await opened(t);
  const ours = '/providers/Strongroom.Audit';
  await put('s', { value: 'v' });
  await audit.checkpointNow();
  const { body: list } = await call(`${ours}/checkpoints`);
  assert.deepEqual([list.verifier, list.value.length, list.value[0].size], [audit.verifierLine, 1, 2]);
  const { body: inclusion } = await call(`${ours}/proofs/inclusion?sequence=1`);
  assert.deepEqual([inclusion.size, inclusion.hashes.length, inclusion.checkpoint], [2, 1, list.value[0].note]);
  const { body: consistency } = await call(`${ours}/proofs/consistency?from=2&to=4`);
  assert.deepEqual([consistency.from, consistency.to, consistency.hashes.length], [2, 4, 1]);
  assert.equal((await call(`${ours}/proofs/inclusion?sequence=999`)).status, 404);
  assert.equal((await call(`${ours}/proofs/inclusion?sequence=-1`)).status, 400);
  assert.equal((await call(`${ours}/proofs/inclusion`)).status, 400);
  assert.equal((await call(`${ours}/proofs/consistency?from=0`)).status, 400);
  const { body: plain } = await call(`${ours}/verify`, { method: 'POST' });
  assert.deepEqual([plain.verified, plain.open], [true, 1], 'the verification itself is under way');
  const { body: given } = await call(`${ours}/verify`, {
    method: 'POST',
    body: JSON.stringify({ checkpoints: [list.value[0].note, 'x'] }),
  });
  assert.deepEqual(
    given.findings.map(({ code }: { code: string }) => code),
    ['CheckpointUnreadable'],
  );
});

test('reading needs its action at the subscription, or at the root for the whole installation', async (t) => {
  const { call } = await opened(t, {
    rule: (action, scope) => action.endsWith('/read') && scope === `/subscriptions/${subscriptionId}`,
  });
  assert.equal((await call(events())).status, 200);
  assert.equal((await call(`/subscriptions/${subscriptionId}/providers/Strongroom.Audit/records`)).status, 200);
  for (const path of [
    events().replace(subscriptionId, '44444444-4444-4444-8444-444444444444'),
    '/providers/Microsoft.Insights/eventtypes/management/values?$filter=x',
    '/providers/Strongroom.Audit/records',
    '/providers/Strongroom.Audit/checkpoints',
    '/providers/Strongroom.Audit/proofs/inclusion?sequence=0',
    '/providers/Strongroom.Audit/proofs/consistency?from=1',
  ])
    assert.equal((await call(path)).status, 403, path);
  assert.equal((await call('/providers/Strongroom.Audit/verify', { method: 'POST' })).status, 403);
});

testOfFiles('a secret in a body or a query is nowhere: not in a record, not in a file, not in an event', async (t) => {
  const { call, put, folder, database, audit } = await opened(t);
  const canary = 'canary-5f2d9b1c';
  await put('s', { value: canary }, `?sig=${canary}`);
  await put('broken', { value: canary });
  await put('s', { value: [canary], extra: canary }, `?token=${canary}`);
  await call(`${events()}&sig=${canary}`);
  await call(`${vaultId}/secrets/s?sig=${canary}`);
  const rows = await tables<AuditTables>(database.read).selectFrom('audit_records').selectAll().execute();
  assert.ok(rows.length >= 6);
  assert.equal(JSON.stringify(rows).includes(canary), false);
  assert.equal(JSON.stringify(await audit.events(subscriptionId, since, undefined)).includes(canary), false);
  const files = await readdir(folder);
  assert.ok(files.includes('audit.db'));
  for (const file of files) {
    const bytes = await readFile(join(folder, file));
    for (const clear of [canary, 'Secrets_Set', 'tester@strongroom.local', subscriptionId])
      assert.equal(bytes.includes(clear), false);
  }
});

test('when the log cannot be written the request is a 503 and its handler never ran', async (t) => {
  let ran = 0;
  const counting = route({
    operation: 'Counting',
    surface: 'arm',
    method: 'POST',
    path: '/counting',
    summary: 'Counts',
    access: needs({ name: 'Test/count/action', plane: 'control' }, () => '/', whole),
    audit: activity(),
    handle: () => {
      ran += 1;
      return json(200, {});
    },
  });
  const { call, audit } = await opened(t, { routes: [counting] });
  assert.equal((await call('/counting', { method: 'POST' })).status, 200);
  await audit.stop?.();
  const { status, body } = await call('/counting', { method: 'POST' });
  assert.deepEqual([status, body.error.code, ran], [503, 'AuditUnavailable', 1]);
});

test('a segment is archived and dropped over requests, by whoever holds exactly that; both are recorded before and after', async (t) => {
  const held = new Set(['archive', 'drop']);
  const { audit, clock, call, door, database } = await opened(t, {
    retentionDays: 2,
    rule: (action) =>
      /\/segments\/(archive|drop)\/action$/.test(action) ? held.has(action.split('/')[2] ?? '') : true,
  });
  const act = async () => (await audit.trail.begin('activity', intentOf())).conclude({ status: 200, code: undefined });
  await Promise.all(Array.from({ length: 150 }, act));
  await audit.checkpointNow();
  const path = `/subscriptions/${subscriptionId}/providers/Strongroom.Audit/segments`;
  const post = (verb: string, segment: string, body?: string) =>
    fetch(`${door.url}${path}/${segment}/${verb}`, {
      method: 'POST',
      headers: { authorization: 'Bearer x' },
      ...(body === undefined ? {} : { body }),
    });
  assert.deepEqual((await call(path)).body.segments, [{ from: 0, to: 256 }]);
  const answer = await post('archive', '0-256');
  assert.deepEqual([answer.status, answer.headers.get('content-type')], [200, 'application/x-ndjson']);
  const file = await answer.text();
  assert.equal((await verifyExport(file.trimEnd().split('\n'), audit.verifier)).to, 256);
  assert.equal((await post('archive', '0-255')).status, 400);
  assert.equal((await post('archive', '0-2560')).status, 404);
  assert.equal((await post('archive', '-1-256')).status, 400);
  for (const name of ['0', '00-256', '0-256-512', '0-', 'x'])
    assert.equal((await post('archive', name)).status, 400, name);
  const refusal = async (response: Promise<Response>) => {
    const answered = await response;
    const { error } = (await answered.json()) as { readonly error: { readonly code: string } };
    return [answered.status, error.code];
  };
  assert.deepEqual(await refusal(post('drop', '0-256', file)), [409, 'AuditRetentionNotOver']);
  for (let day = 0; day < 2; day++) {
    clock.jump(86_400_000);
    await act();
    await audit.checkpointNow();
  }
  assert.deepEqual(await refusal(post('drop', '0-256')), [409, 'AuditSegmentMismatch']);
  held.delete('drop');
  assert.deepEqual(await refusal(post('drop', '0-256', file)), [403, 'AuthorizationFailed']);
  held.add('drop');
  const dropped = await post('drop', '0-256', file);
  assert.equal(dropped.status, 200);
  const told = (await call(path)).body;
  assert.deepEqual(told.dropped, [await dropped.json()]);
  const { body } = await call('/providers/Strongroom.Audit/records?$top=1000&from=2026-01-02');
  const operations = (body.value as { record: { kind: string; operation: string; outcome?: { status: number } } }[])
    .map(({ record }) => `${record.kind} ${record.operation} ${record.outcome?.status ?? ''}`)
    .filter((line) => /Drop/.test(line))
    .toReversed();
  assert.deepEqual(operations, [
    'intent AuditSegments_Drop ',
    'outcome AuditSegments_Drop 409',
    'entry AuditSegments_Drop 403',
    'intent AuditSegments_Drop ',
    'intent AuditRecords_Drop ',
    'outcome AuditRecords_Drop 200',
    'outcome AuditSegments_Drop 200',
  ]);
  // Whoever asks for what is gone is told, and not answered with nothing.
  const rows = await tables<AuditTables>(database.read).selectFrom('audit_records').select('sequence').execute();
  assert.ok(rows.every(({ sequence }) => sequence >= 256));
  const gone = await call('/providers/Strongroom.Audit/records?to=2025-12-31');
  assert.deepEqual([gone.status, gone.body.error.code], [410, 'AuditRecordsArchived']);
  const early = await call(
    '/providers/Microsoft.Insights/eventtypes/management/values?$filter=eventTimestamp%20ge%202025-12-31',
  );
  assert.deepEqual([early.status, /archived/.test(early.body.error.message)], [400, true]);
  const whole = await call('/providers/Strongroom.Audit/records?$top=1000');
  assert.deepEqual(whole.body.archived, { past: 256, until: '2026-01-01T00:00:00.000Z' });
  assert.equal((await call('/providers/Strongroom.Audit/proofs/inclusion?sequence=3')).status, 200);
  assert.equal((await call('/providers/Strongroom.Audit/proofs/consistency?from=100')).status, 200);
  const verification = (await call('/providers/Strongroom.Audit/verify', { method: 'POST' })).body;
  assert.deepEqual([verification.verified, verification.archived[0].looked], [true, false]);
});
