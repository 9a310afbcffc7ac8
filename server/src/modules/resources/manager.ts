// The one procedure for every resource of every kind, in one order: id → name → parent → preconditions → content → rules →
// row → what stands behind it → answer. One at a time for each resource. Authorization was decided before: by the route's
// action, or by the guard for other modules.

import { resourceLimits } from '@strongroom/contract/resources';
import { actionsOfType } from '@strongroom/contract/resources.actions';
import { systemActor } from '#kernel/authority/actor';
import type { Grant } from '#kernel/authority/grant';
import { randomUuid } from '#kernel/crypto/random';
import type { Database } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import type { Exchange } from '#kernel/http/exchange';
import { idKey, parentId } from '#kernel/ids/ids';
import { depthOf, readId } from './catalog.ts';
import { patchedBody, readDraft } from './draft.ts';
import { errors } from './errors.ts';
import type { Draft, Properties, Resource, ResourceKind } from './kind.ts';
import type { Making } from './making.ts';
import type { Operation } from './operations.store.ts';
import type { Operations } from './operations.ts';
import {
  creatorOf,
  hasSystemIdentity,
  isBusy,
  isTransitional,
  newEtag,
  type Parts,
  present,
  stampOf,
} from './parts.ts';
import { groupType, tailOf } from './paths.ts';
import type { Removal } from './removal.ts';
import {
  deleteResource,
  findResource,
  insertResource,
  leftBehind,
  type Stored,
  updateResource,
} from './resources.store.ts';
import { unknownProperties } from './unknown.ts';

export type How = {
  /** Waits until a long-running one is done, and throws what it failed with. */
  readonly wait: boolean;
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
  readonly exchange?: Exchange | undefined;
};
export type Put = {
  readonly resource: Resource;
  readonly created: boolean;
  readonly operation: Operation | undefined;
  readonly unserved: readonly string[];
};
export type Removed = { readonly existed: boolean; readonly operation: Operation | undefined };

const sweepRows = 100;
const sweepRoundsMax = 1_000;

export function createManager(
  parts: Parts,
  rooms: { readonly making: Making; readonly removal: Removal; readonly operations: Operations },
) {
  const { catalog, homes, identities, clock, grants, locks, log, subscription } = parts;
  const { making, removal, operations } = rooms;

  async function load(id: string): Promise<{ home: Database; stored: Stored | undefined }> {
    const home = await homes.of(id);
    return { home, stored: await findResource(home.read, id) };
  }

  async function find(id: string): Promise<Resource | undefined> {
    const { stored } = await load(readId(id).id);
    return stored && present(parts, stored);
  }

  /** Whether what a list lies below exists: a resource, a group, or this subscription. */
  async function hasContainer(id: string): Promise<boolean> {
    if (id.split('/').length <= 3) return idKey(id) === idKey(`/subscriptions/${subscription.id}`);
    return (await find(id)) !== undefined;
  }

  /** Somebody is at work on it; an operation that has ended is nobody, whatever the row says. */
  async function isAtWork(stored: Stored): Promise<boolean> {
    if (!isBusy(parts, stored)) return false;
    return stored.operationId === undefined || operations.isUnderWay(stored.operationId);
  }

  /** What a new resource stands in: its id in the casing that it was made with. Throws unless it is there and ready. */
  async function readyParent(grant: Grant, id: string, type: string): Promise<string> {
    const parent = parentId(id);
    if (type === groupType) {
      if (idKey(parent) !== idKey(`/subscriptions/${subscription.id}`))
        throw errors.subscriptionNotFound(parent.split('/')[2] ?? '');
      return parent;
    }
    const isTopLevel = depthOf(type) === 1;
    const resource = await find(parent);
    if (resource === undefined)
      throw isTopLevel ? errors.groupNotFound(parent.split('/').at(-1) ?? '') : errors.parentNotFound(parent);
    const state = resource.provisioningState;
    // A kind that is being created furnishes itself by the system's grant; everybody else waits.
    const furnishes = state === 'Creating' && grant.actor === systemActor;
    // A group whose removal failed half-way still holds what is left, and takes what is put back.
    const isLeftGroup = state === 'Failed' && resource.type === groupType;
    if (state !== 'Succeeded' && state !== 'Updating' && !furnishes && !isLeftGroup)
      throw errors.parentNotReady(resource.id, state);
    return resource.id;
  }

  function checkName(kind: ResourceKind, name: string): void {
    if (name.length <= resourceLimits.nameLength && kind.namePattern.test(name)) return;
    throw new Failure({
      kind: 'invalid',
      code: 'InvalidResourceName',
      target: 'name',
      message: `'${name.slice(0, 100)}' is not a name for a ${kind.title}: ${kind.nameRule}`,
    });
  }

  function checkConditions(how: How, existing: Resource | undefined): void {
    const names = (header: string) => header.split(',').map((etag) => etag.trim().replace(/^W\//, ''));
    const holds = (header: string) =>
      existing !== undefined && names(header).some((etag) => etag === '*' || etag === existing.etag);
    if (how.ifMatch !== undefined && !holds(how.ifMatch)) throw errors.precondition('If-Match');
    if (how.ifNoneMatch !== undefined && holds(how.ifNoneMatch)) throw errors.precondition('If-None-Match');
  }

  const put = (grant: Grant, id: string, body: unknown, how: How): Promise<Put> => putWith(grant, id, () => body, how);

  async function patch(grant: Grant, id: string, patch: unknown, how: How): Promise<Put> {
    return putWith(
      grant,
      id,
      (existing, kind) => {
        if (existing === undefined) throw errors.notFound(id);
        return patchedBody(kind, existing, patch);
      },
      how,
    );
  }

  async function putWith(
    grant: Grant,
    id: string,
    bodyFor: (existing: Resource | undefined, kind: ResourceKind) => unknown,
    how: How,
  ): Promise<Put> {
    const parsed = readId(id);
    const kind = catalog.get(parsed.type);
    checkName(kind, parsed.name);
    if (kind.makesParent === true) await makeParent(grant, kind, parsed, bodyFor);
    const done = await locks(id, async () => {
      const parent = await readyParent(grant, parsed.id, parsed.type);
      const { home, stored } = await load(parsed.id);
      const existing = stored && (await atRest(stored));
      checkConditions(how, existing);
      const body = bodyFor(existing, kind);
      const named = existing ?? { id: parent + tailOf(kind.type, parsed.name), name: parsed.name };
      const { draft, unserved } = readDraft(kind, named, body, existing, shownOf(kind, existing, how.exchange));
      // One whose creation failed was never there: it is made again, under the same unique id.
      const isThere = existing !== undefined && existing.provisioningState !== 'Failed';
      if (isThere && kind.immutable === true) throw errors.immutable(kind.title, existing.id);
      const made = isThere
        ? { resource: await update(grant, kind, home, draft, existing), created: false, operation: undefined }
        : await create(grant, kind, home, draft, { id: named.id, name: named.name, failed: existing });
      return { ...made, unserved };
    });
    return how.wait ? waitFor(done) : done;
  }

  /**
   * Makes a parent that is missing, by the caller's right to write it, and only for a child that will be taken. Before the
   * child's lock is held: a removal holds the parent's and asks for the child's.
   */
  async function makeParent(
    grant: Grant,
    kind: ResourceKind,
    child: { readonly id: string; readonly name: string },
    bodyFor: (existing: Resource | undefined, kind: ResourceKind) => unknown,
  ): Promise<void> {
    const parent = parentId(child.id);
    const { type } = readId(parent);
    if ((await find(parent)) !== undefined) return;
    grants.also(grant, actionsOfType(type).write, parent);
    await readyParent(grant, parent, type);
    const { draft } = readDraft(kind, child, bodyFor(undefined, kind), undefined, undefined);
    const properties = kind.normalise?.(draft, undefined) ?? draft.properties;
    await kind.validate?.(grant, { ...draft, properties }, undefined, child.id);
    try {
      await put(grant, parent, {}, { wait: true, ifNoneMatch: '*' });
    } catch (thrown) {
      const isThere = thrown instanceof Failure && thrown.kind === 'precondition';
      if (!isThere) throw thrown;
    }
  }

  /** As it is when nobody is at work on it; throws `conflict` when somebody is. */
  async function atRest(stored: Stored): Promise<Resource> {
    const { resource } = stored;
    if (await isAtWork(stored)) throw errors.busy(resource.id, resource.provisioningState);
    return isTransitional(resource) ? { ...resource, provisioningState: 'Failed' } : resource;
  }

  const shownOf = (kind: ResourceKind, existing: Resource | undefined, exchange: Exchange | undefined) =>
    existing && (kind.view?.(existing, exchange) ?? existing.properties);

  async function waitFor(done: Put): Promise<Put> {
    if (done.operation === undefined) return done;
    await finished(done.operation);
    return { ...done, operation: undefined, resource: (await find(done.resource.id)) ?? done.resource };
  }

  async function finished(operation: Operation): Promise<void> {
    await operations.finish(operation.id);
    const ended = await operations.find(operation.id);
    if (ended?.error) throw new Failure({ ...ended.error, target: operation.resourceId });
  }

  async function create(
    grant: Grant,
    kind: ResourceKind,
    home: Database,
    draft: Draft,
    as: { readonly id: string; readonly name: string; readonly failed: Resource | undefined },
  ): Promise<Omit<Put, 'unserved'>> {
    const { failed } = as;
    const properties = kind.normalise?.(draft, undefined) ?? draft.properties;
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
      const operation = await operations.accept(grant.actor, 'create', home, resource.id, (tx, operationId) =>
        persist(tx, { ...row(operationId), holder: undefined }),
      );
      await recheckParent(grant, home, resource);
      return { resource, created: true, operation };
    }
    await home.write(async (tx) => void (await persist(tx, row(undefined))));
    await recheckParent(grant, home, resource);
    if (isPlain) return { resource, created: true, operation: undefined };
    try {
      return { resource: await making.make(grant, home, resource), created: true, operation: undefined };
    } catch (thrown) {
      await making.undo(home, resource, 'its creation failed');
      throw thrown;
    }
  }

  /**
   * Order matters: a removal marks the parent first and lists its children then. Whoever stored a child before the mark is
   * listed; whoever stored it after sees the mark here, and takes it back.
   */
  async function recheckParent(grant: Grant, home: Database, resource: Resource): Promise<void> {
    try {
      await readyParent(grant, resource.id, resource.type);
    } catch (thrown) {
      await home.write((tx) => deleteResource(tx, resource));
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
    const kept = await kind.update?.(grant, next, existing);
    const stored = await home.write(async (tx) => {
      const now = await findResource(tx, existing.id);
      if (now?.resource.uniqueId !== existing.uniqueId) throw errors.changedMeanwhile(existing.id);
      // What was changed beside it since it was read must not be written over.
      const current = now.resource.etag === existing.etag ? properties : normalised(now.resource);
      const resource: Resource = {
        ...next,
        properties: { ...current, ...kept },
        provisioningState: 'Succeeded',
        etag: newEtag(),
      };
      await updateResource(tx, { resource, operationId: undefined, holder: undefined });
      return resource;
    });
    if (had && !has) await identities.remove(existing.id);
    return stored;
  }

  /** The ids of an identity stay when its type is asked for again. */
  const existingIdentity = (asked: Resource, existing: Resource) =>
    asked.identity && existing.identity ? { ...existing.identity, type: asked.identity.type } : asked.identity;

  /** What a kind without `normalise` keeps beside what its callers set. */
  function keptBeside(kind: ResourceKind, properties: Properties): Properties {
    const beside = unknownProperties(kind.properties, properties).filter(({ path }) => !path.includes('.'));
    return Object.fromEntries(beside.map(({ path, value }) => [path, value]));
  }

  async function remove(grant: Grant, id: string, how: How): Promise<Removed> {
    const parsed = readId(id);
    const kind = catalog.get(parsed.type);
    const done = await locks(id, async (): Promise<Removed> => {
      const { home, stored } = await load(parsed.id);
      if (stored === undefined) {
        if (how.ifMatch !== undefined) throw errors.precondition('If-Match');
        return { existed: false, operation: undefined };
      }
      checkConditions({ ...how, ifNoneMatch: undefined }, stored.resource);
      const { resource } = stored;
      if (await isAtWork(stored)) {
        const present = stored.operationId === undefined ? undefined : await operations.find(stored.operationId);
        if (present?.verb === 'remove') return { existed: true, operation: present };
        throw errors.busy(resource.id, resource.provisioningState);
      }
      if (kind.longRunning === undefined || kind.longRunning === false) {
        await removal.removeNow(grant, home, stored);
        return { existed: true, operation: undefined };
      }
      const marked: Resource = { ...resource, provisioningState: 'Deleting', etag: newEtag() };
      const operation = await operations.accept(grant.actor, 'remove', home, resource.id, (tx, operationId) =>
        updateResource(tx, { resource: marked, operationId, holder: undefined }),
      );
      return { existed: true, operation };
    });
    if (how.wait && done.operation !== undefined) {
      await finished(done.operation);
      return { ...done, operation: undefined };
    }
    return done;
  }

  async function change(id: string, change: (properties: Properties) => Properties): Promise<Resource> {
    const { id: wanted } = readId(id);
    const home = await homes.of(wanted);
    return home.write(async (tx) => {
      const stored = await findResource(tx, wanted);
      if (stored === undefined) throw errors.notFound(wanted);
      const resource = { ...stored.resource, properties: change(stored.resource.properties), etag: newEtag() };
      await updateResource(tx, { ...stored, resource });
      return present(parts, { ...stored, resource });
    });
  }

  /** Whether a database holds what an earlier process left half-way, with no operation to resume it. */
  const needsSweep = async (home: Database) => (await leftBehind(home, parts.holder, 1)).length > 0;

  /** Ends what an earlier process left half-way in a database: a creation is taken back, a removal is finished. */
  async function sweep(home: Database): Promise<void> {
    for (let round = 0; round < sweepRoundsMax; round++) {
      const rows = await leftBehind(home, parts.holder, sweepRows);
      const ended = await Promise.all(rows.map(({ resource }) => endLeft(home, resource)));
      if (!ended.includes(true)) return;
    }
  }

  async function endLeft(home: Database, { id, uniqueId }: Resource): Promise<boolean> {
    try {
      return await locks(id, async () => {
        const stored = await findResource(home.read, id);
        if (stored?.resource.uniqueId !== uniqueId || !isTransitional(stored.resource) || isBusy(parts, stored))
          return false; // somebody made or removed it again meanwhile
        if (stored.resource.provisioningState === 'Creating')
          await making.undo(home, stored.resource, 'the server stopped while it was made');
        else await removal.removeNow(grants.system('finishes a removal that a stop interrupted'), home, stored);
        return true;
      });
    } catch (error) {
      log.error({ module: 'resources', error }, 'what an earlier process left half-way could not be ended');
      return false;
    }
  }

  return { find, hasContainer, put, patch, remove, change, needsSweep, sweep };
}
export type Manager = ReturnType<typeof createManager>;
