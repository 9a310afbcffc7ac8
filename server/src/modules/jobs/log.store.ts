// Chunks of what a running job printed, by their offset in bytes. No decisions.

import { type Tx, tables } from '#kernel/database/database';

export type Chunk = { readonly start: number; readonly text: string };
type Tables = { job_log_chunks: { job: string; start: number; text: string } };

export async function logSize(tx: Tx, job: string): Promise<number> {
  const last = await tables<Tables>(tx)
    .selectFrom('job_log_chunks')
    .select(['start', 'text'])
    .where('job', '=', job)
    .orderBy('start', 'desc')
    .limit(1)
    .executeTakeFirst();
  return last ? last.start + Buffer.byteLength(last.text) : 0;
}

/** Whether the last chunk is this text. */
export async function endsWith(tx: Tx, job: string, text: string): Promise<boolean> {
  const last = await tables<Tables>(tx)
    .selectFrom('job_log_chunks')
    .select('text')
    .where('job', '=', job)
    .orderBy('start', 'desc')
    .limit(1)
    .executeTakeFirst();
  return last?.text === text;
}

export async function jobsWithChunks(tx: Tx, limit: number): Promise<readonly string[]> {
  const rows = await tables<Tables>(tx).selectFrom('job_log_chunks').select('job').distinct().limit(limit).execute();
  return rows.map(({ job }) => job);
}

export async function appendChunk(tx: Tx, job: string, chunk: Chunk): Promise<void> {
  await tables<Tables>(tx)
    .insertInto('job_log_chunks')
    .values({ job, ...chunk })
    .execute();
}

/** The chunk that holds the offset and those after it. */
export async function chunksFrom(tx: Tx, job: string, offset: number, limit: number): Promise<readonly Chunk[]> {
  const before = await tables<Tables>(tx)
    .selectFrom('job_log_chunks')
    .select(['start', 'text'])
    .where('job', '=', job)
    .where('start', '<=', offset)
    .orderBy('start', 'desc')
    .limit(1)
    .executeTakeFirst();
  const after = await tables<Tables>(tx)
    .selectFrom('job_log_chunks')
    .select(['start', 'text'])
    .where('job', '=', job)
    .where('start', '>', offset)
    .orderBy('start')
    .limit(limit)
    .execute();
  return before ? [before, ...after] : after;
}

export async function dropChunks(tx: Tx, job: string): Promise<void> {
  await tables<Tables>(tx).deleteFrom('job_log_chunks').where('job', '=', job).execute();
}
