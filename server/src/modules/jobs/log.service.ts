// What a job prints: kept chunk by chunk in the workspace's encrypted database while it runs, readable at once, and
// written as the artifact `user_logs/std_log.txt` when it ends. Bounded; what goes beyond is cut with a line that says so, and
// so is what is printed while the disk or the workspace's quota has no room for it: a job never waits for room.

import { Readable } from 'node:stream';
import type { Grant } from '#kernel/authority/grant';
import type { Database } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { growing } from '#kernel/files/growth';
import type { Room } from '#kernel/files/room';
import type { Runs } from '#runs';
import { appendChunk, chunksFrom, dropChunks, endsWith, jobsWithChunks, logSize } from './log.store.ts';

export const logArtifact = 'user_logs/std_log.txt';
const maxLogBytes = 64 * 1024 * 1024;
/** Jobs of one workspace that one sweep looks at. */
const leftMax = 1_000;
const pageChunks = 64;
const pageBytes = 1024 * 1024;
const cutLine = '\n[the log goes on, but only its first 64 MB are kept]\n';
const gapLine = '\n[what came next was not kept: the server had no room for it]\n';

export type LogPage = { readonly bytes: Buffer; readonly next: number };

export type JobLogs = {
  append(database: Database, runId: string, text: string): Promise<void>;
  /** What is there from the offset on, at most a mebibyte; empty when there is nothing more yet. */
  read(
    grant: Grant,
    source: {
      readonly database: Database;
      readonly workspaceId: string;
      readonly runId: string;
      readonly ended: boolean;
    },
    offset: number,
  ): Promise<LogPage>;
  /** Resolves when something was appended or the job ended, or the signal aborts. */
  changed(runId: string, signal: AbortSignal): Promise<void>;
  /**
   * Writes the artifact and drops the chunks. Idempotent. Where there is no room for an artifact the chunks stay, and are read
   * as before: `sealLeft` finds them later.
   */
  seal(
    grant: Grant,
    source: { readonly database: Database; readonly workspaceId: string; readonly runId: string },
  ): Promise<void>;
  /** Seals what was left of jobs that ended, as far as there is room, and says how many. */
  sealLeft(
    grant: Grant,
    source: { readonly database: Database; readonly workspaceId: string },
    hasEnded: (runId: string) => Promise<boolean>,
  ): Promise<number>;
  /** Lets those that wait look again. */
  wake(runId: string): void;
};

export function createJobLogs(deps: {
  readonly runs: Pick<Runs, 'putArtifact' | 'openArtifact'>;
  /** Absent: there is enough. */
  readonly room?: Pick<Room, 'state'>;
}): JobLogs {
  /** By the job's name in lower case, since who waits may spell it as he likes. */
  const waiting = new Map<string, Set<() => void>>();
  const wake = (runId: string) => {
    for (const resume of waiting.get(runId.toLowerCase()) ?? []) resume();
  };

  return {
    async append(database, runId, text) {
      try {
        if (deps.room !== undefined && deps.room.state() !== 'enough') await gap(database, runId);
        else await growing(() => append(database, runId, text));
      } catch (thrown) {
        if (!(thrown instanceof Failure && thrown.kind === 'full')) throw thrown;
        await gap(database, runId);
      }
      wake(runId);
    },
    async read(grant, { database, workspaceId, runId, ended }, offset) {
      const chunks = await chunksFrom(database.read, runId, offset, pageChunks);
      if (chunks.length > 0) {
        const [first] = chunks;
        const all = Buffer.concat(chunks.map(({ text }) => Buffer.from(text)));
        return pageAt(offset, all.subarray(offset - (first?.start ?? offset)));
      }
      if (!ended) return { bytes: Buffer.alloc(0), next: offset };
      try {
        const bytes = await bounded(
          await deps.runs.openArtifact(grant, workspaceId, runId, logArtifact, {
            start: offset,
            end: offset + pageBytes - 1,
          }),
        );
        return pageAt(offset, bytes);
      } catch (thrown) {
        // Nothing printed, or nothing behind the offset: the end.
        if (thrown instanceof Failure && (thrown.kind === 'notFound' || thrown.kind === 'rangeNotSatisfiable'))
          return { bytes: Buffer.alloc(0), next: offset };
        throw thrown;
      }
    },
    changed: (runId, signal) =>
      new Promise((resolve) => {
        const name = runId.toLowerCase();
        const resume = () => {
          signal.removeEventListener('abort', resume);
          const others = waiting.get(name);
          others?.delete(resume);
          if (others?.size === 0) waiting.delete(name);
          resolve();
        };
        if (signal.aborted) return resolve();
        signal.addEventListener('abort', resume);
        waiting.set(name, (waiting.get(name) ?? new Set()).add(resume));
      }),
    async seal(grant, source) {
      await seal(grant, source);
    },
    async sealLeft(grant, source, hasEnded) {
      let sealed = 0;
      for (const runId of await jobsWithChunks(source.database.read, leftMax))
        if ((await hasEnded(runId)) && (await seal(grant, { ...source, runId }))) sealed += 1;
      return sealed;
    },
    wake,
  };

  async function append(database: Database, runId: string, text: string): Promise<void> {
    await database.write(async (tx) => {
      const start = await logSize(tx, runId);
      // Beyond the bound only when the line that says so is there.
      if (start > maxLogBytes || text === '') return;
      const bytes = Buffer.from(text);
      const kept =
        start + bytes.length <= maxLogBytes ? text : `${wholeCharacters(bytes, maxLogBytes - start)}${cutLine}`;
      await appendChunk(tx, runId, { start, text: kept });
    });
  }

  /** Once a gap, so that what is printed into it stores nothing. */
  async function gap(database: Database, runId: string): Promise<void> {
    await database.write(async (tx) => {
      const start = await logSize(tx, runId);
      if (start > maxLogBytes || (await endsWith(tx, runId, gapLine))) return;
      await appendChunk(tx, runId, { start, text: gapLine });
    });
  }

  async function seal(
    grant: Grant,
    { database, workspaceId, runId }: Parameters<JobLogs['seal']>[1],
  ): Promise<boolean> {
    if ((await chunksFrom(database.read, runId, 0, 1)).length === 0) return false;
    try {
      const source = Readable.from(wholeLog(database, runId), { objectMode: false });
      await deps.runs.putArtifact(grant, workspaceId, runId, logArtifact, source);
    } catch (thrown) {
      // No room for it, on the disk or by a quota: a job must come to its end all the same, and its log stays where it is.
      if (thrown instanceof Failure && (thrown.kind === 'full' || thrown.code === 'StorageFull')) return false;
      // A run that somebody deleted meanwhile takes no artifact; its job must come to its end all the same.
      if (!(thrown instanceof Failure && (thrown.kind === 'invalid' || thrown.kind === 'notFound'))) throw thrown;
    }
    await database.write((tx) => dropChunks(tx, runId));
    wake(runId);
    return true;
  }
}

/** Piece by piece: many jobs may end at once, and none of their logs is ever in memory as a whole. */
async function* wholeLog(database: Database, runId: string): AsyncGenerator<Buffer> {
  for (let offset = 0; ; ) {
    const chunks = await chunksFrom(database.read, runId, offset, pageChunks);
    const fresh = chunks.filter(({ start }) => start >= offset);
    if (fresh.length === 0) return;
    for (const { start, text } of fresh) {
      const bytes = Buffer.from(text);
      yield bytes;
      offset = start + bytes.length;
    }
  }
}

/** A page ends where a character does, so that every page can be read by itself. */
function pageAt(offset: number, bytes: Buffer): LogPage {
  const page = bytes.subarray(0, pageBytes);
  const boundary = lastBoundary(page);
  // Bytes that are no text, asked for from within a character: on with them.
  const whole = boundary === 0 ? page : page.subarray(0, boundary);
  return { bytes: whole, next: offset + whole.length };
}

/** Where the last character that is complete ends; the end of the bytes when none begins near it. */
function lastBoundary(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(4, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

const wholeCharacters = (bytes: Buffer, limit: number): string => {
  const cut = bytes.subarray(0, limit);
  return cut.subarray(0, lastBoundary(cut)).toString('utf8');
};

async function bounded({ stream }: { readonly stream: Readable }): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
