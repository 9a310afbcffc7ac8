// What is written on a row beside what was asked for: its etag, who made it and who changed it.

import type { Actor } from '#kernel/authority/actor';
import { randomUuid } from '#kernel/crypto/random';
import type { Creator, ResourceIdentity, SystemData } from './kind.types.ts';

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
  // The house has no object that a client could look up.
  const by = actor.kind === 'user' || actor.kind === 'system' ? actor.name : actor.objectId;
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
