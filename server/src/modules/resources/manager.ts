// The one procedure for every resource of every kind, in one order: id → name → parent → preconditions → content → rules →
// row → what stands behind it → answer. One at a time for each resource. Authorization was decided before: by the route's
// action, or by the guard for other modules.

import { resourceLimits } from '@strongroom/contract/resources';
import { actionsOfType } from '@strongroom/contract/resources.actions';
import type { Grant } from '#kernel/authority/grant';
import { Failure } from '#kernel/errors/failure';
import type { Exchange } from '#kernel/http/exchange';
import { parentId } from '#kernel/ids/ids';
import { withArticle } from './article.ts';
import { readId } from './catalog.ts';
import { patchedBody, readDraft } from './draft.ts';
import { errors } from './errors.ts';
import type { Properties, Resource, ResourceKind } from './kind.ts';
import type { Lookup } from './lookup.ts';
import type { Operation } from './operations.store.ts';
import type { Operations } from './operations.ts';
import { holdersOf, isBusy, newEtag, type Parts, present, restingState } from './parts.ts';
import { tailOf } from './paths.ts';
import type { Removal } from './removal.ts';
import { findResource, type Stored, updateResource } from './resources.store.ts';
import { refuseCredentials } from './visible.ts';
import { shownOf } from './wire.ts';
import type { Writing } from './writing.ts';

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
};
export type Removed = {
  readonly existed: boolean;
  readonly operation: Operation | undefined;
  /** What stands on it still: the operation waits for a while that they go, and is refused if they do not. */
  readonly holders?: readonly string[];
};

export function createManager(
  parts: Parts,
  rooms: {
    readonly lookup: Lookup;
    readonly writing: Writing;
    readonly removal: Removal;
    readonly operations: Operations;
  },
) {
  const { catalog, homes, grants, locks } = parts;
  const { writing, removal, operations } = rooms;
  const { find, hasContainer, load, readyParent } = rooms.lookup;

  /** Somebody is at work on it; an operation that has ended is nobody, whatever the row says. */
  async function isAtWork(stored: Stored): Promise<boolean> {
    if (!isBusy(parts, stored)) return false;
    return stored.operationId === undefined || operations.isUnderWay(stored.operationId);
  }

  function checkName(kind: ResourceKind, name: string): void {
    if (name.length <= resourceLimits.nameLength && kind.namePattern.test(name)) return;
    throw new Failure({
      kind: 'invalid',
      code: 'InvalidResourceName',
      target: 'name',
      message: `'${name.slice(0, 100)}' is not a name for ${withArticle(kind.title)}: ${kind.nameRule}`,
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
    const parentMade = kind.makesParent === true ? await makeParent(grant, kind, parsed, bodyFor) : undefined;
    try {
      return await putAtItsPlace(grant, id, { parsed, kind }, bodyFor, how);
    } catch (thrown) {
      // A parent that was made for this child alone does not outlive its refusal.
      if (parentMade !== undefined) await removal.removeUnused(parentMade).catch(() => undefined);
      throw thrown;
    }
  }

  async function putAtItsPlace(
    grant: Grant,
    id: string,
    { parsed, kind }: { readonly parsed: ReturnType<typeof readId>; readonly kind: ResourceKind },
    bodyFor: (existing: Resource | undefined, kind: ResourceKind) => unknown,
    how: How,
  ): Promise<Put> {
    const done = await locks(id, async () => {
      const parent = await readyParent(grant, parsed.id, parsed.type);
      const { home, stored } = await load(parsed.id);
      const existing = stored && (await atRest(stored));
      checkConditions(how, existing);
      const body = bodyFor(existing, kind);
      const named = existing ?? { id: parent + tailOf(kind.type, parsed.name), name: parsed.name };
      const shown = existing && shownOf(kind, existing, how.exchange);
      const draft = readDraft(kind, named, body, existing, shown);
      // One whose creation failed was never there: it is made again, under the same unique id.
      const isThere = existing !== undefined && existing.provisioningState !== 'Failed';
      if (isThere && kind.immutable === true) throw errors.immutable(kind.title, existing.id);
      const made = isThere
        ? { resource: await writing.update(grant, kind, home, draft, existing), operation: undefined }
        : await writing.create(grant, kind, home, draft, { id: named.id, name: named.name, failed: existing });
      return { ...made, created: !isThere };
    });
    return how.wait ? waitFor(done) : done;
  }

  /**
   * Makes a parent that is missing, by the caller's right to write it, and only for a child that will be taken. Before the
   * child's lock is held: a removal holds the parent's and asks for the child's. Answers what it made.
   */
  async function makeParent(
    grant: Grant,
    kind: ResourceKind,
    child: { readonly id: string; readonly name: string },
    bodyFor: (existing: Resource | undefined, kind: ResourceKind) => unknown,
  ): Promise<Resource | undefined> {
    const parent = parentId(child.id);
    const { type } = readId(parent);
    if ((await find(parent)) !== undefined) return undefined;
    grants.also(grant, actionsOfType(type).write, parent);
    await readyParent(grant, parent, type);
    const draft = readDraft(kind, child, bodyFor(undefined, kind), undefined, undefined);
    const properties = kind.normalise?.(draft, undefined) ?? draft.properties;
    refuseCredentials(kind, { ...draft, properties }, undefined);
    await kind.validate?.(grant, { ...draft, properties }, undefined, child.id);
    try {
      return (await put(grant, parent, {}, { wait: true, ifNoneMatch: '*' })).resource;
    } catch (thrown) {
      const isThere = thrown instanceof Failure && thrown.kind === 'precondition';
      if (!isThere) throw thrown;
      return undefined;
    }
  }

  /** As it is when nobody is at work on it; throws `conflict` when somebody is. */
  async function atRest(stored: Stored): Promise<Resource> {
    const { resource } = stored;
    if (await isAtWork(stored)) throw errors.busy(resource.id, resource.provisioningState);
    return { ...resource, provisioningState: restingState(resource) };
  }

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
      const holders = await holdersOf(parts, resource.id);
      const isLong = kind.longRunning !== undefined && kind.longRunning !== false;
      if (!isLong && holders.length === 0) {
        await removal.removeNow(grant, home, stored);
        return { existed: true, operation: undefined };
      }
      const marked: Resource = { ...resource, provisioningState: 'Deleting', etag: newEtag() };
      const operation = await operations.accept(
        grant.actor,
        { verb: 'remove', refusedState: restingState(resource) },
        home,
        resource.id,
        (tx, operationId) => updateResource(tx, { resource: marked, operationId, holder: undefined }),
      );
      return { existed: true, operation, holders };
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

  return { find, hasContainer, put, patch, remove, change };
}
export type Manager = ReturnType<typeof createManager>;
