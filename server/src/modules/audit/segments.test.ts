// Segments: what an archived one is, and what stays provable, and is found, when its records were dropped.

import assert from 'node:assert/strict';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { TestClock } from '#kernel/clock/test-clock';
import { createTree, verifyConsistency, verifyInclusion } from '#kernel/crypto/merkle';
import { generateSigningKey } from '#kernel/crypto/signing';
import { closeScanPool, tables } from '#kernel/database/database';
import { testDatabases } from '#kernel/testing/databases';
import type { AuditTables } from './audit.store.ts';
import { auditMigrations, verifyAudit, verifyExport } from './index.ts';
import { consistencyHashes, inclusionHashes } from './proofs.service.ts';
import { begunRecord, encodeRecord } from './record.rules.ts';
import { dropOperation } from './segments.service.ts';
import { databaseKey, intentOf, openAudit } from './testing/fixture.ts';
import {
  age,
  codesOf,
  collect,
  drop,
  dropped,
  fill,
  given,
  grown,
  linesOf,
  refused,
  retentionDays,
  tamper,
  verified,
} from './testing/segments.ts';

after(() => closeScanPool());

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

test('every checkpoint within what was dropped is looked at, however many there are', async (t) => {
  const { folder, signer, audit, close } = await dropped(t);
  await close();
  const copy = join(folder, 'many');
  await mkdir(copy);
  await cp(join(folder, 'audit.db'), join(copy, 'audit.db'));
  await tamper(testDatabases(copy), [
    `insert or replace into audit_checkpoints
      with recursive sizes (size) as (select 1 union all select size + 1 from sizes where size < 255) select size, 0, 'none of ours' from sizes`,
  ]);
  const database = await testDatabases(copy).open('audit', [auditMigrations], { key: databaseKey });
  const verifier = { name: audit.verifier.name, publicKey: signer.publicKey };
  assert.equal((await verifyAudit({ database, verifier })).findingCount, 255);
  await database.close();
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
