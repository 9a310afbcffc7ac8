// Changes of a row that somebody works on, laid over the row as it is now.

import type { Database } from '#kernel/database/database';
import type { Properties, Resource } from './kind.types.ts';
import { resourcesFailures } from './resources.errors.ts';
import { findResource, updateResource } from './resources.store.ts';
import { newEtag } from './stamps.rules.ts';
import { isTransitional } from './state.rules.ts';

export type Changes = Partial<Pick<Resource, 'provisioningState' | 'identity'>> & {
  readonly kept?: Properties | undefined;
};

/**
 * Writes changes into the row as it is now, so that what was changed meanwhile stays. Throws `conflict` when the row is not
 * that resource's any more. A state that is final ends the hold on the row.
 */
export async function amend(
  database: Database,
  resource: Pick<Resource, 'id' | 'uniqueId'>,
  changes: Changes,
): Promise<Resource> {
  return database.write(async (tx) => {
    const stored = await findResource(tx, resource.id);
    if (stored?.resource.uniqueId !== resource.uniqueId) throw resourcesFailures.changedMeanwhile(resource.id);
    const { kept, ...rest } = changes;
    const next: Resource = {
      ...stored.resource,
      ...rest,
      properties: { ...stored.resource.properties, ...kept },
      etag: newEtag(),
    };
    const holder = isTransitional(next) ? stored.holder : undefined;
    await updateResource(tx, { ...stored, resource: next, holder });
    return next;
  });
}
