// Files of segments of the audit log: written so that one that has its name is whole, found in a folder, and never written over.

import { createWriteStream, existsSync, readdirSync, statSync } from 'node:fs';
import { link, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { UsageError } from './exit.ts';

type Range = { readonly from: number; readonly to: number };

const padded = (sequence: number) => String(sequence).padStart(12, '0');
const suffixes = ['.jsonl', '.jsonl.gz'] as const;
const nameOf = ({ from, to }: Range) => `audit-${padded(from)}-${padded(to)}`;

/**
 * Writes a segment into the folder and answers its path once it is durable. What is there under this name already is left as it is:
 * one range is the same bytes for ever, and whoever calls verifies what lies there.
 */
export async function storeSegment(
  folder: string,
  range: Range,
  lines: AsyncIterable<string | Uint8Array>,
  compressed: boolean,
): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const there = suffixes.map((suffix) => join(folder, nameOf(range) + suffix)).find((path) => existsSync(path));
  if (there !== undefined) return there;
  const path = join(folder, nameOf(range) + suffixes[compressed ? 1 : 0]);
  const unfinished = `${path}.${process.pid}.unfinished`;
  try {
    const file = createWriteStream(unfinished, { flags: 'wx', mode: 0o600, flush: true });
    // order matters for being the same each time: gzip of node:zlib holds no time and no name.
    if (compressed) await pipeline(Readable.from(lines), createGzip(), file);
    else await pipeline(Readable.from(lines), file);
    // Unlike a rename, fails where somebody else was faster.
    await link(unfinished, path);
  } finally {
    await rm(unfinished, { force: true });
  }
  const entry = await open(folder, 'r');
  try {
    await entry.sync();
  } finally {
    await entry.close();
  }
  return path;
}

/** The files that were named, and those of segments in the folders that were. */
export function segmentFiles(named: readonly string[]): readonly string[] {
  const files = named.flatMap((path) => {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) throw new UsageError(`${path} cannot be read: there is no such file.`);
    if (!stat.isDirectory()) return [path];
    const within = readdirSync(path)
      .filter((name) => suffixes.some((suffix) => name.endsWith(suffix)))
      .sort();
    if (within.length === 0) throw new UsageError(`${path} holds no segments (audit-….jsonl or audit-….jsonl.gz).`);
    return within.map((name) => join(path, name));
  });
  return [...new Set(files)];
}
