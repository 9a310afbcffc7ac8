// Blobs that were pushed and that no manifest came to mention: a push that stopped, a manifest that was deleted. They go a
// day after somebody last pushed, mounted or asked for them, so that a client which was told that a blob is there finds it
// when it pushes the manifest. Each batch is looked at again in the transaction that removes it, and may be cut off anywhere.

import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { registryActions } from '@strongroom/contract/registry.actions';
import { type Acts, counted } from '#kernel/authority/perform';
import type { Database } from '#kernel/database/database';
import type { SealedStore } from '#storage';
import { registryDuties } from './duties.ts';
import * as store from './images.store.ts';

export const keptMs = 24 * 60 * 60 * 1000;
const batchSize = 200;

/** Whoever is told that a blob is there may rely on it: half of the time that it is kept, at least. False when it just went. */
export async function renew(index: Database, repository: string, digest: string, nowMs: number): Promise<boolean> {
  const asked = await store.askedMs(index.read, repository, digest);
  // A write in most of a day, and not one for every question.
  if (asked !== undefined && asked > nowMs - keptMs / 2) return true;
  return await index.write(async (tx) => {
    if ((await store.findBlob(tx, repository, digest)) === undefined) return false;
    await store.link(tx, repository, digest, nowMs);
    return true;
  });
}

type Sweep = {
  readonly registryId: string;
  readonly acts: Pick<Acts, 'duty'>;
  readonly nowMs: number;
  readonly stopping: AbortSignal;
};

/** Lets go of blobs that no manifest mentions, each batch with its record, and says how many links that were. */
export async function sweepLoose(
  { index, sealed, signal }: SealedStore,
  { registryId, acts, nowMs, stopping }: Sweep,
): Promise<number> {
  const askedBeforeMs = nowMs - keptMs;
  let removed = 0;
  for (let after: store.Link = { repository: '', digest: '' }; ; ) {
    const links = await store.listLinks(index.read, { after, limit: batchSize, askedBeforeMs });
    const loose = links.filter((link) => link.isLoose).map(({ repository, digest }) => `${repository}@${digest}`);
    if (loose.length > 0) {
      const facts = {
        operation: 'Blobs_RemoveUnmentioned',
        action: registryActions.deleteArtifacts,
        scope: registryId,
        parameters: counted(loose),
      };
      await acts.duty(registryDuties.removeUnmentioned, facts, async () => {
        const dropped = await index.write(async (tx) => {
          const files: string[] = [];
          for (const { repository, digest, isLoose } of await store.listLinks(tx, {
            after,
            limit: batchSize,
            askedBeforeMs,
          })) {
            // Mentioned since it was looked at, it stays; and what is recorded is all that goes.
            if (!isLoose || !loose.includes(`${repository}@${digest}`)) continue;
            files.push(...(await store.unlink(tx, repository, digest)));
            removed += 1;
          }
          return files;
        });
        await sealed.discard(dropped);
      });
    }
    const last = links.at(-1);
    if (last === undefined || links.length < batchSize || signal.aborted || stopping.aborted) return removed;
    after = last;
    await yieldToEventLoop();
  }
}
