// Records that are archived and dropped: what goes, what stays provable without them, and what a thief of traces, a clock that
// is set forward and a crash at any step make of it.

import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { CompiledQuery, sql } from 'kysely';
import { createTestClock, type TestClock } from '#kernel/clock/test-clock';
import { sha256Hex } from '#kernel/crypto/digest';
import { createTree, verifyConsistency, verifyInclusion } from '#kernel/crypto/merkle';
import { generateSigningKey } from '#kernel/crypto/signing';
import { closeScanPool, type Databases, tables } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { type Faults, failNth } from '#kernel/files/faults';
import { testGrant } from '#kernel/testing/authority';
import { testDatabases } from '#kernel/testing/databases';
import type { AuditTables } from './audit.store.ts';
import type { DropRequest } from './drops.service.ts';
import type { GivenSegment } from './given-segments.service.ts';
import { auditMigrations, verifyAudit, verifyExport } from './index.ts';
import { consistencyHashes, inclusionHashes } from './proofs.service.ts';
import { begunRecord, encodeRecord } from './record.rules.ts';
import { dropOperation } from './segments.service.ts';
import { databaseKey, folderFor, intentOf, openAudit } from './testing/fixture.ts';

after(() => closeScanPool());

const dayMs = 86_400_000;
/** The configuration takes no less than 90: two make the same course in fewer steps. */
const retentionDays = 2;
const grant = testGrant({ action: 'Strongroom.Audit/segments/drop/action', scope: '/' });

type Opened = Awaited<ReturnType<typeof openAudit>>;
type Options = NonNullable<Parameters<typeof openAudit>[1]>;

/** Records with checkpoints in between, at sizes that are no edge of a tile. */
async function grown(t: TestContext, options: Options & { readonly records?: number } = {}) {
  const { records = 600, clock = createTestClock(), ...rest } = options;
  const opened = await openAudit(t, { retentionDays, ...rest, clock });
  await fill(opened, records);
  return { ...opened, clock: clock as TestClock };
}

async function fill({ audit }: Opened, records: number): Promise<void> {
  for (let at = 0; at < records; at += 100) {
    await Promise.all(
      Array.from({ length: Math.min(100, records - at) / 2 }, async () => {
        const mark = await audit.trail.begin('activity', intentOf());
        await mark.conclude({ status: 200, code: undefined });
      }),
    );
    await audit.checkpointNow();
  }
}

/** Days pass as they do: with records, and a checkpoint each. */
async function age({ audit, clock }: Pick<Opened, 'audit'> & { readonly clock: TestClock }, days = retentionDays) {
  for (let day = 0; day < days; day++) {
    clock.jump(dayMs);
    await audit.trail.begin('access', intentOf());
    await audit.checkpointNow();
  }
}

async function collect(lines: AsyncIterable<string>): Promise<readonly string[]> {
  const collected: string[] = [];
  for await (const line of lines) collected.push(line);
  return collected;
}

async function linesOf({ audit }: Pick<Opened, 'audit'>, from: number, to: number): Promise<readonly string[]> {
  return await collect(audit.archive({ from, to }));
}

async function* bytesOf(lines: readonly string[], chunk = 1_000): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(lines.join(''));
  for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk);
}

const request = (from: number, to: number, lines: readonly string[]): DropRequest => ({
  from,
  to,
  grant,
  correlationId: 'c',
  file: bytesOf(lines),
});
const drop = (opened: Pick<Opened, 'audit'>, from: number, to: number, lines: readonly string[]) =>
  opened.audit.drop(request(from, to, lines));

const given = (name: string, lines: readonly string[]): GivenSegment => ({
  name,
  lines: async function* () {
    yield* lines;
  },
});

const verified = (opened: Pick<Opened, 'database' | 'audit'>, segments: readonly GivenSegment[] = []) =>
  verifyAudit({ database: opened.database, verifier: opened.audit.verifier, segments, isRunning: true });
const codesOf = (findings: readonly { readonly code: string }[]) =>
  [...new Set(findings.map(({ code }) => code))].sort();

const refused = (code: string) => (error: unknown) => error instanceof Failure && error.code === code;

const rowsOf = async ({ database }: Pick<Opened, 'database'>): Promise<readonly number[]> =>
  (
    await tables<AuditTables>(database.read)
      .selectFrom('audit_records')
      .select('sequence')
      .orderBy('sequence')
      .execute()
  ).map(({ sequence }) => sequence);

/** Runs SQL over a connection of its own, as somebody with the key would. */
async function tamper(
  databases: Databases,
  ...statements: readonly (readonly [string, ...unknown[]])[]
): Promise<void> {
  const database = await databases.open('audit', [auditMigrations], { key: databaseKey });
  try {
    await database.write(async (tx) => {
      for (const [text, ...parameters] of statements) await tx.executeQuery(CompiledQuery.raw(text, parameters));
    });
  } finally {
    await database.close();
  }
}

/** 512 of some 600 records archived, aged and dropped. */
async function dropped(t: TestContext, options: Options = {}) {
  const opened = await grown(t, options);
  const leaves = (
    await tables<AuditTables>(opened.database.read)
      .selectFrom('audit_records')
      .select('leaf')
      .orderBy('sequence')
      .execute()
  ).map(({ leaf }) => leaf);
  const lines = await linesOf(opened, 0, 512);
  await age(opened);
  const act = await drop(opened, 0, 512, lines);
  return { ...opened, lines, leaves, act };
}

test('a segment is an export, the same bytes before and after the log grew', async (t) => {
  const opened = await grown(t);
  const lines = await linesOf(opened, 256, 512);
  assert.deepEqual(await verifyExport(lines, opened.audit.verifier), { from: 256, to: 512, size: 600 });
  await fill(opened, 300);
  assert.deepEqual(await linesOf(opened, 256, 512), lines);
  const { segments, dropped: gone, retentionDays: days } = await opened.audit.segments({});
  assert.deepEqual([segments, gone, days], [[{ from: 0, to: 768 }], [], 2]);
  assert.deepEqual((await opened.audit.segments({ until: '600' })).segments, [{ from: 0, to: 512 }]);
  assert.deepEqual((await opened.audit.segments({ before: '2025-12-31' })).segments, []);
  assert.deepEqual((await opened.audit.segments({ before: '2026-02-01' })).segments, [{ from: 0, to: 768 }]);
});

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

test('proofs of what was dropped, and between any sizes within it, verify as before', async (t) => {
  const { leaves, database, audit } = await dropped(t);
  const rootAt = (size: number) => {
    const tree = createTree();
    for (const leaf of leaves.slice(0, size)) tree.append(leaf);
    return tree.root();
  };
  const edges = [1, 2, 255, 256, 257, 300, 511, 512, 513, 599, 600];
  for (const size of edges)
    for (const edge of edges.filter((one) => one <= size)) {
      const leaf = leaves[edge - 1] ?? new Uint8Array();
      const root = rootAt(size);
      const inclusion = await inclusionHashes(database, edge - 1, size);
      assert.ok(verifyInclusion({ index: edge - 1, size, leaf, root }, inclusion), `record ${edge - 1} of ${size}`);
      const consistency = await consistencyHashes(database, edge, size);
      const claim = { oldSize: edge, newSize: size, oldRoot: rootAt(edge), newRoot: root };
      assert.ok(verifyConsistency(claim, consistency), `${edge} to ${size}`);
    }
  assert.equal((await audit.proveInclusion(17)).leafHash, Buffer.from(leaves[17] ?? []).toString('base64'));
});

test('verification says which range it did not look at, and with its segment looks at it', async (t) => {
  const { act, lines, clock: _, ...opened } = await dropped(t);
  const without = await verified(opened);
  assert.deepEqual([without.verified, without.findings], [true, []]);
  assert.deepEqual(codesOf(without.unproved), ['ArchivedNotRead', 'NothingKeptElsewhere']);
  assert.match(without.unproved[0]?.message ?? '', /Records 0 to 511 are archived/);
  assert.deepEqual(without.archived, [{ ...act, looked: false }]);
  const whole = await verified(opened, [given('a', lines)]);
  assert.deepEqual([whole.verified, whole.findings, whole.unproved], [true, [], []]);
  assert.deepEqual([whole.archived, whole.provedElsewhere], [[{ ...act, looked: true }], 600]);
  assert.equal((await opened.audit.verify()).verified, true);
});

test('segments in any order and in parts are put together; one that is missing is named', async (t) => {
  const opened = await grown(t, { records: 900 });
  const ranges = [
    [0, 256],
    [256, 512],
    [512, 768],
  ] as const;
  const files = await Promise.all(ranges.map(([from, to]) => linesOf(opened, from, to)));
  await age(opened);
  for (const [index, [from, to]] of ranges.entries()) await drop(opened, from, to, files[index] ?? []);
  const segments = files.map((lines, index) => given(`segment ${index}`, lines));
  const all = await verified(opened, segments.toReversed());
  assert.deepEqual(
    [all.findings, all.unproved, all.archived.map(({ looked }) => looked)],
    [[], [], [true, true, true]],
  );
  const partly = await verified(opened, segments.toSpliced(1, 1));
  assert.deepEqual(partly.findings, []);
  assert.match(partly.unproved[0]?.message ?? '', /Records 256 to 511 are archived/);
  assert.deepEqual(
    partly.archived.map(({ looked }) => looked),
    [true, false, true],
  );
});

test('an altered, cut, reordered or foreign segment is named', async (t) => {
  const { lines, clock: _, ...opened } = await dropped(t);
  const stranger = await grown(t);
  const foreign = await linesOf(stranger, 0, 512);
  const swapped = lines.with(7, lines[8] ?? '').with(8, lines[7] ?? '');
  for (const [what, altered] of [
    ['altered', lines.with(9, (lines[9] ?? '').replace('tester', 'nobody'))],
    ['cut', lines.slice(0, -1)],
    ['swapped', swapped],
    ['empty', []],
    ['foreign', foreign],
  ] as const) {
    const { findings, verified: holds, archived } = await verified(opened, [given(`${what}.jsonl`, altered)]);
    assert.deepEqual([codesOf(findings), holds, archived[0]?.looked], [['SegmentBroken'], false, false], what);
    assert.match(findings[0]?.message ?? '', new RegExp(`${what}\\.jsonl does not hold: .*at line \\d+`));
  }
});

test('a segment of another history that the very key signed contradicts the tree', async (t) => {
  const signer = generateSigningKey();
  const { clock: _, ...opened } = await dropped(t, { signer });
  const other = await grown(t, { signer });
  const { findings } = await verified(opened, [given('other', await linesOf(other, 0, 512))]);
  assert.deepEqual(codesOf(findings), ['CheckpointMismatch', 'SegmentMismatch']);
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

test('lists over dropped records say so: with a mark, with a refusal where nothing else could answer', async (t) => {
  const { audit } = await dropped(t);
  const mark = { past: 512, until: '2026-01-01T00:00:00.000Z' };
  const all = await audit.list('/', { $top: '1000' });
  assert.deepEqual([all.archived, all.value.at(-1)?.sequence], [mark, 512]);
  assert.equal((await audit.list('/', { $top: '10' })).archived, undefined, 'it is not the last page');
  assert.deepEqual((await audit.list('/', { correlationId: 'correlation-none' })).archived, mark);
  assert.equal((await audit.list('/', { from: '2026-01-02' })).archived, undefined);
  await assert.rejects(audit.list('/', { to: '2025-12-31' }), refused('AuditRecordsArchived'));
  await assert.rejects(
    audit.list('/', { from: '2025-01-01', to: '2025-12-31T23:59:59Z' }),
    refused('AuditRecordsArchived'),
  );
  const events = (from: string) => audit.events(undefined, `eventTimestamp ge '${from}'`, undefined);
  await assert.rejects(events('2025-12-01'), /begins after 2026-01-01T00:00:00.000Z.*archived/);
  assert.ok(await events('2026-01-01T00:00:00.001Z'));
  await assert.rejects(collect(audit.export()), refused('AuditRecordsArchived'));
  await assert.rejects(collect(audit.export({ from: 511 })), /Ask from record 512 on/);
  await assert.rejects(collect(audit.archive({ from: 0, to: 512 })), refused('AuditRecordsArchived'));
  const rest = await collect(audit.export({ from: 512 }));
  assert.equal((await verifyExport(rest, audit.verifier)).from, 512);
});

test('an export that runs while its records are dropped breaks off, and does not end early as if it were whole', async (t) => {
  const opened = await grown(t);
  const lines = await linesOf(opened, 0, 512);
  await age(opened);
  const export_ = opened.audit.export()[Symbol.asyncIterator]();
  for (let line = 0; line < 5; line++) await export_.next();
  await drop(opened, 0, 512, lines);
  await assert.rejects(async () => {
    for (;;) if ((await export_.next()).done) return;
  }, refused('AuditRecordsArchived'));
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

test('records that went without a recorded act are named', async (t) => {
  const opened = await grown(t);
  const leaves = await tables<AuditTables>(opened.database.read)
    .selectFrom('audit_records')
    .select('leaf')
    .where('sequence', '<', 256)
    .orderBy('sequence')
    .execute();
  await tamper(
    opened.databases,
    ['insert into audit_leaves (tile, hashes) values (0, ?)', Buffer.concat(leaves.map(({ leaf }) => leaf))],
    ['delete from audit_records where sequence < 256'],
  );
  const { findings } = await verified(opened);
  assert.deepEqual(
    findings.map(({ code, message }) => [code, message]),
    [['DroppedWithoutAct', 'Records 0 to 255 were dropped, and not all by a recorded act.']],
  );
  const note = (act: number, record: string) =>
    tamper(opened.databases, [
      'insert or replace into audit_drops (first, past, act, record, until_ms, done) values (0, 256, ?, ?, 0, 1)',
      act,
      record,
    ]);
  const forged = encodeRecord(
    begunRecord(
      'activity',
      intentOf({ operation: dropOperation, parameters: { from: 0, to: 256, sha256: 'a', newest: 'b' } }),
      new Date(0),
    ),
  );
  // An act that is in no tree, and a record of the tree that is no such act.
  const other = (await opened.audit.list('/', { $top: '1' })).value[0];
  await note(500, forged.text);
  assert.deepEqual(codesOf((await verified(opened)).findings), ['DropNotRecorded', 'DroppedWithoutAct']);
  await note(other?.sequence ?? 0, JSON.stringify(other?.record));
  assert.deepEqual(codesOf((await verified(opened)).findings), ['DropNotRecorded', 'DroppedWithoutAct']);
});

test('what is kept of dropped records cannot be altered, removed or filled again unnoticed', async (t) => {
  const { lines, folder, signer, ...opened } = await dropped(t);
  await opened.close();
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    [
      'a hash',
      `update audit_leaves set hashes = zeroblob(8192) where tile = 1`,
      ['CheckpointMismatch', 'TileMismatch', 'TreeMismatch'],
    ],
    [
      'all hashes of a tile',
      'delete from audit_leaves where tile = 1',
      ['CheckpointMismatch', 'EntryMissing', 'TreeMismatch'],
    ],
    ['the note of the act', 'delete from audit_drops', ['DroppedWithoutAct']],
    [
      'the words of the act',
      `update audit_drops set record = replace(record, 'tester', 'nobody')`,
      ['DropNotRecorded', 'DroppedWithoutAct'],
    ],
    ['its range', 'update audit_drops set past = 256', ['DropNotRecorded', 'DroppedWithoutAct']],
    [
      'a record in the place of one that is gone',
      `insert into audit_records select 17, leaf, record, kind, time_ms, activity, scope, correlation, actor, null from audit_records where sequence = 512`,
      ['EntryUnexpected'],
    ],
    [
      'the records beside them',
      'delete from audit_records where sequence = 513',
      ['CheckpointMismatch', 'EntryMissing', 'OutcomeWithoutIntent', 'TreeMismatch'],
    ],
  ];
  for (const [index, [what, statement, expected]] of cases.entries()) {
    const copy = join(folder, `case-${index}`);
    await mkdir(copy);
    await cp(join(folder, 'audit.db'), join(copy, 'audit.db'));
    await tamper(testDatabases(copy), [statement]);
    const database = await testDatabases(copy).open('audit', [auditMigrations], { key: databaseKey });
    const verifier = { name: opened.audit.verifier.name, publicKey: signer.publicKey };
    const { findings } = await verifyAudit({ database, verifier, segments: [given('s', lines)] });
    const found = codesOf(findings);
    for (const code of expected.filter((one) => one !== 'OutcomeWithoutIntent'))
      assert.ok(found.includes(code), `${what}: ${found}`);
    await database.close();
  }
});

test('stores stay anchored after the records that anchored them are gone', async (t) => {
  const opened = await openAudit(t, { retentionDays });
  const clock = opened.clock as TestClock;
  opened.anchors.committed('control', 40);
  opened.anchors.committed('workspace/w', 7);
  await fill(opened, 600);
  const lines = await linesOf(opened, 0, 512);
  await age({ audit: opened.audit, clock });
  await drop(opened, 0, 512, lines);
  const older = (store: string) => (control: number, other: number) =>
    verifyAudit({
      database: opened.database,
      verifier: opened.audit.verifier,
      look: async (asked) => ({
        state: 'read',
        stamp: { generation: asked === 'control' ? control : asked === store ? other : 100, witness: 0 },
      }),
    });
  const look = older('workspace/w');
  assert.deepEqual((await look(40, 7)).findings, []);
  // Also where the table beside the log was made to forget.
  await tamper(opened.databases, ['delete from audit_anchors']);
  for (const [control, workspace, named] of [
    [39, 7, /'control' is an older copy/],
    [40, 6, /'workspace\/w' is an older copy/],
  ] as const) {
    const { findings } = await look(control, workspace);
    assert.deepEqual(codesOf(findings), ['StoreRolledBack']);
    assert.match(findings[0]?.message ?? '', named);
  }
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
