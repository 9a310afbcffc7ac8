// What encryption, durability and grouping cost, side by side in one run on one disk. Peers: the same engine without a key,
// and Node's own SQLite. Rounds are interleaved, so that a noisy machine is noisy for all; medians and ratios are printed.
// Run: node bench/database.bench.ts [rounds]. Nothing here is asserted.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { DatabaseSync } from 'node:sqlite';
import Driver from 'better-sqlite3-multiple-ciphers';
import { sql } from 'kysely';
import { closeScanPool, type Database, tables } from '../server/src/kernel/database/database.ts';
import { createSqliteDatabases } from '../server/src/kernel/database/sqlite/databases.ts';
import { openEngine } from '../server/src/kernel/database/sqlite/engine.ts';

type Metric = { run: string; step: number; value: number };
type Tables = { metrics: Metric };

const rounds = Number(process.argv[2] ?? 7);
const rowsPerTransaction = 1_000;
const transactionsPerRound = 20;
const commitsPerRound = 300;
const callers = 64;
const scannedRows = 200_000;
const returnedRows = 50_000;

const schema =
  'create table metrics (run text, step integer, value real, primary key (run, step)) strict, without rowid';
const key = new Uint8Array(32).fill(1);
const insert = 'insert into metrics (run, step, value) values (?, ?, ?)';
const folder = mkdtempSync(join(tmpdir(), 'strongroom-bench-'));

/** The smallest surface that all three engines have. */
type Peer = {
  readonly name: string;
  run(text: string, ...parameters: (string | number)[]): void;
  sum(): void;
  close(): void;
};

const pragmas = [
  'journal_mode = WAL',
  'synchronous = FULL',
  'temp_store = MEMORY',
  'secure_delete = ON',
  'mmap_size = 0',
  'cache_size = -16000',
];

/** The driver as it is, with or without a key: the difference is the cipher and nothing else. */
function driverPeer(name: string, file: string, keyed: boolean): Peer {
  const open = () => {
    const driver = new Driver(join(folder, file));
    if (keyed) {
      driver.pragma("cipher = 'sqlcipher'");
      driver.pragma('legacy = 4');
      driver.key(Buffer.from(`x'${Buffer.from(key).toString('hex')}'`));
    }
    for (const pragma of pragmas) driver.pragma(pragma);
    return driver;
  };
  const driver = open();
  driver.exec(schema);
  const statements = new Map<string, Driver.Statement>();
  const prepared = (text: string) => {
    const statement = statements.get(text) ?? driver.prepare(text);
    statements.set(text, statement);
    return statement;
  };
  return {
    name,
    run: (text, ...parameters) => void prepared(text).run(...parameters),
    sum() {
      const fresh = open();
      fresh.prepare(total).get();
      fresh.close();
    },
    close: () => void driver.close(),
  };
}

function enginePeer(): Peer {
  const engine = openEngine({ path: join(folder, 'engine.db'), key, readonly: false });
  engine.exec(schema);
  return {
    name: 'encrypted, through our engine',
    run: (text, ...parameters) => void engine.run(text, parameters),
    sum() {
      const fresh = openEngine({ path: join(folder, 'engine.db'), key, readonly: true });
      fresh.run(total, []);
      fresh.close();
    },
    close: () => engine.close(),
  };
}

function nodePeer(): Peer {
  const driver = new DatabaseSync(join(folder, 'node.db'));
  for (const pragma of pragmas) driver.exec(`pragma ${pragma}`);
  driver.exec(schema);
  const statements = new Map<string, ReturnType<typeof driver.prepare>>();
  const prepared = (text: string) => {
    const statement = statements.get(text) ?? driver.prepare(text);
    statements.set(text, statement);
    return statement;
  };
  return {
    name: 'node:sqlite, no key',
    run: (text, ...parameters) => void prepared(text).run(...parameters),
    sum() {
      const fresh = new DatabaseSync(join(folder, 'node.db'));
      fresh.prepare(total).get();
      fresh.close();
    },
    close: () => driver.close(),
  };
}

const total = 'select sum(value) as s from metrics';

const median = (numbers: readonly number[]) =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

async function seconds(act: () => unknown): Promise<number> {
  const start = performance.now();
  await act();
  return (performance.now() - start) / 1_000;
}

/** Runs each case once a round, in turn, and prints medians; ratios are to the first case. */
async function compare(title: string, unit: string, perRound: number, cases: Readonly<Record<string, () => unknown>>) {
  const times = new Map<string, number[]>(Object.keys(cases).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, act] of Object.entries(cases)) times.get(name)?.push(await seconds(act));
  }
  const rates = [...times].map(([name, taken]) => [name, perRound / median(taken)] as const);
  const base = rates[0]?.[1] ?? Number.NaN;
  console.log(`\n${title} (median of ${rounds} rounds)`);
  for (const [name, rate] of rates) {
    console.log(
      `  ${name.padEnd(44)} ${Math.round(rate).toLocaleString('en').padStart(11)} ${unit}   ${(rate / base).toFixed(2)} x`,
    );
  }
}

let step = 0;
const peers = [
  driverPeer('no key', 'plain.db', false),
  driverPeer('encrypted', 'encrypted.db', true),
  enginePeer(),
  nodePeer(),
];

await compare(
  `rows inserted, ${rowsPerTransaction} a durable transaction`,
  'rows/s',
  rowsPerTransaction * transactionsPerRound,
  Object.fromEntries(
    peers.map((peer) => [
      peer.name,
      () => {
        for (let transaction = 0; transaction < transactionsPerRound; transaction++) {
          peer.run('begin immediate');
          for (let row = 0; row < rowsPerTransaction; row++) peer.run(insert, 'run-1', ++step, step / 3);
          peer.run('commit');
        }
      },
    ]),
  ),
);

await compare(
  'durable commits of one row, straight to the engine',
  'commits/s',
  commitsPerRound,
  Object.fromEntries(
    peers.map((peer) => [
      peer.name,
      () => {
        for (let commit = 0; commit < commitsPerRound; commit++) peer.run(insert, 'run-2', ++step, 1);
      },
    ]),
  ),
);

for (const peer of peers) {
  peer.run(`insert into metrics (run, step, value)
    with recursive c (n) as (select 1 union all select n + 1 from c where n < ${scannedRows}) select 'scan', n, n / 3.0 from c`);
}
await compare(
  'rows summed by a connection just opened: every page is read, and decrypted',
  'rows/s',
  step / peers.length + scannedRows,
  Object.fromEntries(peers.map((peer) => [peer.name, () => peer.sum()])),
);
for (const peer of peers) peer.close();

const databases = createSqliteDatabases({ folder });
const metrics = { module: 'bench', migrations: [{ name: 'metrics', up: schema }] };
const database: Database = await databases.open('database', [metrics], { key });
const writeTo = (store: Database) =>
  store.write((tx) =>
    tables<Tables>(tx).insertInto('metrics').values({ run: 'run-1', step: ++step, value: 1 }).execute(),
  );
const write = () => writeTo(database);

await compare('writes of one row through Database.write, each acknowledged when durable', 'writes/s', commitsPerRound, {
  'one caller, one after another': async () => {
    for (let commit = 0; commit < commitsPerRound; commit++) await write();
  },
  [`${callers} callers at once`]: async () => {
    let left = commitsPerRound;
    const caller = async () => {
      while (left-- > 0) await write();
    };
    await Promise.all(Array.from({ length: callers }, caller));
  },
});

// What it costs that an older copy of a file shows: each commit writes the store's generation and witness beside itself. What
// remembers generations is called as the server's is; what the log writes of them goes with its checkpoint, once a minute.
const generations = new Map<string, number>();
const anchored = await databases.open('anchored', [metrics], {
  key,
  anchors: {
    admit: (_store, { generation }) => generation,
    committed: (store, generation) => void generations.set(store, generation),
    witness: () => 1_000,
    forget: async () => {},
  },
});
const bare = openEngine({ path: join(folder, 'bare.db'), key, readonly: false });
bare.exec(schema);
await compare('generations: durable commits of one row', 'commits/s', commitsPerRound, {
  'encrypted, the engine alone': () => {
    for (let commit = 0; commit < commitsPerRound; commit++) bare.run(insert, ['run-1', ++step, 1]);
  },
  'Database.write without a generation': async () => {
    for (let commit = 0; commit < commitsPerRound; commit++) await writeTo(database);
  },
  'Database.write with one': async () => {
    for (let commit = 0; commit < commitsPerRound; commit++) await writeTo(anchored);
  },
});
await anchored.close();
bare.close();

await database.write((tx) =>
  sql`insert into metrics (run, step, value)
      with recursive c (n) as (select 1 union all select n + 1 from c where n < ${returnedRows}) select 'scan', n, n / 3.0 from c`.execute(
    tx,
  ),
);
const scanned = tables<Tables>(database.read)
  .selectFrom('metrics')
  .selectAll()
  .where('run', '=', 'scan')
  .orderBy('step');

/** The longest time that the event loop was held while `act` ran. */
async function longestHold(act: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  // It begins with the second tick: a hold before that is not seen.
  await new Promise((resolve) => setTimeout(resolve, 20));
  await act();
  await new Promise((resolve) => setTimeout(resolve, 5));
  delay.disable();
  return delay.max / 1e6;
}

await database.scan(scanned);
await compare(`rows returned, ${returnedRows} a query`, 'rows/s', returnedRows, {
  'read, on the main thread': () => scanned.execute(),
  'scan, on a worker': () => database.scan(scanned),
});
const holds = { read: [] as number[], scan: [] as number[] };
for (let round = 0; round < rounds; round++) {
  holds.read.push(await longestHold(() => scanned.execute()));
  holds.scan.push(await longestHold(() => database.scan(scanned)));
}
console.log(
  `  event loop held at most: read ${median(holds.read).toFixed(1)} ms, scan ${median(holds.scan).toFixed(1)} ms (medians)`,
);

let opened = 0;
await compare('databases opened, migrated (nothing to do) and closed', 'opened/s', 20, {
  'open and close': async () => {
    for (let index = 0; index < 20; index++) {
      await (await databases.open(`many/${opened++ % 20}`, [], { key })).close();
    }
  },
});

await database.close();
await closeScanPool();
rmSync(folder, { recursive: true, force: true });
