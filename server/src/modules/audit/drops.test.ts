// Records that are dropped: what goes and what stays, and what a clock that is set forward, a full or broken disk and a crash at any
// step make of it.

import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { sql } from 'kysely';
import { createTestClock, type TestClock } from '#kernel/clock/test-clock';
import { sha256Hex } from '#kernel/crypto/digest';
import { generateSigningKey } from '#kernel/crypto/signing';
import { closeScanPool } from '#kernel/database/database';
import { type Faults, failNth } from '#kernel/files/faults';
import { testDatabases } from '#kernel/testing/databases';
import { auditMigrations, verifyAudit } from './index.ts';
import { begunRecord, encodeRecord } from './record.rules.ts';
import { dropOperation } from './segments.service.ts';
import { databaseKey, folderFor, intentOf, openAudit } from './testing/fixture.ts';
import {
  age,
  collect,
  dayMs,
  drop,
  dropped,
  fill,
  given,
  grant,
  grown,
  linesOf,
  refused,
  request,
  retentionDays,
  rowsOf,
  tamper,
  verified,
} from './testing/segments.ts';

after(() => closeScanPool());

test('what is archived and old enough goes; the act stays, with who, what, digest and rule', async (t) => {
  const { act, audit, lines, ...opened } = await dropped(t);
  assert.equal(Math.min(...(await rowsOf(opened))), 512);
  const sha256 = sha256Hex(lines.join(''));
  assert.deepEqual(act, {
    from: 0,
    to: 512,
    sha256,
    newest: '2026-01-01T00:00:00.000Z',
    act: 602,
    time: '2026-01-03T00:00:00.000Z',
    by: 'tester@strongroom.local',
    done: true,
  });
  const found = await audit.list('/', { operation: dropOperation, from: '2026-01-02' });
  assert.deepEqual(
    found.value.map(({ record }) => [
      record.kind,
      record.caller.name,
      record.action,
      record.kind === 'intent' ? record.parameters : record.kind === 'outcome' && record.outcome,
    ]),
    [
      ['outcome', 'tester@strongroom.local', grant.action, { result: 'succeeded', status: 200 }],
      [
        'intent',
        'tester@strongroom.local',
        grant.action,
        { from: 0, to: 512, sha256, retentionDays, newest: '2026-01-01T00:00:00.000Z' },
      ],
    ],
  );
  assert.deepEqual((await audit.segments({})).dropped, [act]);
});

test('nothing goes unless the operator set a retention', async (t) => {
  const opened = await grown(t, { retentionDays: 0 });
  const lines = await linesOf(opened, 0, 512);
  await age(opened, 200);
  await assert.rejects(drop(opened, 0, 512, lines), refused('AuditRetentionNotSet'));
  assert.equal((await rowsOf(opened))[0], 0);
});

test('a range that is not whole tiles, not the oldest, too large or not there is refused', async (t) => {
  const opened = await grown(t);
  const lines = await linesOf(opened, 0, 512);
  await age(opened);
  for (const [from, to] of [
    [1, 512],
    [0, 511],
    [0, 0],
    [512, 256],
    [-256, 256],
    [0, 256.5],
    [0, 33_024],
  ] as const)
    await assert.rejects(drop(opened, from, to, lines), refused('AuditSegmentInvalid'), `${from} to ${to}`);
  await assert.rejects(drop(opened, 256, 512, lines), refused('AuditSegmentOutOfOrder'));
  await assert.rejects(drop(opened, 0, 768, lines), refused('AuditProofNotFound'));
  for (const [from, to] of [
    [0, 100],
    [100, 512],
  ] as const)
    await assert.rejects(linesOf(opened, from, to), refused('AuditSegmentInvalid'));
  await assert.rejects(linesOf(opened, 0, 768), refused('AuditProofNotFound'));
  assert.equal((await rowsOf(opened))[0], 0);
});

test('an administrator who has no file, an altered, shorter or longer one, or one of another log, drops nothing', async (t) => {
  const opened = await grown(t);
  const lines = await linesOf(opened, 0, 512);
  const foreign = await linesOf(await grown(t), 0, 512);
  await age(opened);
  const text = lines.join('');
  for (const wrong of [
    [],
    lines.slice(0, -1),
    [text.slice(0, -1)],
    [...lines, '\n'],
    [...lines, lines.at(-1) ?? ''],
    lines.with(100, (lines[100] ?? '').replace('tester', 'nobody')),
    lines.with(1, lines[2] ?? ''),
    [`${text.slice(0, -20)}x${text.slice(-19)}`],
    foreign,
    // The same records, but not what `archive` writes.
    await collect(opened.audit.export({ from: 0, to: 512 })),
  ])
    await assert.rejects(drop(opened, 0, 512, wrong), refused('AuditSegmentMismatch'));
  assert.equal((await rowsOf(opened))[0], 0);
  assert.equal((await verified(opened)).verified, true);
  assert.deepEqual((await opened.audit.list('/', { operation: dropOperation })).value, []);
});

test('a record younger than the retention keeps its segment', async (t) => {
  const opened = await grown(t, { records: 500 });
  await age(opened);
  await fill(opened, 100);
  const lines = await linesOf(opened, 0, 512);
  await age(opened, 1);
  await assert.rejects(drop(opened, 0, 512, lines), refused('AuditRetentionNotOver'));
  await age(opened, 1);
  assert.equal((await drop(opened, 0, 512, lines)).done, true);
});

test('a clock that is set forward makes nothing older: only days that the log saw pass count', async (t) => {
  const opened = await grown(t);
  const lines = await linesOf(opened, 0, 512);
  opened.clock.jump(400 * dayMs);
  await opened.audit.trail.begin('access', intentOf());
  await assert.rejects(drop(opened, 0, 512, lines), refused('AuditRetentionNotOver'));
  // Nor does moving it back and forth within a day that passes.
  opened.clock.jump(-400 * dayMs);
  await opened.audit.trail.begin('access', intentOf());
  await assert.rejects(drop(opened, 0, 512, lines), refused('AuditRetentionNotOver'));
  assert.equal((await rowsOf(opened))[0], 0);
});

test('columns that say that records are older than they are do not make them go', async (t) => {
  const opened = await grown(t, { records: 500 });
  await age(opened, 2);
  await fill(opened, 100);
  await opened.audit.trail.begin('access', intentOf());
  const lines = await linesOf(opened, 0, 512);
  await tamper(
    opened.databases,
    ['update audit_records set time_ms = 0'],
    ['update audit_checkpoints set time_ms = size * 86400000 where size > 512'],
  );
  await assert.rejects(drop(opened, 0, 512, lines), refused('AuditRetentionNotOver'));
});

test('an act that is under way keeps its segment', async (t) => {
  const opened = await openAudit(t, { retentionDays });
  const clock = opened.clock as TestClock;
  const mark = await opened.audit.trail.begin('activity', intentOf());
  await fill(opened, 600);
  const lines = await linesOf(opened, 0, 512);
  await age({ audit: opened.audit, clock });
  await assert.rejects(drop(opened, 0, 512, lines), refused('AuditSegmentOpen'));
  await mark.conclude({ status: 200, code: undefined });
  // With the next batch it is stored that nothing is open any more.
  await opened.audit.trail.begin('access', intentOf());
  assert.equal((await drop(opened, 0, 512, lines)).done, true);
});

test('records that were altered are evidence: they do not go, whatever is shown', async (t) => {
  const opened = await grown(t);
  const honest = await linesOf(opened, 0, 512);
  await age(opened);
  const forged = encodeRecord(begunRecord('access', intentOf({ operation: 'Something_Else' }), new Date(0)));
  await tamper(opened.databases, [
    'update audit_records set record = ?, leaf = ? where sequence = 17',
    forged.text,
    forged.leaf,
  ]);
  await assert.rejects(drop(opened, 0, 512, honest), refused('AuditSegmentMismatch'));
  const altered = await linesOf(opened, 0, 512);
  await assert.rejects(drop(opened, 0, 512, altered), refused('AuditExportBroken'));
  assert.equal((await rowsOf(opened)).includes(17), true);
});

test('the same request again answers what was done, and another file does not', async (t) => {
  const { act, lines, ...opened } = await dropped(t);
  assert.deepEqual(await drop(opened, 0, 512, lines), act);
  await assert.rejects(drop(opened, 0, 512, lines.slice(1)), refused('AuditSegmentMismatch'));
  await assert.rejects(drop(opened, 0, 256, lines), refused('AuditSegmentOutOfOrder'));
  assert.equal((await opened.audit.list('/', { operation: dropOperation, from: '2026-01-02' })).value.length, 2);
});

test('an act that dropped records may be dropped in its turn, and is still proved', async (t) => {
  const { lines, ...opened } = await dropped(t);
  await fill(opened, 300);
  const next = await linesOf(opened, 512, 768);
  await age(opened);
  const second = await drop(opened, 512, 768, next);
  assert.equal((await rowsOf(opened))[0], 768);
  const { findings, archived } = await verified(opened);
  assert.deepEqual(
    [findings, archived.map(({ from, to }) => [from, to])],
    [
      [],
      [
        [0, 512],
        [512, 768],
      ],
    ],
  );
  const whole = await verified(opened, [given('1', lines), given('2', next)]);
  assert.deepEqual([whole.findings, whole.unproved], [[], []]);
  assert.ok(second.act > 768);
  await opened.close();
  const again = await openAudit(t, { folder: opened.folder, signer: opened.signer, clock: opened.clock });
  assert.deepEqual((await again.audit.segments({})).dropped.length, 2);
  assert.equal((await again.audit.verify()).verified, true);
});

test('records that arrive while others are dropped lose nothing and fit', async (t) => {
  const opened = await grown(t);
  const lines = await linesOf(opened, 0, 512);
  await age(opened);
  let isDropping = true;
  let written = 0;
  const writing = (async () => {
    while (isDropping) {
      await Promise.all(Array.from({ length: 20 }, () => opened.audit.trail.begin('access', intentOf())));
      written += 20;
    }
  })();
  const dropping = drop(opened, 0, 512, lines);
  await assert.rejects(drop(opened, 0, 512, lines), refused('AuditDropRunning'));
  await assert.rejects(opened.audit.verify(), refused('AuditDropRunning'));
  await dropping;
  isDropping = false;
  await writing;
  assert.ok(written > 0);
  const { verified: holds, entries } = await opened.audit.verify();
  // 602 before, 2 of the act, and what arrived.
  assert.deepEqual([holds, entries], [true, 604 + written]);
});

test('a file that dribbles in holds up a verification no longer than it may, and drops nothing', async (t) => {
  const opened = await grown(t);
  const lines = await linesOf(opened, 0, 512);
  await age(opened);
  const begun = Promise.withResolvers<void>();
  const dribbling = async function* () {
    yield Buffer.from((lines[0] ?? '').slice(0, 10));
    begun.resolve();
    await new Promise<never>(() => {});
  };
  const asked = opened.audit.drop({ ...request(0, 512, lines), file: dribbling() });
  asked.catch(() => undefined);
  await begun.promise;
  await assert.rejects(opened.audit.verify(), refused('AuditDropRunning'));
  await opened.clock.advance(10 * 60_000);
  await assert.rejects(asked, refused('AuditSegmentSlow'));
  assert.equal((await opened.audit.verify()).verified, true);
  assert.equal((await drop(opened, 0, 512, lines)).done, true);
});

test('while the log is verified nothing is dropped', async (t) => {
  const opened = await grown(t);
  const lines = await linesOf(opened, 0, 512);
  await age(opened);
  const verifying = opened.audit.verify();
  await assert.rejects(drop(opened, 0, 512, lines), refused('AuditVerificationRunning'));
  await verifying;
});

const copied = (folder: string, to: string) => {
  for (const file of readdirSync(folder).filter((name) => name.startsWith('audit.db') && !name.endsWith('-shm')))
    cpSync(join(folder, file), join(to, file));
};

test('a crash at any step leaves every record or a completed drop, and the same request completes it', async (t) => {
  const folder = await folderFor(t);
  const signer = generateSigningKey();
  const moments: string[] = [];
  let isDropping = false;
  // What is on the disk right before each commit: what a power cut there leaves.
  const faults: Faults = ({ step }) => {
    if (step !== 'commit' || !isDropping) return;
    const to = join(folder, `moment-${moments.length}`);
    cpSync(join(folder, 'audit.db'), join(to, 'audit.db'));
    copied(folder, to);
    moments.push(to);
  };
  const opened = await grown(t, { folder, signer, faults });
  const lines = await linesOf(opened, 0, 512);
  await age(opened);
  isDropping = true;
  await drop(opened, 0, 512, lines);
  isDropping = false;
  const states = new Set<string>();
  assert.ok(moments.length >= 6, `${moments.length} moments`);
  let halves = 0;
  for (const moment of moments) {
    assert.ok(existsSync(join(moment, 'audit.db')));
    // As it lies, without a start: what is half gone is known to be going.
    const lying = await testDatabases(moment).open('audit', [auditMigrations], { key: databaseKey });
    const [oldest = 0] = await rowsOf({ database: lying });
    if (oldest > 0 && oldest < 512) halves += 1;
    const found = await verifyAudit({ database: lying, verifier: opened.audit.verifier });
    assert.deepEqual(found.findings, [], `${moment}: from ${oldest} on`);
    await lying.close();
    const clock = createTestClock(new Date(opened.clock.epochMs()));
    const back = await openAudit(t, { folder: moment, signer, clock, retentionDays });
    const [first] = await rowsOf(back);
    assert.ok(first === 0 || first === 512, `${moment}: begins at ${first}`);
    states.add(first === 0 ? 'whole' : 'dropped');
    const verification = await verified(back);
    assert.deepEqual(verification.findings, [], moment);
    assert.equal(verification.open, 0, 'every act has one outcome');
    assert.equal((await drop(back, 0, 512, lines)).done, true);
    assert.deepEqual((await verified(back, [given('s', lines)])).findings, []);
    await back.close();
  }
  assert.deepEqual([...states].sort(), ['dropped', 'whole']);
  assert.ok(halves >= 2, `${halves} moments between the first record and the last`);
});

test('a disk that fails at any step is said, and the request again, or the next start, completes it', async (t) => {
  const folder = await folderFor(t);
  const signer = generateSigningKey();
  const base = await grown(t, { folder, signer });
  const lines = await linesOf(base, 0, 512);
  await age(base);
  await base.close();
  let failures = 0;
  for (let nth = 1; ; nth++) {
    const copy = join(folder, `try-${nth}`);
    await mkdir(copy);
    await cp(join(folder, 'audit.db'), join(copy, 'audit.db'));
    let isFailing = false;
    const { faults, seen } = failNth(nth, () => isFailing);
    const clock = createTestClock(new Date(base.clock.epochMs()));
    const opened = await openAudit(t, { folder: copy, signer, faults, clock, retentionDays });
    isFailing = true;
    const failed = await drop(opened, 0, 512, lines).then(
      () => undefined,
      (error: unknown) => error,
    );
    isFailing = false;
    if (seen() < nth) break;
    if (failed !== undefined) failures += 1;
    if (nth % 2 === 0) assert.equal((await drop(opened, 0, 512, lines)).done, true);
    await opened.close();
    const again = await openAudit(t, { folder: copy, signer, clock, retentionDays });
    assert.equal((await drop(again, 0, 512, lines)).done, true);
    const { findings, open } = await verified(again, [given('s', lines)]);
    assert.deepEqual([findings, open, (await rowsOf(again))[0]], [[], 0, 512]);
    await again.close();
  }
  assert.ok(failures >= 4, `${failures} failures`);
});

test('what was dropped makes room for what comes: the file does not grow until that is used', async (t) => {
  const opened = await grown(t, { records: 1_100 });
  const lines = await linesOf(opened, 0, 1_024);
  await age(opened);
  const pages = async (name: 'page_count' | 'freelist_count') =>
    Number(Object.values((await sql.raw(`pragma ${name}`).execute(opened.database.read)).rows[0] ?? {})[0]);
  await drop(opened, 0, 1_024, lines);
  const before = await pages('page_count');
  assert.ok((await pages('freelist_count')) > 200);
  await fill(opened, 600);
  assert.equal(await pages('page_count'), before);
});
