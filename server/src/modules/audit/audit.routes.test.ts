// The log over real requests: Azure's activity log as its clients ask for it, our own routes, who may read, and that no
// secret of a body or a query is anywhere in what is stored.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { Type } from '@strongroom/contract/schema';
import type { Actor } from '#kernel/authority/actor';
import { createTestClock } from '#kernel/clock/test-clock';
import { closeScanPool, tables } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { activity, json, needs, type Route, route, whole } from '#kernel/http/route';
import type { Surface } from '#kernel/http/surface';
import { type Rule, testActor, testAuthority } from '#kernel/testing/authority';
import { aboutFiles } from '#kernel/testing/databases';
import { openTestDoor } from '#kernel/testing/door';
import type { AuditTables } from './audit.store.ts';
import { verifyExport } from './index.ts';
import { intentOf, openAudit, subscriptionId, vaultId } from './testing/fixture.ts';

after(() => closeScanPool());

const arm: Surface = {
  name: 'arm',
  ignoresCase: true,
  collapsesSlashes: true,
  recognise: (target) => target.segments,
  schemes: [{ name: 'test', authenticate: (exchange) => (exchange.header('authorization') ? testActor : undefined) }],
  render: (failure) => ({ status: failure.status, body: { error: { code: failure.code, message: failure.message } } }),
};

const setSecret = route({
  operation: 'Secrets_Set',
  surface: 'arm',
  method: 'PUT',
  path: '/subscriptions/{subscriptionId}/resourceGroups/{group}/providers/Microsoft.KeyVault/vaults/{vault}/secrets/{name}',
  summary: 'Sets a secret',
  access: needs(
    { name: 'Microsoft.KeyVault/vaults/secrets/setSecret/action', plane: 'data' },
    (p) =>
      `/subscriptions/${p['subscriptionId']}/resourceGroups/${p['group']}/providers/Microsoft.KeyVault/vaults/${p['vault']}`,
    whole,
  ),
  audit: activity('name', 'contentType'),
  body: {
    kind: 'json',
    schema: Type.Object({ value: Type.String(), contentType: Type.Optional(Type.String()) }),
    maxBytes: 10_000,
  },
  handle: (_grant, { params }) => {
    if (params['name'] === 'broken')
      throw new Failure({ kind: 'conflict', code: 'SecretExists', message: 'It exists.' });
    return json(200, {});
  },
});

async function opened(
  t: TestContext,
  options: { readonly rule?: Rule; readonly routes?: readonly Route[]; readonly retentionDays?: number } = {},
) {
  const clock = createTestClock();
  const { retentionDays = 0 } = options;
  const log = await openAudit(t, { clock, retentionDays });
  const { authorizer } = testAuthority(options.rule);
  const door = await openTestDoor({
    surfaces: [arm],
    routes: [...(log.audit.routes ?? []), setSecret, ...(options.routes ?? [])],
    ports: { authorizer, audit: log.audit.trail },
  });
  t.after(() => door.close());
  const call = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(path.startsWith('http') ? path.replace('https:', 'http:') : `${door.url}${path}`, {
      ...init,
      headers: { authorization: 'Bearer x', 'content-type': 'application/json', ...init.headers },
    });
    return { status: response.status, body: JSON.parse((await response.text()) || 'null') };
  };
  const put = (name: string, body: unknown, query = '') =>
    call(`${vaultId}/secrets/${name}${query}`, { method: 'PUT', body: JSON.stringify(body) });
  return { ...log, clock, door, call, put };
}

const eventsPath = `/subscriptions/${subscriptionId}/providers/microsoft.insights/eventtypes/management/values`;
const since = "eventTimestamp ge '2025-12-31T00:00:00Z' and eventTimestamp le '2027-01-01'";
const events = (filter = since, more = '') =>
  `/${eventsPath}?api-version=2015-04-01&%24filter=${encodeURIComponent(filter)}${more}`;

test('an operation is a pair of events with its caller, in the shape of Azure', async (t) => {
  const { call, put } = await opened(t);
  await put('s', { value: 'v', contentType: 'text/plain' });
  const { status, body } = await call(events());
  assert.equal(status, 200);
  assert.equal(body.value.length, 2);
  const [ended, begun] = body.value;
  assert.deepEqual(
    [begun.eventName.value, begun.status.value, begun.level],
    ['BeginRequest', 'Started', 'Informational'],
  );
  assert.deepEqual(
    [ended.eventName.value, ended.status.value, ended.subStatus],
    ['EndRequest', 'Succeeded', { value: 'OK', localizedValue: 'OK (HTTP Status Code: 200)' }],
  );
  assert.equal(ended.operationId, begun.operationId);
  assert.equal(ended.correlationId, begun.correlationId);
  assert.notEqual(ended.eventDataId, begun.eventDataId);
  assert.match(ended.eventDataId, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(ended.id, `${vaultId}/events/${ended.eventDataId}/ticks/639028224000000000`);
  for (const event of body.value) {
    assert.equal(event.caller, 'tester@strongroom.local');
    assert.equal(event.claims['http://schemas.microsoft.com/identity/claims/objectidentifier'], testActor.objectId);
    assert.deepEqual(event.authorization, {
      action: 'Microsoft.KeyVault/vaults/secrets/setSecret/action',
      role: 'test',
      scope: vaultId,
    });
    assert.equal(event.resourceId, vaultId);
    assert.equal(event.resourceGroupName, 'Team');
    assert.equal(event.resourceProviderName.value, 'Microsoft.KeyVault');
    assert.equal(event.resourceType.value, 'Microsoft.KeyVault/vaults');
    assert.equal(event.subscriptionId, subscriptionId);
    assert.equal(event.tenantId, testActor.tenantId);
    assert.equal(event.httpRequest.method, 'PUT');
    assert.equal(event.category.value, 'Administrative');
    assert.equal(event.operationName.localizedValue, 'Secrets_Set');
    assert.equal(event.eventTimestamp, '2026-01-01T00:00:00.000Z');
    assert.equal(event.properties.parameters, '{"contentType":"text/plain","name":"s"}');
  }
});

test('what began a role assignment says who was to get which role, where the command line of Azure looks for it', async (t) => {
  const grantRole = route({
    operation: 'RoleAssignments_Create',
    surface: 'arm',
    method: 'PUT',
    path: '/subscriptions/{subscriptionId}/providers/Microsoft.Authorization/roleAssignments/{name}',
    summary: 'Gives a role',
    access: needs(
      { name: 'Microsoft.Authorization/roleAssignments/write', plane: 'control' },
      (p) => `/subscriptions/${p['subscriptionId']}`,
      whole,
    ),
    audit: activity('name', 'properties.roleDefinitionId', 'properties.principalId'),
    body: { kind: 'json', schema: Type.Object({ properties: Type.Any() }), maxBytes: 10_000 },
    handle: () => json(201, {}),
  });
  const { call } = await opened(t, { routes: [grantRole] });
  const path = `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleAssignments/n`;
  const granted = { roleDefinitionId: '/r', principalId: 'p' };
  const put = (properties: object) => call(path, { method: 'PUT', body: JSON.stringify({ properties }) });
  assert.equal((await put({ ...granted, description: 'not recorded' })).status, 201);
  assert.equal((await put({ principalId: 'p' })).status, 201);
  const { body } = await call(events());
  const told = body.value.map(({ properties }: { properties: { requestbody?: string } }) => properties.requestbody);
  assert.deepEqual(told, [undefined, undefined, undefined, JSON.stringify({ properties: granted })]);
});

test('what ended the withdrawal of a role says whom which role was taken from, and nothing that the caller could write', async (t) => {
  const state = { there: true, refuses: false };
  const granted = { roleDefinitionId: '/r', principalId: 'p', scope: `/subscriptions/${subscriptionId}` };
  const withdraw = route({
    operation: 'RoleAssignments_Delete',
    surface: 'arm',
    method: 'DELETE',
    path: '/subscriptions/{subscriptionId}/providers/Microsoft.Authorization/roleAssignments/{name}',
    summary: 'Withdraws a role',
    access: needs(
      { name: 'Microsoft.Authorization/roleAssignments/delete', plane: 'control' },
      (p) => `/subscriptions/${p['subscriptionId']}`,
      whole,
    ),
    audit: activity('name'),
    recordsBefore: () =>
      state.there
        ? Object.fromEntries(Object.entries(granted).map(([name, value]) => [`properties.${name}`, value] as const))
        : {},
    handle: () => {
      if (state.refuses) throw new Failure({ kind: 'conflict', code: 'LastOwner', message: 'The last one stays.' });
      return json(200, {});
    },
  });
  const { call } = await opened(t, { routes: [withdraw] });
  const path = `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleAssignments/n`;
  const remove = () => call(`${path}?properties.principalId=x&properties.roleDefinitionId=y`, { method: 'DELETE' });
  await remove();
  state.refuses = true;
  await remove();
  state.there = false;
  state.refuses = false;
  await remove();
  const { body } = await call(events());
  const told = body.value.map(({ properties }: { properties: { responseBody?: string } }) => properties.responseBody);
  const one = JSON.stringify({ properties: granted });
  assert.deepEqual(told, [undefined, undefined, undefined, undefined, one, undefined]);
});

test('failures and refusals are events too, reads are not', async (t) => {
  const { call, put } = await opened(t, {
    rule: (action, scope) => !scope.endsWith('/Locked') || action.includes('read'),
  });
  await put('broken', { value: 'v' });
  await call(`${vaultId.replace('Safe', 'Locked')}/secrets/s`, { method: 'PUT', body: '{"value":"v"}' });
  await call(`${vaultId.replace('Safe', 'Locked')}/secrets/s`);
  const { body } = await call(events());
  const told = body.value.map(
    (event: { eventName: { value: string }; status: { value: string }; properties: { statusMessage?: string } }) => [
      event.eventName.value,
      event.status.value,
      event.properties.statusMessage,
    ],
  );
  assert.deepEqual(told, [
    ['EndRequest', 'Failed', 'AuthorizationFailed'],
    ['EndRequest', 'Failed', 'SecretExists'],
    ['BeginRequest', 'Started', undefined],
  ]);
});

test('an outcome that nobody knows is an event that says so', async (t) => {
  const first = await openAudit(t);
  await first.audit.trail.begin('activity', intentOf());
  await first.close();
  const { audit } = await openAudit(t, { folder: first.folder, signer: first.signer });
  const page = await audit.events(subscriptionId, since, undefined);
  assert.deepEqual([page.value[0]?.status.value, page.value[0]?.level], ['Unknown', 'Warning']);
});

test('the filter narrows by time, group, resource, provider and correlation, and never reaches another subscription', async (t) => {
  const { audit, clock, call } = await opened(t);
  const other = vaultId.replace(subscriptionId, '44444444-4444-4444-8444-444444444444');
  const record = async (fields: Parameters<typeof intentOf>[0]) => {
    const mark = await audit.trail.begin('activity', intentOf(fields));
    await mark.conclude({ status: 202, code: undefined });
    await clock.advance(3_600_000);
  };
  await record({ correlationId: 'AAAA' });
  await record({ scope: vaultId.replace('Team', 'Team2') });
  await record({ scope: `${vaultId}2`, action: 'Microsoft.Storage/storageAccounts/write' });
  await record({ scope: other });
  await record({ scope: '/providers/Microsoft.Management/x' });
  const count = async (filter: string) => {
    const { status, body } = await call(events(filter));
    assert.equal(status, 200, JSON.stringify(body));
    return body.value.length;
  };
  assert.equal(await count(since), 6);
  assert.equal(await count("eventTimestamp ge '2026-01-01T01:00:00Z'"), 4);
  assert.equal(
    await count('eventTimestamp ge 2026-01-01T00:30:00 and eventTimestamp le 2026-01-01T01:00:00.1234567'),
    2,
  );
  assert.equal(await count(`${since} and resourceGroupName eq 'TEAM'`), 4);
  assert.equal(await count(`${since} and resourceUri eq '${vaultId.toUpperCase()}'`), 2);
  assert.equal(await count(`${since} and resourceUri eq '${other}'`), 0);
  assert.equal(await count(`${since} and resourceGroupName eq '..'`), 0);
  assert.equal(await count(`${since} and resourceProvider eq 'microsoft.storage'`), 2);
  assert.equal(await count(`${since} and resourceProvider eq 'Microsoft%'`), 0);
  assert.equal(await count(`${since} and correlationId eq 'aaaa' and eventChannels eq 'Admin, Operation'`), 2);
  const tenant = await call(
    `/providers/Microsoft.Insights/eventtypes/management/values?$filter=${encodeURIComponent(since)}`,
  );
  assert.deepEqual(
    tenant.body.value.map((event: { resourceId: string }) => event.resourceId),
    Array(2).fill('/providers/Microsoft.Management/x'),
  );
});

test('events are found by who did them, by name or object id, by how they ended and by their resource', async (t) => {
  const { put, call } = await opened(t);
  await put('s', { value: 'v' });
  await put('broken', { value: 'v' });
  const found = async (more: string) => {
    const { body } = await call(events(`${since} and ${more}`));
    return (body.value as { status: { value: string } }[]).map(({ status }) => status.value).sort();
  };
  const all = ['Failed', 'Started', 'Started', 'Succeeded'];
  assert.deepEqual(await found("caller eq 'TESTER@strongroom.local'"), all);
  assert.deepEqual(await found("caller eq '11111111-1111-4111-8111-111111111111'"), all);
  assert.deepEqual(await found("caller eq 'somebody@else'"), []);
  assert.deepEqual(await found("status eq 'Failed'"), ['Failed']);
  assert.deepEqual(await found("status eq 'succeeded' and caller eq 'tester@strongroom.local'"), ['Succeeded']);
  assert.deepEqual(await found("status eq 'Started'"), ['Started', 'Started']);
  assert.deepEqual(await found("status eq 'Accepted'"), []);
  assert.deepEqual(await found(`resourceId eq '${vaultId}' and status eq 'Failed'`), ['Failed']);
  assert.deepEqual(await found(`resourceId eq '${vaultId}x'`), []);
});

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

test('a filter or a selection that is not understood is a 400 that says what to do', async (t) => {
  const { call } = await opened(t);
  for (const path of [
    `/${eventsPath}`,
    events('caller eq 1'),
    events(since, '&$select=id,secret'),
    events(since, '&$skipToken=x'),
  ]) {
    const { status, body } = await call(path);
    assert.equal(status, 400, path);
    assert.ok(body.error.message.length > 20);
  }
});

test('pages follow one another without a gap or a repetition while new events arrive, and keep the selection', async (t) => {
  const { audit, call } = await opened(t);
  const act = async () => (await audit.trail.begin('activity', intentOf())).conclude({ status: 200, code: undefined });
  await Promise.all(Array.from({ length: 225 }, act));
  const seen: string[] = [];
  let next: string | undefined = events(since, '&$select=eventDataId,Caller');
  for (let pages = 1; next !== undefined; pages++) {
    assert.ok(pages <= 3);
    const { body } = await call(next);
    assert.deepEqual(Object.keys(body.value[0]), ['eventDataId', 'caller']);
    seen.push(...body.value.map((event: { eventDataId: string }) => event.eventDataId));
    next = body.nextLink;
    await act();
  }
  assert.equal(seen.length, 450);
  assert.equal(new Set(seen).size, 450);
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

test(
  'a secret in a body or a query is nowhere: not in a record, not in a file, not in an event',
  aboutFiles(),
  async (t) => {
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
  },
);

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
