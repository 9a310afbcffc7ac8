// What the log promises to the pipeline: durable before the act, in one order, refused when it cannot be; and what a
// crash or a failing disk leaves behind.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { CompiledQuery } from 'kysely';
import { createTestClock } from '#kernel/clock/test-clock';
import { generateSigningKey } from '#kernel/crypto/signing';
import { closeScanPool } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { failNth } from '#kernel/files/faults';
import { silentLog } from '#kernel/log/log';
import { testDatabases, testOfFiles } from '#kernel/testing/databases';
import { auditMigrations, openAnchors, verifyAudit } from './index.ts';
import { auditMeters } from './meters.ts';
import { databaseKey, folderFor, intentOf, openAudit, vaultId } from './testing/fixture.ts';

after(() => closeScanPool());

const all = { $top: '1000' } as const;
const newestLast = async (audit: Awaited<ReturnType<typeof openAudit>>['audit']) =>
  [...(await audit.list('/', all)).value].sort((a, b) => a.sequence - b.sequence);

const unavailable = (error: unknown) =>
  error instanceof Failure && error.kind === 'unavailable' && error.code === 'AuditUnavailable';

test('an activity is an intent before and an outcome after, and the outcome names its intent', async (t) => {
  const { audit } = await openAudit(t);
  const mark = await audit.trail.begin('activity', intentOf());
  assert.equal((await newestLast(audit)).length, 1);
  await mark.conclude({ status: 201, code: undefined });
  const [intent, outcome] = await newestLast(audit);
  assert.equal(intent?.record.kind, 'intent');
  assert.deepEqual(outcome?.record.kind === 'outcome' && [outcome.record.intent, outcome.record.outcome], [
    0,
    { result: 'succeeded', status: 201 },
  ]);
});

test('a record says who, how, where from, by what right, and on what', async (t) => {
  const { audit } = await openAudit(t);
  await audit.trail.begin('activity', intentOf({ requestId: 'r', correlationId: 'c', clientRequestId: 'x' }));
  const [entry] = await newestLast(audit);
  assert.deepEqual(entry?.record, {
    kind: 'intent',
    time: '2026-01-01T00:00:00.000Z',
    operation: 'Secrets_Set',
    action: 'Microsoft.KeyVault/vaults/secrets/setSecret/action',
    scope: vaultId,
    caller: {
      objectId: '11111111-1111-4111-8111-111111111111',
      tenantId: '22222222-2222-4222-8222-222222222222',
      type: 'user',
      name: 'tester@strongroom.local',
    },
    authentication: { method: 'bearer', mfa: false, tokenId: 'test-token' },
    correlationId: 'c',
    requestId: 'r',
    clientRequestId: 'x',
    method: 'PUT',
    path: `${vaultId}/secrets/s`,
    address: '127.0.0.1',
    userAgent: 'test/1',
    decision: 'allowed',
    reason: 'Contributor at /subscriptions',
    parameters: { name: 's' },
    bodyDigest: 'ab'.repeat(32),
  });
});

test('an access is one entry, and only a failure adds an outcome', async (t) => {
  const { audit } = await openAudit(t);
  const fine = await audit.trail.begin('access', intentOf());
  await fine.conclude({ status: 200, code: undefined });
  const lost = await audit.trail.begin('access', intentOf());
  await lost.conclude({ status: 404, code: 'SecretNotFound' });
  const entries = await newestLast(audit);
  assert.deepEqual(
    entries.map(({ record }) => record.kind),
    ['entry', 'entry', 'outcome'],
  );
  const last = entries[2]?.record;
  assert.deepEqual(last?.kind === 'outcome' && last.outcome, { result: 'failed', status: 404, code: 'SecretNotFound' });
  assert.equal((await audit.verify()).verified, true);
});

test('a refusal is intent and outcome in one entry', async (t) => {
  const { audit } = await openAudit(t);
  await audit.trail.refused(intentOf({ decision: 'refused', reason: 'AuthorizationFailed' }), {
    status: 403,
    code: 'AuthorizationFailed',
  });
  const [entry] = await newestLast(audit);
  assert.deepEqual(entry?.record.kind === 'entry' && [entry.record.decision, entry.record.outcome], [
    'refused',
    { result: 'failed', status: 403, code: 'AuthorizationFailed' },
  ]);
});

test('an act is concluded once: the first word stands', async (t) => {
  const { audit } = await openAudit(t);
  const mark = await audit.trail.begin('activity', intentOf());
  await mark.conclude({ status: 200, code: undefined });
  await mark.conclude({ status: 500, code: 'InternalError' });
  assert.equal((await newestLast(audit)).length, 2);
});

test('a hundred acts at once keep their order, share commits, and verify', async (t) => {
  const commits = failNth(0, ({ step }) => step === 'commit');
  const { audit } = await openAudit(t, { faults: commits.faults });
  const before = commits.seen();
  await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      const mark = await audit.trail.begin('activity', intentOf({ requestId: `act-${index}` }));
      await mark.conclude({ status: 200, code: undefined });
    }),
  );
  assert.ok(commits.seen() - before < 40, `200 records took ${commits.seen() - before} commits`);
  const entries = await newestLast(audit);
  assert.deepEqual(
    entries.map(({ sequence }) => sequence),
    Array.from({ length: 200 }, (_, index) => index),
  );
  for (const { record, sequence } of entries) {
    if (record.kind !== 'outcome') continue;
    assert.ok(record.intent < sequence);
    assert.equal(entries[record.intent]?.record.requestId, record.requestId);
  }
  const { verified, entries: count, open } = await audit.verify();
  assert.deepEqual([verified, count, open], [true, 200, 0]);
});

test('strings of any length and any content are bounded and hashed as they are stored', async (t) => {
  const { audit } = await openAudit(t);
  await audit.trail.begin(
    'access',
    intentOf({
      path: `/${'x'.repeat(10_000)}`,
      userAgent: `\ud800 lone\u0000${'y'.repeat(999)}`,
      reason: 'é'.repeat(5_000),
      parameters: { ['__proto__']: 'p', long: 'z'.repeat(2_000), nan: Number.NaN, yes: true },
    }),
  );
  const [entry] = await newestLast(audit);
  assert.ok(entry?.record.kind === 'entry');
  assert.equal(entry.record.path.length, 2_048);
  assert.equal(entry.record.parameters.long, 'z'.repeat(512));
  assert.equal('nan' in entry.record.parameters, false);
  assert.equal((await audit.verify()).verified, true);
});

test('before start and after stop nothing can be begun', async (t) => {
  const { audit, close } = await openAudit(t, { start: false });
  await assert.rejects(audit.trail.begin('activity', intentOf()), unavailable);
  await audit.start?.();
  await audit.trail.begin('activity', intentOf());
  await audit.stop?.();
  await assert.rejects(audit.trail.begin('activity', intentOf()), unavailable);
  await close();
});

test('a commit that fails is refused with 503, leaves nothing, and the tree goes on from what is durable', async (t) => {
  let failing = 0;
  const { audit, database } = await openAudit(t, {
    faults: () => {
      if (failing > 0) {
        failing -= 1;
        throw new Error('ENOSPC');
      }
    },
  });
  for (let round = 0; round < 5; round++) {
    await Promise.all(Array.from({ length: 60 }, () => audit.trail.begin('access', intentOf())));
    failing = 1;
    const outcomes = await Promise.allSettled(
      Array.from({ length: 60 }, () => audit.trail.begin('access', intentOf())),
    );
    assert.ok(outcomes.every((one) => one.status === 'rejected' && unavailable(one.reason)));
    assert.equal((await audit.list('/', all)).value.length, 60 * (round + 1));
    assert.equal((await audit.verify()).verified, true);
  }
  assert.equal((await verifyAudit({ database, verifier: audit.verifier })).entries, 300);
});

test('every commit in turn fails, and the log verifies each time', async (t) => {
  for (let nth = 1; nth <= 8; nth++) {
    const point = failNth(nth, ({ step }) => step === 'commit');
    const { audit, close } = await openAudit(t, { faults: point.faults, start: false });
    await audit.start?.().catch(() => {});
    for (let act = 0; act < 4; act++) {
      await audit.trail
        .begin('activity', intentOf())
        .then((mark) => mark.conclude({ status: 200, code: undefined }))
        .catch((error: unknown) => assert.ok(unavailable(error), String(error)));
    }
    const result = await audit.verify().catch(() => audit.verify());
    assert.deepEqual([result.verified, result.open], [true, 0], `commit ${nth}: ${JSON.stringify(result)}`);
    await close();
  }
});

test('an outcome that could not be written says that the act ended, and is written when the disk takes it', async (t) => {
  let isBroken = false;
  const { audit } = await openAudit(t, {
    faults: () => {
      if (isBroken) throw new Error('EIO');
    },
  });
  const mark = await audit.trail.begin('activity', intentOf());
  isBroken = true;
  await assert.rejects(mark.conclude({ status: 200, code: undefined }), /outcome could not be recorded/);
  await assert.rejects(mark.conclude({ status: 503, code: 'AuditUnavailable' }), unavailable);
  isBroken = false;
  await audit.checkpointNow();
  const last = (await newestLast(audit)).at(-1)?.record;
  assert.deepEqual(last?.kind === 'outcome' && last.outcome, { result: 'succeeded', status: 200 });
  assert.equal((await audit.verify()).open, 0);
});

test('a state that somebody else moved stops the log instead of forking it', async (t) => {
  const { audit, database } = await openAudit(t);
  await audit.trail.begin('access', intentOf());
  await database.write(async (tx) => {
    await tx.executeQuery(CompiledQuery.raw('update audit_tree set size = 9'));
  });
  await assert.rejects(audit.trail.begin('access', intentOf()), unavailable);
});

test('intents that an earlier process left open end unknown at start, once, also when many records follow them', async (t) => {
  const signer = generateSigningKey();
  const first = await openAudit(t, { signer });
  const open = await first.audit.trail.begin('activity', intentOf({ requestId: 'lost' }));
  for (let act = 0; act < 5; act++) {
    const mark = await first.audit.trail.begin('activity', intentOf());
    await mark.conclude({ status: 200, code: undefined });
    await first.audit.trail.begin('access', intentOf());
  }
  assert.ok(open);
  await first.close();
  const second = await openAudit(t, { signer, folder: first.folder });
  const last = (await newestLast(second.audit)).at(-1)?.record;
  assert.deepEqual(last?.kind === 'outcome' && [last.intent, last.requestId, last.outcome], [
    0,
    'lost',
    { result: 'unknown' },
  ]);
  const { entries, open: stillOpen, verified } = await second.audit.verify();
  assert.deepEqual([verified, entries, stillOpen], [true, 17, 0]);
  await second.close();
  const third = await openAudit(t, { signer, folder: first.folder });
  assert.equal((await third.audit.verify()).entries, 17);
});

testOfFiles(
  'a process that is killed under load leaves a log that verifies, with everything that was acknowledged',
  async (t) => {
    const folder = await folderFor(t);
    const signer = generateSigningKey();
    for (let round = 0; round < 3; round++) {
      const child = spawn(process.execPath, [join(import.meta.dirname, 'testing', 'load.ts')], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      child.stdin.end(
        JSON.stringify({ folder, key: [...databaseKey], signer: Buffer.from(signer.exportPkcs8()).toString('base64') }),
      );
      const acknowledged = await killAfter(child, 300);
      await looksOlder(folder);
      const { audit, close } = await openAudit(t, { folder, signer });
      const result = await audit.verify();
      assert.deepEqual([result.verified, result.open], [true, 0], JSON.stringify(result.findings));
      assert.ok(result.entries > acknowledged, `${acknowledged} were acknowledged, ${result.entries} are there`);
      await close();
    }
  },
);

/** Throws if a store that was killed with the log looks like an older copy; says nothing else. */
async function looksOlder(folder: string): Promise<void> {
  const databases = testDatabases(folder);
  const database = await databases.open('audit', [auditMigrations], { key: databaseKey });
  const anchors = await openAnchors({ database, clock: createTestClock(), log: silentLog });
  for (const store of ['control', 'workspace/w']) {
    const { stamp } = await databases.inspect(store, databaseKey);
    assert.ok(stamp.generation > 0);
    assert.equal(anchors.admit(store, stamp), stamp.generation);
  }
  assert.ok(anchors.known().size > 0, 'something was anchored before the kill');
  await database.close();
}

/** Kills after so many acknowledged records, and says the highest sequence that was acknowledged before the end. */
async function killAfter(child: ChildProcess, count: number): Promise<number> {
  let seen = '';
  let highest = -1;
  const ended = once(child, 'exit');
  child.stdout?.on('data', (chunk: Buffer) => {
    seen += chunk.toString();
    const lines = seen.split('\n');
    seen = lines.pop() ?? '';
    for (const line of lines) highest = Math.max(highest, Number(line));
    if (highest >= count) child.kill('SIGKILL');
  });
  await ended;
  assert.ok(highest >= count, 'the child ended by itself');
  return highest;
}

test('a checkpoint is made each minute while there are new records, and at a clean stop', async (t) => {
  const clock = createTestClock();
  const { audit, databases, close } = await openAudit(t, { clock });
  const sizes = async () => (await audit.checkpoints({})).value.map(({ size }) => size);
  await clock.asleep(1);
  await clock.advance(60_000);
  assert.deepEqual(await sizes(), []);
  await audit.trail.begin('access', intentOf());
  await clock.asleep(1);
  await clock.advance(60_000);
  // It rests again when it is done.
  await clock.asleep(1);
  assert.deepEqual(await sizes(), [1]);
  await clock.asleep(1);
  await clock.advance(60_000);
  // It rests again when it is done.
  await clock.asleep(1);
  assert.deepEqual(await sizes(), [1]);
  await audit.trail.begin('access', intentOf());
  await close();
  const again = await databases.open('audit', [auditMigrations], { key: databaseKey, readonly: true });
  t.after(() => again.close());
  const { verified, checkpoints } = await verifyAudit({ database: again, verifier: audit.verifier });
  assert.deepEqual([verified, checkpoints], [true, 2]);
});

test('the size of the log and the time of its newest checkpoint can be watched', async (t) => {
  const { audit, telemetry, clock } = await openAudit(t);
  const read = async () => [
    (await telemetry.read(auditMeters.records))[''],
    (await telemetry.read(auditMeters.checkpoint))[''],
  ];
  assert.deepEqual(await read(), [0, 0], 'nothing was signed yet');
  await audit.trail.begin('access', intentOf());
  await audit.checkpointNow();
  assert.deepEqual(await read(), [1, clock.epochMs() / 1000]);
});
