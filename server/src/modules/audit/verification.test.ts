// A thief of traces who holds the key of the database: whatever is edited, cut, inserted or exchanged is found.

import assert from 'node:assert/strict';
import { copyFile, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { leafHash } from '#kernel/crypto/merkle';
import { generateSigningKey } from '#kernel/crypto/signing';
import { closeScanPool, type Databases, tables } from '#kernel/database/database';
import { runStatement } from '#kernel/database/dialect/dialect';
import { Failure } from '#kernel/errors/failure';
import { silentLog } from '#kernel/log/log';
import { testOfFiles } from '#kernel/testing/databases';
import type { AuditTables } from './audit.store.ts';
import { auditMigrations, readCheckpointFile, verifyAudit } from './index.ts';
import { columnsOf, decodeRecord, encodeRecord } from './record.rules.ts';
import { databaseKey, folderFor, intentOf, openAudit } from './testing/fixture.ts';

after(() => closeScanPool());

type Opened = Awaited<ReturnType<typeof openAudit>>;

/** 300 records and two checkpoints, of 200 and 300. */
async function filled(t: TestContext): Promise<Opened> {
  const opened = await openAudit(t);
  for (const acts of [100, 50]) {
    await Promise.all(
      Array.from({ length: acts }, async () => {
        const mark = await opened.audit.trail.begin('activity', intentOf());
        await mark.conclude({ status: 200, code: undefined });
      }),
    );
    await opened.audit.checkpointNow();
  }
  return opened;
}

/** Runs SQL over a connection of its own, as somebody with the key would. */
async function tamper(
  databases: Databases,
  ...statements: readonly (readonly [string, ...unknown[]])[]
): Promise<void> {
  const database = await databases.open('audit', [auditMigrations], { key: databaseKey });
  try {
    await database.write(async (tx) => {
      for (const [text, ...values] of statements) await runStatement(tx, text, values);
    });
  } finally {
    await database.close();
  }
}

async function recordAt({ database }: Opened, sequence: number) {
  const row = await tables<AuditTables>(database.read)
    .selectFrom('audit_records')
    .select('record')
    .where('sequence', '=', sequence)
    .executeTakeFirstOrThrow();
  return decodeRecord(row.record);
}

const codes = async ({ database, audit }: Opened, checkpoints: readonly string[] = []) => {
  const result = await verifyAudit({ database, verifier: audit.verifier, checkpoints });
  assert.equal(result.verified, result.findings.length === 0);
  return [...new Set(result.findings.map(({ code }) => code))].sort();
};

test('a log that nobody touched verifies, over tiles and checkpoints', async (t) => {
  const opened = await filled(t);
  const result = await verifyAudit({ database: opened.database, verifier: opened.audit.verifier });
  const { unproved, ...rest } = result;
  assert.deepEqual(rest, {
    verified: true,
    entries: 300,
    checkpoints: 2,
    provedElsewhere: 0,
    open: 0,
    findings: [],
    findingCount: 0,
    archived: [],
  });
  assert.deepEqual(
    unproved.map(({ code }) => code),
    ['NothingKeptElsewhere'],
  );
  const note = (await opened.audit.checkpoints({})).value[0]?.note ?? '';
  const kept = await verifyAudit({
    database: opened.database,
    verifier: opened.audit.verifier,
    checkpoints: [note],
  });
  assert.deepEqual([kept.verified, kept.provedElsewhere, kept.unproved], [true, 300, []]);
});

test('an empty log verifies', async (t) => {
  assert.equal((await (await openAudit(t)).audit.verify()).verified, true);
});

test('an edited record is found', async (t) => {
  const opened = await filled(t);
  await tamper(opened.databases, [
    `update audit_records set record = replace(record, 'tester', 'nobody') where sequence = 17`,
  ]);
  const { findings } = await verifyAudit({ database: opened.database, verifier: opened.audit.verifier });
  assert.ok(findings.some(({ code, sequence }) => code === 'EntryAltered' && sequence === 17));
});

test('an edited record with its hash and its columns made to fit is found by the tree, the tile and the checkpoints', async (t) => {
  const opened = await filled(t);
  const forged = encodeRecord({ ...(await recordAt(opened, 17)), operation: 'Something_Else' });
  await tamper(opened.databases, [
    'update audit_records set record = ?, leaf = ? where sequence = 17',
    forged.text,
    forged.leaf,
  ]);
  assert.deepEqual(await codes(opened), ['CheckpointMismatch', 'TileMismatch', 'TreeMismatch']);
});

test('even with tree and tile recomputed, an edit contradicts the signed checkpoints', async (t) => {
  const opened = await filled(t);
  const forged = encodeRecord({ ...(await recordAt(opened, 17)), operation: 'Something_Else' });
  await tamper(opened.databases, [
    'update audit_records set record = ?, leaf = ? where sequence = 17',
    forged.text,
    forged.leaf,
  ]);
  await recompute(opened);
  assert.deepEqual(await codes(opened), ['CheckpointMismatch']);
});

test('an edit behind the last checkpoint is found by the running server, which remembers', async (t) => {
  const opened = await filled(t);
  await opened.audit.trail.begin('access', intentOf());
  const forged = encodeRecord({ ...(await recordAt(opened, 300)), operation: 'Something_Else' });
  await tamper(opened.databases, [
    'update audit_records set record = ?, leaf = ? where sequence = 300',
    forged.text,
    forged.leaf,
  ]);
  await recompute(opened);
  assert.deepEqual(await codes(opened), []);
  const { findings } = await opened.audit.verify();
  assert.deepEqual(
    findings.map(({ code }) => code),
    ['CheckpointMismatch'],
  );
});

/** Makes tiles and tree fit the leaves, as a forger with the program would. */
async function recompute({ database, databases }: Opened): Promise<void> {
  const { createTree } = await import('#kernel/crypto/merkle');
  const rows = await tables<AuditTables>(database.read)
    .selectFrom('audit_records')
    .select('leaf')
    .orderBy('sequence')
    .execute();
  const tree = createTree();
  const tile = createTree();
  for (const [index, { leaf }] of rows.entries()) {
    tree.append(leaf);
    if (index < 256) tile.append(leaf);
  }
  await tamper(
    databases,
    ['update audit_tiles set root = ? where tile = 0', tile.root()],
    ['update audit_tree set size = ?, hashes = ?', rows.length, Buffer.concat(tree.state().hashes)],
  );
}

test('two records that changed places are found', async (t) => {
  const opened = await filled(t);
  await tamper(
    opened.databases,
    ['update audit_records set sequence = -1 where sequence = 20'],
    ['update audit_records set sequence = 20 where sequence = 21'],
    ['update audit_records set sequence = 21 where sequence = -1'],
  );
  await recompute(opened);
  assert.ok((await codes(opened)).includes('CheckpointMismatch'));
});

test('a record cut out is found, and so is one whose gap was closed', async (t) => {
  const opened = await filled(t);
  await tamper(opened.databases, ['delete from audit_records where sequence = 40']);
  assert.ok((await codes(opened)).includes('EntryMissing'));
  await tamper(
    opened.databases,
    ['update audit_records set sequence = -sequence where sequence > 40'],
    ['update audit_records set sequence = -sequence - 1 where sequence < 0'],
  );
  await recompute(opened);
  assert.ok((await codes(opened)).includes('CheckpointMismatch'));
});

test('a record put in at the end, at the beginning or in the middle is found', async (t) => {
  const opened = await filled(t);
  const forged = encodeRecord(await recordAt(opened, 0));
  const insert = (sequence: number) =>
    [
      `insert into audit_records select ${sequence}, leaf, record, kind, time_ms, activity, scope, correlation, actor, intent
       from audit_records where sequence = 0`,
    ] as const;
  await tamper(opened.databases, insert(300));
  assert.deepEqual(await codes(opened), ['EntryUnexpected']);
  await tamper(opened.databases, ['delete from audit_records where sequence = 300'], insert(-5));
  assert.deepEqual(await codes(opened), ['EntryUnexpected']);
  await tamper(opened.databases, ['delete from audit_records where sequence < 0']);
  assert.deepEqual(await codes(opened), []);
  await tamper(opened.databases, [
    'update audit_records set record = ?, leaf = ? where sequence = 9',
    forged.text,
    forged.leaf,
  ]);
  assert.ok((await codes(opened)).includes('OutcomeWithoutIntent') || (await codes(opened)).includes('TreeMismatch'));
});

test('an index that says something else than its record is found, because queries believe it', async (t) => {
  for (const set of [
    "scope = '/elsewhere'",
    'time_ms = 1',
    "actor = 'x'",
    'activity = 0',
    "correlation = ''",
    "kind = 'entry'",
  ]) {
    const opened = await filled(t);
    await tamper(opened.databases, [`update audit_records set ${set} where sequence = 4`]);
    assert.deepEqual(await codes(opened), ['EntryMisindexed'], set);
    await opened.close();
  }
});

test('a record that is not canonical, not JSON or of another shape is found even with the right hash', async (t) => {
  const opened = await filled(t);
  const { text } = encodeRecord(await recordAt(opened, 4));
  for (const forged of [` ${text}`, '{}', 'not json', text.replace('{', '{"extra":1,')]) {
    await tamper(opened.databases, [
      'update audit_records set record = ?, leaf = ? where sequence = 4',
      forged,
      leafHash(forged),
    ]);
    assert.ok((await codes(opened)).includes('EntryNotCanonical'), forged.slice(0, 20));
  }
});

test('an outcome of nothing, of a later record, or a second one of the same intent is found', async (t) => {
  const { audit, database, databases } = await openAudit(t);
  const mark = await audit.trail.begin('activity', intentOf());
  await mark.conclude({ status: 200, code: undefined });
  const row = await tables<AuditTables>(database.read)
    .selectFrom('audit_records')
    .selectAll()
    .where('sequence', '=', 1)
    .executeTakeFirstOrThrow();
  const outcome = decodeRecord(row.record);
  assert.ok(outcome.kind === 'outcome');
  for (const intent of [1, 7]) {
    const forged = encodeRecord({ ...outcome, intent });
    await tamper(databases, [
      'update audit_records set record = ?, leaf = ?, intent = ? where sequence = 1',
      forged.text,
      forged.leaf,
      intent,
    ]);
    assert.ok((await codes({ audit, database } as Opened)).includes('OutcomeWithoutIntent'));
  }
  assert.deepEqual(columnsOf(outcome).intent, 0);
});

test('the end cut off is found by the stored checkpoints, and with those cut too by one kept elsewhere', async (t) => {
  const opened = await filled(t);
  const kept = await opened.audit.checkpointNow();
  assert.equal(kept?.size, 300);
  await tamper(opened.databases, ['delete from audit_records where sequence >= 200'], ['delete from audit_tiles']);
  await recompute(opened);
  assert.deepEqual(await codes(opened), ['EntriesCut']);
  await tamper(opened.databases, ['delete from audit_checkpoints where size > 200']);
  assert.deepEqual(await codes(opened), [], 'nothing in the file can tell');
  assert.deepEqual(await codes(opened, [kept?.note ?? '']), ['EntriesCut']);
});

test('rows cut without the state of the tree are found', async (t) => {
  const opened = await filled(t);
  await tamper(opened.databases, ['delete from audit_records where sequence >= 290']);
  assert.ok((await codes(opened)).includes('EntriesCut'));
});

test('a state of absurd size does not keep verification from ending', async (t) => {
  const opened = await filled(t);
  await tamper(opened.databases, ['update audit_tree set size = 9007199254740991']);
  assert.ok((await codes(opened)).includes('EntriesCut'));
  // Nor does one that a row at its far end seems to bear out: the gap before it is one finding.
  const columns = 'leaf, record, kind, time_ms, activity, scope, correlation, actor, intent';
  await tamper(
    opened.databases,
    ['update audit_tree set size = 2147483647'],
    [`insert into audit_records select 2147483646, ${columns} from audit_records where sequence = 0`],
  );
  assert.deepEqual(
    (await codes(opened)).filter((code) => code === 'EntryMissing'),
    ['EntryMissing'],
  );
});

test('a checkpoint of another key, another log, another size or with a broken signature is found', async (t) => {
  const opened = await filled(t);
  const other = await openAudit(t, { signer: generateSigningKey() });
  await other.audit.trail.begin('access', intentOf());
  const foreign = await other.audit.checkpointNow();
  assert.deepEqual(await codes(opened, [foreign?.note ?? '']), ['CheckpointUnreadable']);
  assert.deepEqual(await codes(opened, ['', 'x\n', foreign?.note.slice(0, -3) ?? '']), ['CheckpointUnreadable']);
  await tamper(opened.databases, ['update audit_checkpoints set size = 250 where size = 300']);
  assert.deepEqual(await codes(opened), ['CheckpointUnreadable']);
  await tamper(opened.databases, ['update audit_checkpoints set note = replace(note, ?, ?)', '\n200\n', '\n201\n']);
  assert.deepEqual(await codes(opened), ['CheckpointUnreadable']);
});

test('a missing, an altered and a superfluous tile are found', async (t) => {
  const opened = await filled(t);
  await tamper(opened.databases, ['insert into audit_tiles select 5, root from audit_tiles']);
  assert.deepEqual(await codes(opened), ['TileMismatch']);
  await tamper(opened.databases, ['delete from audit_tiles']);
  assert.deepEqual(await codes(opened), ['TileMismatch']);
});

test('checkpoints are appended to their file, which verifies the log later; a cut line is passed over', async (t) => {
  const folder = await folderFor(t);
  const checkpointFile = join(folder, 'checkpoints.jsonl');
  const { audit, database } = await openAudit(t, { folder, checkpointFile });
  for (let act = 0; act < 3; act++) {
    await audit.trail.begin('access', intentOf());
    await audit.checkpointNow();
  }
  const text = await readFile(checkpointFile, 'utf8');
  const notes = readCheckpointFile(`${text}{"time":"2026`);
  assert.equal(notes.length, 3);
  const result = await verifyAudit({ database, verifier: audit.verifier, checkpoints: notes });
  assert.deepEqual([result.verified, result.checkpoints], [true, 6]);
});

test('a line that a crash cut short does not swallow the next checkpoint', async (t) => {
  const folder = await folderFor(t);
  const checkpointFile = join(folder, 'checkpoints.jsonl');
  await writeFile(checkpointFile, '{"time":"2026-01-01T00:00:00.000Z","chec');
  const { audit } = await openAudit(t, { folder, checkpointFile });
  await audit.trail.begin('access', intentOf());
  await audit.checkpointNow();
  assert.equal(readCheckpointFile(await readFile(checkpointFile, 'utf8')).length, 1);
});

testOfFiles('a start with a log that is shorter than what was carried away says so', async (t) => {
  const folder = await folderFor(t);
  const checkpointFile = join(await folderFor(t), 'checkpoints.jsonl');
  const signer = generateSigningKey();
  const errors: string[] = [];
  const log = { ...silentLog, error: (_fields: unknown, message: string) => void errors.push(message) };
  const options = { folder, checkpointFile, signer, log };
  const first = await openAudit(t, options);
  await first.audit.trail.begin('access', intentOf());
  await first.close();
  await copyFile(join(folder, 'audit.db'), join(folder, 'backup.db'));
  const second = await openAudit(t, options);
  await second.audit.trail.begin('access', intentOf());
  await second.close();
  assert.deepEqual(errors, []);
  await rename(join(folder, 'backup.db'), join(folder, 'audit.db'));
  await openAudit(t, options);
  assert.match(errors.join(), /shorter than a checkpoint/);
});

test('a checkpoint file that cannot be written does not stop the log', async (t) => {
  const { audit } = await openAudit(t, { checkpointFile: '/nonexistent/checkpoints.jsonl' });
  await audit.trail.begin('access', intentOf());
  assert.equal((await audit.checkpointNow())?.size, 1);
});

test('verification sees a consistent moment while records keep arriving', async (t) => {
  const { audit } = await filled(t);
  let isOver = false;
  const load = (async () => {
    while (!isOver) await Promise.all(Array.from({ length: 20 }, () => audit.trail.begin('access', intentOf())));
  })();
  for (let round = 0; round < 5; round++) {
    const result = await audit.verify();
    assert.ok(result.verified, JSON.stringify(result.findings));
  }
  isOver = true;
  await load;
});

test('two verifications at once are refused, and one can be given up', async (t) => {
  const { audit } = await filled(t);
  const first = audit.verify();
  await assert.rejects(
    audit.verify(),
    (error) => error instanceof Failure && error.code === 'AuditVerificationRunning',
  );
  await first;
  await assert.rejects(audit.verify({ signal: AbortSignal.abort(new Error('gone')) }), /gone/);
  assert.equal((await audit.verify()).verified, true);
});

test('a log whose state does not fit its records does not start', async (t) => {
  const opened = await filled(t);
  await opened.close();
  await tamper(opened.databases, ['delete from audit_records where sequence = 299']);
  const again = await openAudit(t, { folder: opened.folder, start: false });
  await assert.rejects(
    async () => again.audit.start?.(),
    (error) => error instanceof Failure && error.code === 'AuditDamaged',
  );
});
