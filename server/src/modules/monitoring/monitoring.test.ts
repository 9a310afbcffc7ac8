import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { ScoringRecord } from '@strongroom/contract/monitoring';
import { openDatabase } from '#kernel/database/database';
import { silentLog } from '#kernel/log/log';
import { testActor, testAudit, testAuthority } from '#kernel/testing/authority';
import { openTestDoor } from '#kernel/testing/door';
import { createMonitoring, scoringTables } from '#monitoring';

const folder = mkdtempSync(join(tmpdir(), 'monitoring-'));
const database = await openDatabase({ path: join(folder, 'w.db'), key: randomBytes(32), migrations: [scoringTables] });
const monitoring = createMonitoring({
  schemes: [{ name: 'bearer', authenticate: (exchange) => (exchange.header('authorization') ? testActor : undefined) }],
  subscriptionId: 's',
  version: '1',
  log: silentLog,
});
let allowed = false;
const door = await openTestDoor({
  surfaces: monitoring.surfaces ?? [],
  routes: monitoring.routes ?? [],
  ports: { authorizer: testAuthority(() => allowed).authorizer, audit: testAudit() },
});
after(async () => {
  await door.close();
  await database.close();
  rmSync(folder, { recursive: true });
});

const record = (id: number): ScoringRecord => ({
  HTTPMethod: 'POST',
  UserAgent: 'test',
  ComputeType: 'Managed',
  RequestUrl: 'https://localhost/endpoints/w/e/score',
  StatusCode: 200,
  RequestId: `r${id}`,
  Duration: 1.5,
  Time: new Date(id).toISOString(),
  Endpoint: 'e',
  Deployment: 'blue',
  AuthType: 'Key',
  RequestBytes: 10,
  ResponseBytes: 5,
  ModelStatusCode: null,
  ClientRequestId: null,
});

test('health answers anybody, readiness follows the server', async () => {
  assert.equal((await fetch(`${door.url}/healthz`)).status, 200);
  assert.equal((await fetch(`${door.url}/readyz`)).status, 503);
  monitoring.setReady(true);
  assert.equal((await fetch(`${door.url}/readyz`)).status, 200);
});

test('metrics need a credential and a role', async () => {
  assert.equal((await fetch(`${door.url}/metrics`)).status, 401);
  const get = () => fetch(`${door.url}/metrics`, { headers: { authorization: 'Bearer x' } });
  assert.equal((await get()).status, 403);
  allowed = true;
  assert.match(await (await get()).text(), /strongroom_requests_total/);
});

test('scoring requests are kept newest first, all of them, and a database that cannot be opened delays nobody', async () => {
  for (let i = 0; i < 1200; i++) monitoring.scoring.record(async () => database, 'w', record(i));
  monitoring.scoring.record(
    async () => {
      throw new Error('locked');
    },
    'locked',
    record(1),
  );
  await monitoring.scoring.flush();
  const latest = await monitoring.scoring.latest(database, 'E', 5);
  assert.deepEqual(
    latest.map(({ RequestId }) => RequestId),
    ['r1199', 'r1198', 'r1197', 'r1196', 'r1195'],
  );
  assert.equal((await monitoring.scoring.latest(database, 'e', 5000)).length, 1200);
  assert.equal(latest[0]?.Duration, 1.5);
});
