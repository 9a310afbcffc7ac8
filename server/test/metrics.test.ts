// What a whole server tells Prometheus: every metric of the domain is there and fed by what happens, is explained to whoever
// operates, and names nobody.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { metersOf } from '../../scripts/pages/pages.ts';
import { openServer } from './server.fixture.ts';

const bench = await openServer();
after(() => bench.close());
const reader = await bench.principal(['Monitoring Reader']);
const token = await bench.token(reader, bench.audience('operator'));
const scrape = async () => (await bench.send('/metrics', { token })).text;
const read = (text: string, series: string): number => {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  assert.ok(line, `${series} is not in\n${text}`);
  return Number(line.slice(series.length + 1));
};

const rooms = () => metersOf(bench.server.composed);

test('what strangers try is counted, each kind by itself', async () => {
  const before = await scrape();
  assert.equal((await bench.send('/subscriptions?api-version=2022-12-01')).status, 401);
  const form = { grant_type: 'client_credentials', client_id: reader.clientId, client_secret: 'not the secret' };
  const wrong = await bench.send(`/${bench.tenantId}/oauth2/v2.0/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: String(new URLSearchParams({ ...form, scope: `${bench.audience('operator')}/.default` })),
  });
  assert.equal(wrong.status, 401, wrong.text);
  const after = await scrape();
  const grown = (series: string) => read(after, series) - (before.includes(`${series} `) ? read(before, series) : 0);
  assert.equal(grown('strongroom_sign_in_failures_total{method="client_secret"}'), 1);
  assert.equal(grown('strongroom_sign_in_failures_total{method="password"}'), 0);
  const refusals = (text: string) =>
    [...text.matchAll(/^strongroom_stranger_refusals_total\{kind="\w+"\} (\d+)$/gm)].reduce(
      (sum, [, n]) => sum + Number(n),
      0,
    );
  assert.equal(refusals(after) - refusals(before), 2);
});

test('when the certificate ends is told as a time', async () => {
  const days =
    (read(await scrape(), 'strongroom_certificate_expiry_timestamp_seconds{certificate="own"}') * 1000 - Date.now()) /
    86_400_000;
  assert.ok(days > 29.9 && days <= 30, `${days} days`);
});

test('the manual names no metric that is not there', () => {
  const known = rooms().flatMap(({ meters }) => meters.map(({ name }) => name));
  const manual = readFileSync(new URL('../../docs/operations/README.md', import.meta.url), 'utf8');
  for (const [name] of manual.matchAll(/strongroom(_[a-z0-9]+)+(?![a-z0-9_.]*\.py)/g))
    assert.ok(known.includes(name) || !/_(total|seconds|bytes|records)$/.test(name), name);
});

test('every metric of the domain is as it was declared, and no label holds a name that somebody chose', async () => {
  const text = await scrape();
  const meters = rooms().flatMap((room) => room.meters);
  const types = new Map(
    [...text.matchAll(/^# TYPE (strongroom_\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]),
  );
  const typeOf = { counter: 'counter', gauge: 'gauge', duration: 'histogram' } as const;
  assert.deepEqual(Object.fromEntries(types), Object.fromEntries(meters.map(({ name, kind }) => [name, typeOf[kind]])));
  for (const secret of [bench.tenantId, bench.subscriptionId, bench.owner.clientId, reader.clientId, reader.objectId])
    assert.ok(!text.includes(secret), secret);
  const operations = new Set(bench.server.composed.door.routes.map(({ operation }) => operation)).add('none');
  for (const [, name = '', all = ''] of text.matchAll(/^(strongroom_\w+?)(?:_bucket|_sum|_count)?\{(.*)\}/gm)) {
    const meter = meters.find((one) => one.name === name);
    for (const [, label = '', value = ''] of all.matchAll(/(\w+)="([^"]*)"/g)) {
      if (label === 'le' && meter?.kind === 'duration') continue;
      const rule = meter?.labels[label];
      assert.ok(rule, `${name} has no label ${label}`);
      if (Array.isArray(rule)) assert.ok(rule.includes(value), `${name} does not declare ${label}="${value}"`);
      if (label === 'operation') assert.ok(operations.has(value), value);
    }
  }
});
