// What sealing costs: a file of 256 MiB written and read sealed, beside the same plain, in one run,
// and sealing alone in memory (which has no peer: passing plain pieces on copies nothing).
// Reads come from the page cache, where sealing weighs most. Both sides move pieces of 1 MiB: with
// smaller ones on the plain side this would compare system calls. The order rotates, a first round
// only warms up, ratios are printed and nothing about time is asserted.
// Run: node bench/sealing.bench.ts

import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { randomBytes } from '../server/src/kernel/crypto/random.ts';
import { openStream, sealStream } from '../server/src/kernel/crypto/stream-aead.ts';

const MEBIBYTE = 1_048_576;
const SIZE_MEBIBYTES = 256;
const ROUNDS = 9;
const PIECE_BYTES = MEBIBYTE;

const key = { bytes: randomBytes(32) };
const place = Buffer.from('account/container/blob/1');
const piece = Buffer.alloc(PIECE_BYTES, randomBytes(65_536));
const readOptions = { highWaterMark: PIECE_BYTES };
const copying = () => new PassThrough({ highWaterMark: PIECE_BYTES });

function* pieces() {
  for (let sent = 0; sent < SIZE_MEBIBYTES * MEBIBYTE; sent += PIECE_BYTES) yield piece;
}

const intoNothing = () => new Writable({ write: (_bytes, _encoding, done) => done() });

/** Runs `work` and returns its seconds, the sync to the disk included. */
async function seconds(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r+');
  await file.sync();
  await file.close();
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

const folder = await mkdtemp(join(tmpdir(), 'sealing-bench-'));
const plainPath = join(folder, 'plain');
const sealedPath = join(folder, 'sealed');
const runs: Readonly<Record<string, () => Promise<void>>> = {
  'plain write': async () => {
    await pipeline(Readable.from(pieces()), copying(), createWriteStream(plainPath));
    await sync(plainPath);
  },
  'sealed write': async () => {
    await pipeline(Readable.from(pieces()), sealStream(key, place), createWriteStream(sealedPath));
    await sync(sealedPath);
  },
  'plain read': () => pipeline(createReadStream(plainPath, readOptions), copying(), intoNothing()),
  'sealed read': () => pipeline(createReadStream(sealedPath, readOptions), openStream(key, place), intoNothing()),
  'sealed memory': () => pipeline(Readable.from(pieces()), sealStream(key, place), intoNothing()),
};

try {
  const measured = new Map<string, number[]>();
  const names = Object.keys(runs);
  for (const name of names) await runs[name]?.();
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of [...names.slice(round % names.length), ...names.slice(0, round % names.length)]) {
      const run = runs[name];
      if (run !== undefined) measured.set(name, [...(measured.get(name) ?? []), await seconds(run)]);
    }
  }
  const middle = (name: string) => median(measured.get(name) ?? []);
  for (const [name, times] of measured) {
    const spread = `${(SIZE_MEBIBYTES / Math.max(...times)).toFixed(0)} to ${(SIZE_MEBIBYTES / Math.min(...times)).toFixed(0)}`;
    console.log(`${name.padEnd(13)} ${(SIZE_MEBIBYTES / middle(name)).toFixed(0).padStart(6)} MiB/s (${spread})`);
  }
  for (const kind of ['write', 'read']) {
    const ratio = middle(`sealed ${kind}`) / middle(`plain ${kind}`);
    console.log(`sealed ${kind} takes ${ratio.toFixed(2)} times as long as plain ${kind}`);
  }
} finally {
  await rm(folder, { recursive: true });
}
