// What the sealed blob store costs: a blob of 256 MiB written and read through it, beside a plain file written and read, in
// one run. Both sides end durable, both get pieces of 64 KiB as a network gives them on the way in, and reads come from the
// page cache, where sealing weighs most. A write makes something new; a replacement pays for what it replaces too, which the
// plain side cuts off before it writes and the store removes after its commit. The order rotates, a first round only warms
// up; ratios, processor time and the longest turn of the event loop are printed and nothing about time is asserted. Processor time
// is what other work on the machine disturbs least.
// Run: node bench/storage.bench.ts

import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { byteStoresOf, databasesOf } from '../server/src/data-folder.ts';
import { systemClock } from '../server/src/kernel/clock/clock.ts';
import { randomBytes } from '../server/src/kernel/crypto/random.ts';
import { createFiles } from '../server/src/kernel/files/files.ts';
import type { DataKeys } from '../server/src/kernel/sealing/data-keys.ts';
import { testGrant } from '../server/src/kernel/testing/authority.ts';
import { createAccounts } from '../server/src/modules/storage/accounts.service.ts';
import { createBlobs } from '../server/src/modules/storage/blobs.service.ts';
import { createContainers } from '../server/src/modules/storage/containers.service.ts';
import { createOpenedAccounts } from '../server/src/modules/storage/opened-accounts.service.ts';

const MEBIBYTE = 1_048_576;
const SIZE_MEBIBYTES = Number(process.argv[2] ?? 256);
const ROUNDS = Number(process.argv[3] ?? 7);
const PIECE_BYTES = 65_536;

const piece = Buffer.from(randomBytes(PIECE_BYTES));
function* pieces() {
  for (let sent = 0; sent < SIZE_MEBIBYTES * MEBIBYTE; sent += PIECE_BYTES) yield piece;
}
const source = () => Readable.from(pieces(), { objectMode: false, highWaterMark: MEBIBYTE });
const intoNothing = () => new Writable({ write: (_bytes, _encoding, done) => done() });

const key = { id: '00000000-0000-4000-8000-000000000000', bytes: randomBytes(32) };
const dataKeys: DataKeys = {
  ensure: async () => key,
  open: async () => key,
  rewrap: async () => {},
  destroy: async () => {},
  onClosed: () => {},
};

const folder = await mkdtemp(join(tmpdir(), 'storage-bench-'));
const plainPath = join(folder, 'plain');
const accounts = createAccounts();
const account = { id: '/subscriptions/bench/account', name: 'bench', uniqueId: 'bench' };
accounts.add(account);
const opened = createOpenedAccounts({
  ...{ dataKeys, clock: systemClock },
  byteStores: byteStoresOf(folder, createFiles()),
  databases: databasesOf(folder),
});
const deps = { accounts, opened, clock: systemClock, inWork: new Set<string>() };
const blobs = createBlobs(deps);
const grant = testGrant();
await createContainers(deps).ensureContainer(grant, account.id, 'data');
const ref = { account: account.id, container: 'data', name: 'blob' };

async function plainWrite(): Promise<void> {
  await pipeline(source(), createWriteStream(plainPath, { highWaterMark: MEBIBYTE }));
  const file = await open(plainPath, 'r+');
  await file.sync();
  await file.close();
}
const sealedWrite = () => blobs.put(grant, ref, source(), { maxBytes: 2 * SIZE_MEBIBYTES * MEBIBYTE });
const isThere = async () => (await blobs.find(grant, ref)) !== undefined;

/** Not measured: what has to be out of the way. */
const preparations: Readonly<Record<string, () => Promise<void>>> = {
  'plain write': () => rm(plainPath, { force: true }),
  'sealed write': async () => {
    if (await isThere()) await blobs.remove(grant, ref);
  },
};
const runs: Readonly<Record<string, () => Promise<unknown>>> = {
  'plain write': plainWrite,
  'sealed write': sealedWrite,
  'plain replacement': plainWrite,
  'sealed replacement': sealedWrite,
  'plain read': () => pipeline(createReadStream(plainPath, { highWaterMark: MEBIBYTE }), intoNothing()),
  'sealed read': async () => pipeline((await blobs.open(grant, ref)).stream, intoNothing()),
};

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

try {
  const measured = new Map<string, number[]>();
  const names = Object.keys(runs);
  const holds = new Map<string, number[]>();
  const spent = new Map<string, number[]>();
  for (const name of names) await runs[name]?.();
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of [...names.slice(round % names.length), ...names.slice(0, round % names.length)]) {
      await preparations[name]?.();
      const turns = monitorEventLoopDelay({ resolution: 1 });
      turns.enable();
      const cpu = process.cpuUsage();
      const start = performance.now();
      await runs[name]?.();
      measured.set(name, [...(measured.get(name) ?? []), (performance.now() - start) / 1000]);
      const { user, system } = process.cpuUsage(cpu);
      spent.set(name, [...(spent.get(name) ?? []), (user + system) / 1000]);
      turns.disable();
      holds.set(name, [...(holds.get(name) ?? []), turns.max / 1e6]);
    }
  }
  for (const [name, times] of measured) {
    const rate = (seconds: number) => (SIZE_MEBIBYTES / seconds).toFixed(0);
    const spread = `${rate(Math.max(...times))} to ${rate(Math.min(...times))}`;
    const hold = median(holds.get(name) ?? []).toFixed(1);
    const cpu = median(spent.get(name) ?? []).toFixed(0);
    console.log(
      `${name.padEnd(18)} ${rate(median(times)).padStart(6)} MiB/s (${spread}), ${cpu} ms of processor, longest turn ${hold} ms`,
    );
  }
  for (const kind of ['write', 'replacement', 'read']) {
    const share = median(measured.get(`plain ${kind}`) ?? []) / median(measured.get(`sealed ${kind}`) ?? []);
    console.log(`sealed ${kind} reaches ${(100 * share).toFixed(0)} % of plain ${kind}`);
  }
} finally {
  await opened.closeAll();
  await rm(folder, { recursive: true });
}
