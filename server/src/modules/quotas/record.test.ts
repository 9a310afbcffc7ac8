import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { quotaLimits, quotasPath } from '@strongroom/contract/quotas';
import { closeScanPool } from '#kernel/database/database';
import type { Surface } from '#kernel/http/surface';
import { silentTelemetry } from '#kernel/telemetry/telemetry';
import { testActor, testAudit, testAuthority, testGrant } from '#kernel/testing/authority';
import { testDatabases } from '#kernel/testing/databases';
import { openTestDoor } from '#kernel/testing/door';
import { createQuotas, quotaTables } from './index.ts';

after(() => closeScanPool());

const surface: Surface = {
  name: 'arm',
  ignoresCase: true,
  collapsesSlashes: true,
  recognise: (target) => target.segments,
  schemes: [{ name: 'test', authenticate: () => testActor }],
  render: (failure) => ({ status: failure.status, body: { error: { code: failure.code } } }),
};

test('every quota that one request sets is in its record', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-quotas-'));
  const database = await testDatabases(folder).open('control', [quotaTables], { key: new Uint8Array(32).fill(1) });
  const audit = testAudit();
  const quotas = createQuotas({
    database,
    resources: { find: async (_grant, id) => ({ id, uniqueId: id }) as never }, // all that is asked of it
    grants: { duty: () => testGrant() },
    telemetry: silentTelemetry,
    disk: () => ({ totalBytes: 1000 }),
    percentOfDisk: 50,
  });
  const door = await openTestDoor({
    surfaces: [surface],
    routes: quotas.routes ?? [],
    ports: { authorizer: testAuthority().authorizer, audit },
  });
  t.after(async () => {
    await door.close();
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });
  const account = (at: number) =>
    `/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/account${at}`;
  const value = Array.from({ length: quotaLimits.atOnce }, (_, at) => ({ id: account(at), limit: at + 1 }));
  const send = (wanted: readonly object[]) =>
    fetch(`${door.url}${quotasPath('s')}/updateQuotas`, { method: 'POST', body: JSON.stringify({ value: wanted }) });
  assert.equal((await send(value)).status, 200);
  const parameters = audit.entries.at(-1)?.intent.parameters ?? {};
  for (const [at, { id, limit }] of value.entries())
    assert.deepEqual([parameters[`value.${at}.id`], parameters[`value.${at}.limit`]], [id, limit]);
  // The log keeps 64 parameters of a record.
  assert.ok(Object.keys(parameters).length <= 64);
  assert.equal((await send([...value, { id: account(99), limit: 1 }])).status, 400);
});
