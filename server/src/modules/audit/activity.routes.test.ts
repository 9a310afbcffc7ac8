// Azure's activity log over the door: events, their filters and their pages.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Type } from '@strongroom/contract/schema';
import { closeScanPool } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { activity, json, needs, route, whole } from '#kernel/http/route';
import { testActor } from '#kernel/testing/authority';
import { events, eventsPath, opened, since } from './testing/door.ts';
import { intentOf, openAudit, subscriptionId, vaultId } from './testing/fixture.ts';

after(() => closeScanPool());

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
