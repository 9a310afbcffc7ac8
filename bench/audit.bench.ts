// What a tamper-evident record costs, side by side in one run on one disk. Peers: the same text as a row of an encrypted
// table without hashes, tree or indexes, and as a line appended to a plain file with fdatasync, alone and in groups.
// Rounds are interleaved; medians and ratios are printed. Then: how fast the log verifies, is archived and dropped, and how long a
// turn of the loop takes.
// Run: node bench/audit.bench.ts [rounds]. Nothing here is asserted.

import { mkdtempSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { sql } from 'kysely';
import { createActor } from '../server/src/kernel/authority/actor.ts';
import type { AuditIntent } from '../server/src/kernel/authority/audit.ts';
import { type Clock, systemClock } from '../server/src/kernel/clock/clock.ts';
import { generateSigningKey } from '../server/src/kernel/crypto/signing.ts';
import { closeScanPool, tables } from '../server/src/kernel/database/database.ts';
import { createSqliteDatabases } from '../server/src/kernel/database/sqlite/databases.ts';
import { silentLog } from '../server/src/kernel/log/log.ts';
import { silentTelemetry } from '../server/src/kernel/telemetry/telemetry.ts';
import { testGrant } from '../server/src/kernel/testing/authority.ts';
import { auditMigrations, createAudit, openAnchors, verifyExport } from '../server/src/modules/audit/index.ts';
import { begunRecord, encodeRecord } from '../server/src/modules/audit/record.rules.ts';

const rounds = Number(process.argv[2] ?? 7);
const callers = 64;
const recordsAlone = 300;
const recordsTogether = 6_400;

const folder = mkdtempSync(join(tmpdir(), 'strongroom-bench-'));
const key = new Uint8Array(32).fill(1);

let requests = 0;
function intent(): AuditIntent {
  requests += 1;
  const scope = `/subscriptions/33333333-3333-4333-8333-333333333333/resourceGroups/team/providers/Microsoft.KeyVault/vaults/vault-${requests % 50}`;
  return {
    operation: 'Secrets_Get',
    action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action',
    scope,
    actor: createActor({
      kind: 'user',
      objectId: `11111111-1111-4111-8111-${String(requests % 200).padStart(12, '0')}`,
      tenantId: '22222222-2222-4222-8222-222222222222',
      name: `person-${requests % 200}@example.org`,
      method: 'bearer',
      tokenId: 'AbCdEfGhIjKlMnOp',
      facts: { methods: ['pwd', 'otp', 'mfa'], at: 1_760_000_000, from: '192.0.2.7' },
    }),
    requestId: crypto.randomUUID(),
    correlationId: crypto.randomUUID(),
    clientRequestId: undefined,
    method: 'GET',
    path: `${scope}/secrets/s`,
    address: '192.0.2.7',
    userAgent: 'azsdk-js-keyvault-secrets/4.12.0',
    decision: 'allowed',
    reason: 'Key Vault Secrets User at /subscriptions/33333333-3333-4333-8333-333333333333',
    parameters: { name: 'database-password' },
    bodyDigest: undefined,
  };
}

const textOf = () => encodeRecord(begunRecord('access', intent(), new Date())).text;

const signer = generateSigningKey();
const databases = createSqliteDatabases({ folder });
const audited = await databases.open('audit', [auditMigrations], { key });
const audit = createAudit({
  database: audited,
  anchors: await openAnchors({ database: audited, clock: systemClock, log: silentLog }),
  clock: systemClock,
  log: silentLog,
  telemetry: silentTelemetry,
  signer,
  installationId: 'bench',
});
await audit.start?.();

type Tables = { lines: { id: number; line: string } };
const linesTable = { name: 'lines', up: 'create table lines (id integer primary key, line text) strict' };
const plain = await databases.open('plain', [{ module: 'bench', migrations: [linesTable] }], { key });
let rows = 0;
const insertPlain = () =>
  plain.write((tx) => tables<Tables>(tx).insertInto('lines').values({ id: ++rows, line: textOf() }).execute());

const file = await open(join(folder, 'alone.jsonl'), 'a', 0o600);
async function appendAlone(): Promise<void> {
  await file.appendFile(`${textOf()}\n`);
  await file.datasync();
}

/** Everybody who waits shares one append and one fdatasync. */
function groupedFile(handle: FileHandle): () => Promise<void> {
  let waiting: { readonly line: string; readonly done: () => void }[] = [];
  let isBusy = false;
  async function pump(): Promise<void> {
    isBusy = true;
    while (waiting.length > 0) {
      const group = waiting;
      waiting = [];
      await handle.appendFile(group.map(({ line }) => line).join(''));
      await handle.datasync();
      for (const { done } of group) done();
    }
    isBusy = false;
  }
  return () =>
    new Promise((done) => {
      waiting.push({ line: `${textOf()}\n`, done });
      if (!isBusy) void pump();
    });
}
const groupFile = await open(join(folder, 'grouped.jsonl'), 'a', 0o600);
const appendGrouped = groupedFile(groupFile);

const access = async () => void (await audit.trail.begin('access', intent()));
async function act(): Promise<void> {
  const mark = await audit.trail.begin('activity', intent());
  await mark.conclude({ status: 200, code: undefined });
}

async function alone(write: () => Promise<unknown>, count: number): Promise<void> {
  for (let at = 0; at < count; at++) await write();
}

async function together(write: () => Promise<unknown>, count: number): Promise<void> {
  let left = count;
  const caller = async () => {
    while (left-- > 0) await write();
  };
  await Promise.all(Array.from({ length: callers }, caller));
}

const median = (numbers: readonly number[]) =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

/** Runs each case once a round, in turn; prints medians, and ratios to the first case. */
async function compare(title: string, perRound: number, cases: Readonly<Record<string, () => Promise<void>>>) {
  const times = new Map<string, number[]>(Object.keys(cases).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of Object.entries(cases)) {
      const started = performance.now();
      await run();
      times.get(name)?.push((performance.now() - started) / 1_000);
    }
  }
  const rates = [...times].map(([name, taken]) => [name, perRound / median(taken)] as const);
  const base = rates[0]?.[1] ?? Number.NaN;
  console.log(`\n${title} (median of ${rounds} rounds)`);
  for (const [name, rate] of rates) {
    const shown = Math.round(rate).toLocaleString('en').padStart(9);
    console.log(`  ${name.padEnd(52)} ${shown} records/s   ${(rate / base).toFixed(2)} x`);
  }
}

console.log(`one record: ${textOf().length} bytes`);
await compare('one caller, each record durable before the next', recordsAlone, {
  'line in a plain file, fdatasync': () => alone(appendAlone, recordsAlone),
  'row in an encrypted table': () => alone(insertPlain, recordsAlone),
  'audit record': () => alone(access, recordsAlone),
  'audit act: intent and outcome, two records': () => alone(act, recordsAlone / 2),
});
await compare(`${callers} callers at once, each record durable before it is acknowledged`, recordsTogether, {
  'lines in a plain file, fdatasync a group': () => together(appendGrouped, recordsTogether),
  'rows in an encrypted table': () => together(insertPlain, recordsTogether),
  'audit records': () => together(access, recordsTogether),
  'audit acts: intent and outcome, two records each': () => together(act, recordsTogether / 2),
});

/**
 * The turns of the event loop while `run` ran, in milliseconds: the longest, and the one that 99 of 100 stay below, which
 * other processes on the machine do not make.
 */
async function turnsOf(run: () => Promise<unknown>): Promise<{ readonly longest: number; readonly most: number }> {
  const turns: number[] = [];
  let isRunning = true;
  let before = performance.now();
  const turn = () => {
    const now = performance.now();
    turns.push(now - before);
    before = now;
    if (isRunning) setImmediate(turn);
  };
  setImmediate(turn);
  await run();
  isRunning = false;
  turns.sort((a, b) => a - b);
  // An idle turn takes next to nothing; only those that did something count.
  const busy = turns.filter((ms) => ms > 0.05);
  return { longest: turns.at(-1) ?? 0, most: busy[Math.floor(busy.length * 0.99)] ?? 0 };
}

let entries = 0;
let seconds = 0;
const { longest, most } = await turnsOf(async () => {
  const started = performance.now();
  const result = await audit.verify();
  if (!result.verified) throw new Error('the log does not verify');
  entries = result.entries;
  seconds = (performance.now() - started) / 1_000;
});
console.log(`\nverified ${entries.toLocaleString('en')} records in ${seconds.toFixed(1)} s:`);
console.log(
  `  ${Math.round(entries / seconds).toLocaleString('en')} records/s; of the turns of the loop 99 % took less than ${most.toFixed(1)} ms, the longest ${longest.toFixed(1)} ms`,
);

const proofsStarted = performance.now();
const proofs = 50;
for (let at = 0; at < proofs; at++) await audit.proveInclusion(Math.floor((entries * at) / proofs));
console.log(`  an inclusion proof takes ${((performance.now() - proofsStarted) / proofs).toFixed(2)} ms`);

// A segment from rows to text, and back: what archiving, and looking at what was archived, take beside a server.
const to = Math.min(32_768, Math.floor(entries / 256) * 256);
const lines: string[] = [];
const archiving = performance.now();
const archivedTurns = await turnsOf(async () => {
  for await (const line of audit.archive({ from: 0, to })) lines.push(line);
});
const archivedSeconds = (performance.now() - archiving) / 1_000;
const text = lines.join('');
const verifying = performance.now();
const verifiedTurns = await turnsOf(() => verifyExport(lines, audit.verifier));
const verifiedSeconds = (performance.now() - verifying) / 1_000;
const rate = (taken: number) => `${Math.round(to / taken).toLocaleString('en')} records/s`;
const told = ({ most, longest }: Awaited<ReturnType<typeof turnsOf>>) =>
  `99 % of the turns took less than ${most.toFixed(1)} ms, the longest ${longest.toFixed(1)} ms`;
console.log(
  `\na segment of ${to.toLocaleString('en')} records, ${(text.length / 1e6).toFixed(1)} MB, ${(gzipSync(text).length / 1e6).toFixed(1)} MB compressed:`,
);
console.log(`  archived: ${rate(archivedSeconds)}; ${told(archivedTurns)}`);
console.log(`  verified: ${rate(verifiedSeconds)}; ${told(verifiedTurns)}`);

// Dropping it, in a log whose retention is two days that pass now.
await audit.stop?.();
let aheadMs = 0;
const clock: Clock = {
  ...systemClock,
  now: () => new Date(systemClock.epochMs() + aheadMs),
  epochMs: () => systemClock.epochMs() + aheadMs,
};
const again = createAudit({
  database: audited,
  anchors: await openAnchors({ database: audited, clock, log: silentLog }),
  clock,
  log: silentLog,
  telemetry: silentTelemetry,
  signer,
  installationId: 'bench',
  retentionDays: 2,
});
await again.start?.();
for (let day = 0; day < 3; day++) {
  aheadMs += 86_400_000;
  await again.trail.begin('access', intent());
  await again.checkpointNow();
}
const pages = async (name: 'page_count' | 'freelist_count') =>
  Number(Object.values((await sql.raw(`pragma ${name}`).execute(audited.read)).rows[0] ?? {})[0]);
const before = await pages('page_count');
const shown = Buffer.from(text);
const dropping = performance.now();
const droppedTurns = await turnsOf(() =>
  again.drop({ from: 0, to, grant: testGrant(), correlationId: 'bench', file: Readable.from([shown]) }),
);
console.log(`  dropped: ${rate((performance.now() - dropping) / 1_000)}; ${told(droppedTurns)}`);
console.log(
  `  of ${before.toLocaleString('en')} pages ${(await pages('freelist_count')).toLocaleString('en')} are free for what comes; the file has ${(await pages('page_count')).toLocaleString('en')}`,
);

await again.stop?.();
await audited.close();
await plain.close();
await file.close();
await groupFile.close();
await closeScanPool();
rmSync(folder, { recursive: true, force: true });
