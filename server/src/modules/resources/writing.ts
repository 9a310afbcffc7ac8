// The second half of a PUT, within the lock of its id: from a draft that is well-formed to a resource that stands. What is
// new is stored before anything is made behind it; what is replaced is stored after.

import type { Grant } from '#kernel/authority/grant';
import { randomUuid } from '#kernel/crypto/random';
import type { Database } from '#kernel/database/database';
import { resourcesDuties } from './duties.ts';
import { errors } from './errors.ts';
import type { Draft, Properties, Resource, ResourceKind } from './kind.ts';
import type { Lookup } from './lookup.ts';
import type { Making } from './making.ts';
import type { Operation } from './operations.store.ts';
import type { Operations } from './operations.ts';
import { creatorOf, hasSystemIdentity, newEtag, type Parts, stampOf } from './parts.ts';
import { deleteResource, findResource, insertResource, type Stored, updateResource } from './resources.store.ts';
import { unknownProperties } from './unknown.ts';
import { refuseCredentials } from './visible.ts';

export type Created = { readonly resource: Resource; readonly operation: Operation | undefined };

export function createWriting(
  parts: Parts,
  rooms: { readonly lookup: Lookup; readonly making: Making; readonly operations: Operations },
) {
  const { clock, grants, identities } = parts;
  const { lookup, making, operations } = rooms;

  /** `failed`: a resource whose making failed, which is made again under the same unique id. */
  async function create(
    grant: Grant,
    kind: ResourceKind,
    home: Database,
    draft: Draft,
    as: { readonly id: string; readonly name: string; readonly failed: Resource | undefined },
  ): Promise<Created> {
    const { failed } = as;
    const properties = kind.normalise?.(draft, undefined) ?? draft.properties;
    refuseCredentials(kind, { ...draft, properties }, undefined);
    await kind.validate?.(grant, { ...draft, properties }, undefined, as.id);
    const isPlain = kind.create === undefined && !hasSystemIdentity(draft.identity);
    const resource: Resource = {
      ...draft,
      id: as.id,
      name: as.name,
      type: kind.type,
      properties,
      provisioningState: isPlain && kind.longRunning !== true ? 'Succeeded' : 'Creating',
      etag: newEtag(),
      systemData: stampOf(grant.actor, clock.now(), failed?.systemData),
      uniqueId: failed?.uniqueId ?? randomUuid(),
      creator: creatorOf(grant.actor),
    };
    const persist = failed === undefined ? insertResource : updateResource;
    const row = (operationId: string | undefined): Stored => ({ resource, operationId, holder: parts.holder });
    if (kind.longRunning === true) {
      const operation = await operations.accept(
        grant.actor,
        { verb: 'create', refusedState: 'Failed' },
        home,
        resource.id,
        (tx, operationId) => persist(tx, { ...row(operationId), holder: undefined }),
      );
      await recheckParent(grant, home, resource, failed);
      return { resource: { ...resource, operationId: operation.id }, operation };
    }
    await home.write(async (tx) => void (await persist(tx, row(undefined))));
    await recheckParent(grant, home, resource, failed);
    if (isPlain) return { resource, operation: undefined };
    try {
      return { resource: await making.make(grant, home, resource), operation: undefined };
    } catch (thrown) {
      await making.undo(grants.duty(resourcesDuties.takeBack(kind.type), resource.id), home, resource);
      throw thrown;
    }
  }

  /**
   * Order matters: a removal marks the parent first and lists its children then. Whoever stored a child before the mark is
   * listed; whoever stored it after sees the mark here, and takes it back.
   */
  async function recheckParent(
    grant: Grant,
    home: Database,
    resource: Resource,
    failed: Resource | undefined,
  ): Promise<void> {
    try {
      await lookup.readyParent(grant, resource.id, resource.type);
    } catch (thrown) {
      // What failed before may have left something behind it, which the removal of the parent takes care of.
      const back = failed && { resource: failed, operationId: undefined, holder: undefined };
      await home.write(async (tx) => void (await (back ? updateResource(tx, back) : deleteResource(tx, resource))));
      throw thrown;
    }
  }

  async function update(
    grant: Grant,
    kind: ResourceKind,
    home: Database,
    draft: Draft,
    existing: Resource,
  ): Promise<Resource> {
    const normalised = (now: Resource) =>
      kind.normalise?.(draft, now) ?? { ...keptBeside(kind, now.properties), ...draft.properties };
    const properties = normalised(existing);
    refuseCredentials(kind, { ...draft, properties }, existing);
    await kind.validate?.(grant, { ...draft, properties }, existing, existing.id);
    const asked: Resource = {
      ...existing,
      ...draft,
      properties,
      systemData: stampOf(grant.actor, clock.now(), existing.systemData),
    };
    const had = hasSystemIdentity(existing.identity);
    const has = hasSystemIdentity(asked.identity);
    const identity =
      has && !had ? await making.identityFor(asked) : has ? existingIdentity(asked, existing) : asked.identity;
    const next: Resource = { ...asked, identity };
    try {
      const kept = await kind.update?.(grant, next, existing);
      const stored = await storeUpdate(home, next, existing, { normalised, kept });
      if (had && !has) await identities.remove(existing.id);
      return stored;
    } catch (thrown) {
      if (has && !had) await identities.remove(existing.id);
      throw thrown;
    }
  }

  /** What was changed beside it since it was read must not be written over: what was asked is then laid over it again. */
  function storeUpdate(
    home: Database,
    next: Resource,
    read: Resource,
    made: { readonly normalised: (now: Resource) => Properties; readonly kept: Properties | undefined },
  ): Promise<Resource> {
    return home.write(async (tx) => {
      const now = await findResource(tx, read.id);
      if (now?.resource.uniqueId !== read.uniqueId) throw errors.changedMeanwhile(read.id);
      const current = now.resource.etag === read.etag ? next.properties : made.normalised(now.resource);
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

  /** What a kind without `normalise` keeps beside what its callers set. */
  function keptBeside(kind: ResourceKind, properties: Properties): Properties {
    const beside = unknownProperties(kind.properties, properties).filter(({ path }) => !path.includes('.'));
    return Object.fromEntries(beside.map(({ path, value }) => [path, value]));
  }

  return { create, update };
}
export type Writing = ReturnType<typeof createWriting>;
