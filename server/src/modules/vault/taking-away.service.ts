// How a secret or a key goes for good, whoever takes it away: a caller who purges it, one who takes its name, or the end of its retention.

import type { Database, Tx } from '#kernel/database/database';
import * as store from './objects.store.ts';

/**
 * order matters: once `end` has ended its retention nobody recovers it; then what is kept elsewhere goes; the rows that name it go
 * last, so that a crash in between has it found again, and a key is not forgotten before it is destroyed.
 * @param end answers the versions that go, none where there is nothing to end
 */
export async function takeAway(
  database: Database,
  of: store.ObjectAt,
  end: (tx: Tx) => Promise<readonly store.VersionAt[]>,
  destroy: (versions: readonly store.VersionAt[]) => Promise<void>,
): Promise<void> {
  const going = await database.write(end);
  if (going.length > 0) await destroy(going);
  await database.write((tx) => store.purgeEnded(tx, of));
}

/** What is done with versions of which nothing is kept elsewhere. */
export const nothingElsewhere = async (): Promise<void> => {};
