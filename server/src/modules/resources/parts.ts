// What the procedures of the resource manager share: the few ports they act through, and the reading of a stored state. A
// transitional state means what it says only while somebody is at work: an operation that a task resumes, or this process.

import type { Actor } from '#kernel/authority/actor';
import type { Grant, Grants } from '#kernel/authority/grant';
import type { Acts } from '#kernel/authority/perform';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import type { Database, Tx } from '#kernel/database/database';
import type { Log } from '#kernel/log/log';
import type { NewTask } from '#kernel/tasks/tasks';
import type { Catalog } from './catalog.ts';
import { errors } from './errors.ts';
import type { Homes } from './homes.ts';
import type {
  Creator,
  Properties,
  ProvisioningState,
  Resource,
  ResourceIdentity,
  RestingState,
  SystemData,
} from './kind.ts';
import type { Locks } from './locks.ts';
import { findResource, type Stored, updateResource } from './resources.store.ts';

/** The port to the directory: a system-assigned identity lives and dies with its resource. Both are idempotent. */
export type Identities = {
  create(resource: { readonly resourceId: string; readonly name: string }): Promise<{
    readonly objectId: string;
    readonly tenantId: string;
  }>;
  remove(resourceId: string): Promise<void>;
};

/** Told after what stood behind a resource is gone; whatever was attached at or below its id goes too. Idempotent. */
export type RemovalListener = (grant: Grant, id: string) => Promise<void>;

/** Names what outside of `id` stands on it, or on something below: it must not be removed under them. */
export type Holders = (id: string) => Promise<readonly string[]>;

export type Parts = {
  readonly control: Database;
  readonly homes: Homes;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly grants: Pick<Grants, 'also' | 'mayAlso' | 'duty'>;
  readonly acts: Pick<Acts, 'duty'>;
  readonly identities: Identities;
  readonly locks: Locks;
  readonly log: Log;
  readonly subscription: Subscription;
  /** Names this process; what another holder left half-way is nobody's. */
  readonly holder: string;
  readonly enqueue: (tx: Tx, task: NewTask) => Promise<number>;
  readonly listeners: readonly RemovalListener[];
  readonly holders: readonly Holders[];
};

export async function holdersOf({ holders }: Pick<Parts, 'holders'>, id: string): Promise<readonly string[]> {
  return (await Promise.all(holders.map((ask) => ask(id)))).flat();
}

export type Subscription = {
  readonly id: string;
  readonly displayName: string;
  readonly tenantId: string;
  readonly location: string;
};

const transitional: ReadonlySet<ProvisioningState> = new Set(['Creating', 'Updating', 'Deleting']);

export const isTransitional = (resource: Resource): boolean => transitional.has(resource.provisioningState);

/** What the resource is when nobody is at work on it: what was begun and is not under way any more has failed. */
export function restingState({ provisioningState }: Resource): RestingState {
  switch (provisioningState) {
    case 'Creating':
    case 'Updating':
    case 'Deleting':
      return 'Failed';
    default:
      return provisioningState;
  }
}

/** Somebody is at work on it. */
export function isBusy(parts: Pick<Parts, 'holder'>, stored: Stored): boolean {
  if (!transitional.has(stored.resource.provisioningState)) return false;
  return stored.operationId !== undefined || stored.holder === parts.holder;
}

/** A row as it is shown: one that a process left half-way, with nobody to resume it, has failed. */
export function present(parts: Pick<Parts, 'holder'>, stored: Stored): Resource {
  const left = transitional.has(stored.resource.provisioningState) && !isBusy(parts, stored);
  return left ? { ...stored.resource, provisioningState: 'Failed' } : stored.resource;
}

export const newEtag = () => `"${randomUuid()}"`;

export const hasSystemIdentity = (identity: ResourceIdentity | undefined): boolean =>
  identity?.type.includes('SystemAssigned') ?? false;

const parties = {
  user: 'User',
  application: 'Application',
  managedIdentity: 'ManagedIdentity',
  run: 'ManagedIdentity',
  agent: 'ManagedIdentity',
  system: 'Application',
  anonymous: 'User',
} as const satisfies Record<Actor['kind'], SystemData['createdByType']>;

/** A user is known by his name, whoever else by object id, as Azure has it. */
export function stampOf(actor: Actor, at: Date, before: SystemData | undefined): SystemData {
  const by = actor.kind === 'user' ? actor.name : actor.objectId;
  const type = parties[actor.kind];
  return {
    createdAt: before?.createdAt ?? at.toISOString(),
    createdBy: before?.createdBy ?? by,
    createdByType: before?.createdByType ?? type,
    lastModifiedAt: at.toISOString(),
    lastModifiedBy: by,
    lastModifiedByType: type,
  };
}

export function creatorOf({ kind, objectId, tenantId, name, authentication }: Actor): Creator {
  const { methods, at, from } = authentication;
  return { kind, objectId, tenantId, name, facts: { methods, at, from } };
}

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
    if (stored?.resource.uniqueId !== resource.uniqueId) throw errors.changedMeanwhile(resource.id);
    const { kept, ...rest } = changes;
    const next: Resource = {
      ...stored.resource,
      ...rest,
      properties: { ...stored.resource.properties, ...kept },
      etag: newEtag(),
    };
    const holder = transitional.has(next.provisioningState) ? stored.holder : undefined;
    await updateResource(tx, { ...stored, resource: next, holder });
    return next;
  });
}
