// Replaces a resource that stands: its identity, what stands behind it, and its row last.

import type { Database } from '#kernel/database/database';
import type { Properties, Resource } from '../kind.types.ts';
import type { Ports } from '../ports.types.ts';
import type { Provisioning } from '../provisioning.service.ts';
import { resourcesFailures } from '../resources.errors.ts';
import { findResource, updateResource } from '../resources.store.ts';
import { hasSystemIdentity, newEtag, stampOf } from '../stamps.rules.ts';
import type { Ruled } from './put.types.ts';
import { propertiesOf } from './rules.step.ts';

export function createReplace(
  { clock, identities }: Pick<Ports, 'clock' | 'identities'>,
  { provisioning }: { readonly provisioning: Provisioning },
) {
  return async ({ grant, kind, home, draft, properties }: Ruled, existing: Resource): Promise<Resource> => {
    const asked: Resource = {
      ...existing,
      ...draft,
      properties,
      systemData: stampOf(grant.actor, clock.now(), existing.systemData),
    };
    const had = hasSystemIdentity(existing.identity);
    const has = hasSystemIdentity(asked.identity);
    const identity =
      has && !had ? await provisioning.identityFor(asked) : has ? existingIdentity(asked, existing) : asked.identity;
    const next: Resource = { ...asked, identity };
    try {
      const kept = await kind.update?.(grant, next, existing);
      const propertiesAt = (now: Resource) => propertiesOf(kind, draft, now);
      const stored = await store(home, next, existing, { propertiesAt, kept });
      if (had && !has) await identities.remove(existing.id);
      return stored;
    } catch (thrown) {
      if (has && !had) await identities.remove(existing.id);
      throw thrown;
    }
  };
}

/** What was changed beside it since it was read must not be written over: what was asked is then laid over it again. */
function store(
  home: Database,
  next: Resource,
  read: Resource,
  made: { readonly propertiesAt: (now: Resource) => Properties; readonly kept: Properties | undefined },
): Promise<Resource> {
  return home.write(async (tx) => {
    const now = await findResource(tx, read.id);
    if (now?.resource.uniqueId !== read.uniqueId) throw resourcesFailures.changedMeanwhile(read.id);
    const current = now.resource.etag === read.etag ? next.properties : made.propertiesAt(now.resource);
    const resource: Resource = {
      ...next,
      properties: { ...current, ...made.kept },
      provisioningState: 'Succeeded',
      etag: newEtag(),
    };
    await updateResource(tx, { resource, operationId: now.operationId, holder: undefined });
    return resource;
  });
}

/** The ids of an identity stay when its type is asked for again. */
const existingIdentity = (asked: Resource, existing: Resource) =>
  asked.identity && existing.identity ? { ...existing.identity, type: asked.identity.type } : asked.identity;
