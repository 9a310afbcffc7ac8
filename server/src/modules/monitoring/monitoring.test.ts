import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { ScoringRecord } from '@strongroom/contract/monitoring';
import { meterDisk } from '#kernel/files/files.meters';
import { meterCertificates } from '#kernel/http/http.meters';
import { silentLog } from '#kernel/log/log';
import { testActor, testAudit, testAuthority } from '#kernel/testing/authority';
import { testDatabases } from '#kernel/testing/databases';
import { openTestDoor } from '#kernel/testing/door';
import { createMetricsRegistry, createMonitoring } from '#monitoring';
import { scoringTables } from './migrations/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'monitoring-'));
const key = randomBytes(32);
const database = await testDatabases(folder).open('w', [scoringTables], { key });
let roomState: 'enough' | 'low' | 'full' = 'enough';
const metrics = createMetricsRegistry({ log: silentLog });
meterDisk(metrics.telemetry, { space: () => ({ freeBytes: 5, totalBytes: 10, markBytes: 1 }) });
meterCertificates(metrics.telemetry, () => ({ own: new Date(16_000), files: new Date(17_000) }));
const monitoring = createMonitoring({
  schemes: [{ name: 'bearer', authenticate: (exchange) => (exchange.header('authorization') ? testActor : undefined) }],
  subscriptionId: 's',
  version: '1',
  log: silentLog,
  room: {
    state: () => roomState,
    require() {
      if (roomState !== 'enough') throw new Error('low');
    },
  },
  registry: metrics,
});
let allowed = false;
const door = await openTestDoor({
  surfaces: monitoring.surfaces ?? [],
  routes: monitoring.routes ?? [],
  ports: { authorizer: testAuthority(() => allowed).authorizer, audit: testAudit() },
  telemetry: metrics.telemetry,
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

const place = { open: async () => database, workspace: 'w', hbi: false };

test('health answers anybody, readiness follows the server', async () => {
  assert.equal((await fetch(`${door.url}/healthz`)).status, 200);
  assert.equal((await fetch(`${door.url}/readyz`)).status, 503);
  monitoring.setReady(true);
  assert.equal((await fetch(`${door.url}/readyz`)).status, 200);
  // Low on room it still serves what makes room again; full, nothing can be recorded.
  roomState = 'low';
  const low = await fetch(`${door.url}/readyz`);
  assert.deepEqual([low.status, (await low.text()).includes('low on disk space')], [200, true]);
  roomState = 'full';
  assert.equal((await fetch(`${door.url}/readyz`)).status, 503);
  roomState = 'enough';
  assert.equal((await fetch(`${door.url}/readyz`)).status, 200);
});

test('metrics need a credential and a role', async () => {
  assert.equal((await fetch(`${door.url}/metrics`)).status, 401);
  const get = () => fetch(`${door.url}/metrics`, { headers: { authorization: 'Bearer x' } });
  assert.equal((await get()).status, 403);
  allowed = true;
  assert.match(await (await get()).text(), /strongroom_requests_total/);
});

test('names of metrics follow the rules of Prometheus, and what is read is there', async () => {
  const scrape = async () => (await fetch(`${door.url}/metrics`, { headers: { authorization: 'Bearer x' } })).text();
  // The second time: what is read is set, never added to what was read before.
  await scrape();
  const text = await scrape();
  assert.match(text, /^strongroom_disk_free_bytes 5$/m);
  for (const line of [
    'strongroom_certificate_expiry_timestamp_seconds{certificate="own"} 16',
    'strongroom_certificate_expiry_timestamp_seconds{certificate="files"} 17',
    // The one of the test above that had no credential; the one that had a credential and no role is no stranger's.
    'strongroom_stranger_refusals_total{kind="unauthenticated"} 1',
    'strongroom_stranger_refusals_total{kind="forbidden"} 0',
  ])
    assert.ok(text.split('\n').includes(line), `${line}\n${text}`);
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => ({ name, type }));
  assert.ok(types.length > 20);
  for (const { name, type } of types) {
    // What `promtool check metrics` says: counters end in _total and nothing else does; base units; no type in the name.
    assert.equal(name.endsWith('_total'), type === 'counter', `${name} is a ${type}`);
    assert.doesNotMatch(name, /_(milliseconds|ms|minutes|hours|kilobytes|megabytes|percent)(_|$)/, name);
    assert.doesNotMatch(name, /_(gauge|counter|histogram|summary)(_|$)/, name);
    assert.match(name, /^[a-z][a-z0-9_]*$/);
    assert.match(text, new RegExp(`^# HELP ${name} \\S`, 'm'));
  }
});

test('scoring requests are kept newest first, all of them, and a database that cannot be opened delays nobody', async () => {
  for (let i = 0; i < 1200; i++) monitoring.scoring.record(place, record(i));
  const open = async () => {
    throw new Error('locked');
  };
  monitoring.scoring.record({ open, workspace: 'locked', hbi: false }, record(1));
  await monitoring.scoring.flush();
  const latest = await monitoring.scoring.latest(database, 'E', 5);
  assert.deepEqual(
    latest.map(({ RequestId }) => RequestId),
    ['r1199', 'r1198', 'r1197', 'r1196', 'r1195'],
  );
  assert.equal((await monitoring.scoring.latest(database, 'e', 5000)).length, 1200);
  assert.equal(latest[0]?.Duration, 1.5);
});

test('what was written is there after the process was killed', async (t) => {
  const killed = mkdtempSync(join(tmpdir(), 'monitoring-killed-'));
  t.after(() => rmSync(killed, { recursive: true }));
  monitoring.scoring.record(place, { ...record(7), Endpoint: 'killed' });
  await monitoring.scoring.flush();
  // The files as they are while the database is open: nothing is closed, checkpointed or flushed for them.
  cpSync(folder, killed, { recursive: true });
  const again = await testDatabases(killed).open('w', [scoringTables], { key });
  t.after(() => again.close());
  assert.deepEqual(await monitoring.scoring.latest(again, 'killed', 5), [{ ...record(7), Endpoint: 'killed' }]);
});

test('records that are too old are removed, all of them and no others', async () => {
  const from = Date.parse('2030-01-01T00:00:00Z');
  for (let i = 0; i < 1300; i++) monitoring.scoring.record(place, { ...record(from + i), Endpoint: 'aged' });
  await monitoring.scoring.flush();
  const before = new Date(from + 1234);
  assert.ok((await monitoring.scoring.prune(database, before, new AbortController().signal)) >= 1234);
  const left = await monitoring.scoring.latest(database, 'aged', 5000);
  assert.deepEqual([left.length, left.at(-1)?.Time], [66, before.toISOString()]);
  assert.equal(await monitoring.scoring.prune(database, before, new AbortController().signal), 0);
});

test('of a workspace of high business impact the counters name no endpoint', async () => {
  const secret = { ...record(1), Endpoint: 'patients', Deployment: 'oncology' };
  monitoring.scoring.record({ ...place, hbi: true }, secret);
  monitoring.scoring.record(place, record(1));
  const text = await (await fetch(`${door.url}/metrics`, { headers: { authorization: 'Bearer x' } })).text();
  assert.match(text, /strongroom_scoring_requests_total\{workspace="w",endpoint="e",deployment="blue"/);
  assert.doesNotMatch(text, /patients|oncology/);
});

test('endpoints of one name in two workspaces are two series, and one that goes takes its own along', async () => {
  const seen = async () => {
    const text = await (await fetch(`${door.url}/metrics`, { headers: { authorization: 'Bearer x' } })).text();
    return [...text.matchAll(/^strongroom_scoring_(\w+)\{workspace="(a|b)",endpoint="same",[^}]*\} (\d+)$/gm)]
      .filter(([, name = '']) => ['requests_total', 'seconds_count', 'processes_replaced_total'].includes(name))
      .map(([, name, workspace, count]) => `${workspace} ${name} ${count}`)
      .sort();
  };
  const same = { ...record(1), Endpoint: 'same' };
  for (const workspace of ['a', 'b', 'b']) monitoring.scoring.count({ workspace, hbi: false }, same);
  for (const workspace of ['a', 'b'])
    monitoring.scoring.replaced({ workspace, hbi: false, endpoint: 'same', deployment: 'blue' });
  const ofB = ['b processes_replaced_total 1', 'b requests_total 2', 'b seconds_count 2'];
  assert.deepEqual(await seen(), [
    ...['a processes_replaced_total 1', 'a requests_total 1', 'a seconds_count 1'],
    ...ofB,
  ]);
  monitoring.scoring.forget({ workspace: 'a', endpoint: 'same' });
  assert.deepEqual(await seen(), ofB);
  monitoring.scoring.forget({ workspace: 'b', endpoint: 'same', deployment: 'green' });
  assert.deepEqual(await seen(), ofB);
  monitoring.scoring.forget({ workspace: 'b', endpoint: 'same', deployment: 'blue' });
  assert.deepEqual(await seen(), []);
});

test('while the disk has no room for what grows, scoring requests are not recorded, and counted as lost', async () => {
  const scrape = async () => (await fetch(`${door.url}/metrics`, { headers: { authorization: 'Bearer x' } })).text();
  const lost = async () => /scoring_records_lost_total (\d+)/.exec(await scrape())?.[1];
  const before = Number(await lost());
  roomState = 'low';
  monitoring.scoring.record(place, { ...record(1), Endpoint: 'low' });
  await monitoring.scoring.flush();
  roomState = 'enough';
  monitoring.scoring.record(place, { ...record(2), Endpoint: 'low' });
  assert.deepEqual(
    (await monitoring.scoring.latest(database, 'low', 5)).map(({ Endpoint }) => Endpoint),
    ['low'],
  );
  assert.equal(Number(await lost()), before + 1);
});
