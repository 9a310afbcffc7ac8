import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { EntryRecord } from '@strongroom/contract/audit';
import { anonymous } from '#kernel/authority/actor';
import { createTestClock } from '#kernel/clock/test-clock';
import { Failure } from '#kernel/errors/failure';
import { intentOf, openAudit } from './testing/fixture.ts';

const refused = { status: 401, code: 'AuthenticationFailed' };
const stranger = (fields: Parameters<typeof intentOf>[0] = {}) =>
  intentOf({ actor: anonymous, decision: 'refused', reason: refused.code, ...fields });

type Opened = Awaited<ReturnType<typeof openAudit>>;

async function entriesOf({ audit }: Opened): Promise<readonly EntryRecord[]> {
  const found: EntryRecord[] = [];
  for (let skip: string | undefined, more = true; more; more = skip !== undefined) {
    const page = await audit.list('/', { $top: '1000', ...(skip === undefined ? {} : { $skipToken: skip }) });
    for (const { record } of page.value) if (record.kind === 'entry') found.push(record);
    skip = page.skipToken;
  }
  return found.reverse();
}

const counted = (entries: readonly EntryRecord[]) =>
  entries.reduce((sum, { repeated }) => sum + (repeated?.count ?? 1), 0);

async function opened(t: TestContext) {
  const clock = createTestClock();
  return { ...(await openAudit(t, { clock })), clock };
}

test('what a stranger repeats is two records: the first at once and whole, the others counted', async (t) => {
  const log = await opened(t);
  for (let at = 0; at < 5_000; at++) await log.audit.trail.stranger(stranger({ path: `/computes/${at}` }), refused);
  assert.equal((await entriesOf(log)).length, 1, 'before the minute is over only the first');
  await log.clock.advance(60_000);
  const [first, others, ...more] = await entriesOf(log);
  assert.deepEqual([first?.path, first?.address, first?.repeated], ['/computes/0', '127.0.0.1', undefined]);
  assert.deepEqual([others?.path, others?.repeated?.count], ['/computes/0', 4_999]);
  assert.deepEqual([others?.outcome, others?.decision, others?.operation], [first?.outcome, 'refused', 'Secrets_Set']);
  assert.deepEqual(more, []);
  assert.equal((await log.audit.verify()).verified, true);
});

test('a hundred thousand requests from everywhere cost rows by the minute, and all of them are counted', async (t) => {
  const log = await opened(t);
  let asked = 0;
  const rowsBy: number[] = [];
  for (let minute = 0; minute < 5; minute++) {
    await Promise.all(
      Array.from({ length: 20_000 }, (_, at) => {
        asked += 1;
        const address = `2001:db8:${(at % 5_000).toString(16)}:${(at % 7).toString(16)}::1`;
        return log.audit.trail.stranger(stranger({ operation: `Operation_${at % 300}`, address }), refused);
      }),
    );
    await log.clock.advance(60_000);
    rowsBy.push((await entriesOf(log)).length);
  }
  assert.equal(counted(await entriesOf(log)), asked);
  const last = (rowsBy.at(-1) ?? 0) - (rowsBy.at(-2) ?? 0);
  assert.ok((rowsBy.at(-1) ?? 0) < 4_000 + rowsBy.length * 180, `rows by the minute: ${rowsBy}`);
  assert.ok(last < 320, `the last minute wrote ${last} rows`);
});

test('the networks of one site share a budget, and a mapped address is that of IPv4', async (t) => {
  const log = await opened(t);
  await log.audit.trail.stranger(stranger({ operation: 'Mapped', address: '192.0.2.1' }), refused);
  await log.audit.trail.stranger(stranger({ operation: 'Mapped', address: '::ffff:192.0.2.1' }), refused);
  assert.equal((await entriesOf(log)).length, 1);
  // Two minutes, because there is room for so many kinds in each.
  for (let minute = 0; minute < 2; minute++) {
    await Promise.all(
      Array.from({ length: 1_500 }, (_, at) => {
        const address = `2001:db8:1:${at.toString(16)}::1`;
        return log.audit.trail.stranger(stranger({ operation: `Operation_${at}`, address }), refused);
      }),
    );
    await log.clock.advance(60_000);
  }
  const listed = (await entriesOf(log)).filter((entry) => entry.operation.startsWith('Operation_'));
  assert.ok(listed.length >= 2_000 && listed.length <= 2_000 + 2 * 60, `${listed.length} rows`);
});

test('an open route is listed with an intent of its own while there is room, and a proof gives the room back', async (t) => {
  const { audit } = await opened(t);
  const address = '192.0.2.7';
  for (let at = 0; at < 2_000; at++) audit.trail.listing(address)?.proved();
  let listed = 0;
  while (audit.trail.listing(address)) listed += 1;
  assert.equal(listed, 500);
  assert.ok(audit.trail.listing('192.0.2.8'), 'another network has its own room');
});

test('counts that could not be written are written later, and a first one that cannot be is not silent', async (t) => {
  const clock = createTestClock();
  let isFull = false;
  const faults = () => {
    if (isFull) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
  };
  const log = await openAudit(t, { clock, faults });
  for (let at = 0; at < 10; at++) await log.audit.trail.stranger(stranger(), refused);
  isFull = true;
  await assert.rejects(
    log.audit.trail.stranger(stranger({ operation: 'Another' }), refused),
    (error: unknown) => error instanceof Failure && error.code === 'AuditUnavailable',
  );
  await log.audit.checkpointNow().catch(() => {});
  isFull = false;
  await log.audit.checkpointNow();
  assert.equal(counted(await entriesOf(log)), 10);
});

test('what was counted is written at a stop', async (t) => {
  const log = await opened(t);
  for (let at = 0; at < 10; at++) await log.audit.trail.stranger(stranger(), refused);
  await log.close();
  const again = await openAudit(t, { folder: log.folder, signer: log.signer });
  assert.equal(counted(await entriesOf(again)), 10);
});
