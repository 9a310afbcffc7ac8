// Rows of the directory. No decisions; every function takes the transaction first.

import { sql } from 'kysely';
import { type Tx, tables } from '#kernel/database/database';
import { startsInAnyCase } from '#kernel/database/dialect/dialect';

export type PrincipalKind = 'user' | 'application' | 'managedIdentity';

type Tables = {
  identity_settings: { name: string; value: string };
  principals: {
    object_id: string;
    kind: PrincipalKind;
    name: string;
    enabled: number;
    created_at: string;
    generation: number;
  };
  users: {
    object_id: string;
    user_name: string;
    display_name: string;
    password_hash: string;
    password_changed_at: string;
    failed_tries: number;
    last_failed_at_ms: number | null;
    must_change_password: number;
  };
  applications: { object_id: string; client_id: string };
  application_secrets: {
    secret_id: string;
    client_id: string;
    hash: Uint8Array;
    created_at: string;
    expires_at_ms: number;
    display_name: string | null;
  };
  managed_identities: { object_id: string; client_id: string; resource_key: string; resource_id: string };
};

const db = (tx: Tx) => tables<Tables>(tx);

export async function readSetting(tx: Tx, name: string): Promise<string | undefined> {
  const row = await db(tx).selectFrom('identity_settings').select('value').where('name', '=', name).executeTakeFirst();
  return row?.value;
}

export async function writeSetting(tx: Tx, name: string, value: string): Promise<void> {
  await db(tx).insertInto('identity_settings').values({ name, value }).execute();
}

export type PrincipalRow = {
  readonly objectId: string;
  readonly kind: PrincipalKind;
  readonly name: string;
  readonly enabled: number;
  readonly displayName: string | null;
  readonly generation: number;
  readonly applicationClientId: string | null;
  readonly identityClientId: string | null;
  readonly resourceId: string | null;
};

const principals = (tx: Tx) =>
  db(tx)
    .selectFrom('principals as p')
    .leftJoin('users as u', 'u.object_id', 'p.object_id')
    .leftJoin('applications as a', 'a.object_id', 'p.object_id')
    .leftJoin('managed_identities as m', 'm.object_id', 'p.object_id')
    .select([
      'p.object_id as objectId',
      'p.kind as kind',
      'p.name as name',
      'p.enabled as enabled',
      'u.display_name as displayName',
      'p.generation as generation',
      'a.client_id as applicationClientId',
      'm.client_id as identityClientId',
      'm.resource_id as resourceId',
    ]);

export const findPrincipal = (tx: Tx, objectId: string): Promise<PrincipalRow | undefined> =>
  principals(tx).where('p.object_id', '=', objectId).executeTakeFirst();

export const findPrincipals = (tx: Tx, objectIds: readonly string[]): Promise<PrincipalRow[]> =>
  principals(tx).where('p.object_id', 'in', objectIds).execute();

export const findUserByName = (tx: Tx, userName: string): Promise<PrincipalRow | undefined> =>
  principals(tx).where('u.user_name', '=', userName).executeTakeFirst();

/** A service principal by the client id of its application or managed identity. */
export const findByClientId = (tx: Tx, clientId: string): Promise<PrincipalRow | undefined> =>
  principals(tx)
    .where((where) => where.or([where('a.client_id', '=', clientId), where('m.client_id', '=', clientId)]))
    .executeTakeFirst();

export const findByResource = (tx: Tx, resourceKey: string): Promise<PrincipalRow | undefined> =>
  principals(tx).where('m.resource_key', '=', resourceKey).executeTakeFirst();

/** Identities of what lies below a resource, by the order of the key: `/` is followed by `0`. */
export const findBelowResource = (tx: Tx, resourceKey: string, limit: number): Promise<readonly PrincipalRow[]> =>
  principals(tx)
    .where('m.resource_key', '>', `${resourceKey}/`)
    .where('m.resource_key', '<', `${resourceKey}0`)
    .orderBy('m.resource_key')
    .limit(limit)
    .execute();

/** A display name, or how it begins: then the case of ASCII letters does not count. */
export type NameFilter = { readonly text: string; readonly isPrefix: boolean };

function isNamed(column: 'u.display_name' | 'p.name', { text, isPrefix }: NameFilter) {
  if (!isPrefix) return sql<boolean>`${sql.ref(column)} = ${text}`;
  return startsInAnyCase(sql.ref(column), text);
}

export function listPrincipals(
  tx: Tx,
  page: {
    readonly kinds: readonly PrincipalKind[];
    readonly after: string;
    readonly limit: number;
    readonly named: NameFilter | undefined;
  },
): Promise<PrincipalRow[]> {
  const { kinds, after, limit, named } = page;
  const all = principals(tx).where('p.kind', 'in', kinds).where('p.object_id', '>', after);
  const found =
    named === undefined
      ? all
      : all.where((where) => where.or([isNamed('u.display_name', named), isNamed('p.name', named)]));
  return found.orderBy('p.object_id').limit(limit).execute();
}

export async function insertPrincipal(
  tx: Tx,
  row: { readonly objectId: string; readonly kind: PrincipalKind; readonly name: string; readonly createdAt: string },
): Promise<void> {
  await db(tx)
    .insertInto('principals')
    .values({
      object_id: row.objectId,
      kind: row.kind,
      name: row.name,
      enabled: 1,
      created_at: row.createdAt,
      generation: 1,
    })
    .execute();
}

export async function setEnabled(tx: Tx, objectId: string, enabled: boolean): Promise<void> {
  await db(tx)
    .updateTable('principals')
    .set({ enabled: enabled ? 1 : 0 })
    .where('object_id', '=', objectId)
    .execute();
}

/** A user keeps the user name and has a display name besides; everything else has one name. */
export async function rename(tx: Tx, objectId: string, name: string): Promise<void> {
  await db(tx).updateTable('users').set({ display_name: name }).where('object_id', '=', objectId).execute();
  await db(tx)
    .updateTable('principals')
    .set({ name })
    .where('object_id', '=', objectId)
    .where('kind', '!=', 'user')
    .execute();
}

/** What was issued under the generation before is worth nothing once this is durable. */
export async function raiseGeneration(tx: Tx, objectId: string): Promise<void> {
  await db(tx)
    .updateTable('principals')
    .set({ generation: sql<number>`generation + 1` })
    .where('object_id', '=', objectId)
    .execute();
}

/** Takes the rows of its kind with it. */
export async function deletePrincipal(tx: Tx, objectId: string): Promise<void> {
  const principal = await findPrincipal(tx, objectId);
  if (principal?.applicationClientId)
    await db(tx).deleteFrom('application_secrets').where('client_id', '=', principal.applicationClientId).execute();
  for (const table of ['users', 'applications', 'managed_identities', 'principals'] as const)
    await db(tx).deleteFrom(table).where('object_id', '=', objectId).execute();
}

export async function insertUser(
  tx: Tx,
  row: {
    readonly objectId: string;
    readonly userName: string;
    readonly displayName: string;
    readonly passwordHash: string;
    readonly changedAt: string;
    readonly mustChange: boolean;
  },
): Promise<void> {
  await db(tx)
    .insertInto('users')
    .values({
      object_id: row.objectId,
      user_name: row.userName,
      display_name: row.displayName,
      password_hash: row.passwordHash,
      password_changed_at: row.changedAt,
      failed_tries: 0,
      must_change_password: row.mustChange ? 1 : 0,
    })
    .execute();
}

export type CredentialRow = {
  readonly objectId: string;
  readonly passwordHash: string;
  readonly enabled: number;
  readonly generation: number;
  readonly mustChange: number;
  readonly failedTries: number;
  readonly lastFailedAtMs: number | null;
};

export const findCredential = (tx: Tx, userName: string): Promise<CredentialRow | undefined> =>
  db(tx)
    .selectFrom('users as u')
    .innerJoin('principals as p', 'p.object_id', 'u.object_id')
    .select([
      'u.object_id as objectId',
      'u.password_hash as passwordHash',
      'p.enabled as enabled',
      'p.generation as generation',
      'u.must_change_password as mustChange',
      'u.failed_tries as failedTries',
      'u.last_failed_at_ms as lastFailedAtMs',
    ])
    .where('u.user_name', '=', userName)
    .executeTakeFirst();

/** Nothing happens for a name that nobody has. */
export async function countFailedTry(tx: Tx, userName: string, nowMs: number): Promise<void> {
  await db(tx)
    .updateTable('users')
    .set({ failed_tries: sql<number>`failed_tries + 1`, last_failed_at_ms: nowMs })
    .where('user_name', '=', userName)
    .execute();
}

export async function forgetFailedTries(tx: Tx, objectId: string): Promise<void> {
  await db(tx)
    .updateTable('users')
    .set({ failed_tries: 0, last_failed_at_ms: null })
    .where('object_id', '=', objectId)
    .where('failed_tries', '>', 0)
    .execute();
}

export async function setMustChange(tx: Tx, objectId: string, mustChange: boolean): Promise<void> {
  await db(tx)
    .updateTable('users')
    .set({ must_change_password: mustChange ? 1 : 0 })
    .where('object_id', '=', objectId)
    .execute();
}

export async function setPasswordHash(
  tx: Tx,
  objectId: string,
  password: { readonly hash: string; readonly changedAt: string; readonly mustChange: boolean },
): Promise<boolean> {
  const { hash, changedAt, mustChange } = password;
  const result = await db(tx)
    .updateTable('users')
    .set({ password_hash: hash, password_changed_at: changedAt, must_change_password: mustChange ? 1 : 0 })
    .where('object_id', '=', objectId)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

export async function insertApplication(tx: Tx, objectId: string, clientId: string): Promise<void> {
  await db(tx).insertInto('applications').values({ object_id: objectId, client_id: clientId }).execute();
}

export async function insertSecret(
  tx: Tx,
  row: {
    readonly secretId: string;
    readonly clientId: string;
    readonly hash: Uint8Array;
    readonly createdAt: string;
    readonly expiresAtMs: number;
    readonly displayName: string | null;
  },
): Promise<void> {
  await db(tx)
    .insertInto('application_secrets')
    .values({
      secret_id: row.secretId,
      client_id: row.clientId,
      hash: row.hash,
      created_at: row.createdAt,
      expires_at_ms: row.expiresAtMs,
      display_name: row.displayName,
    })
    .execute();
}

export async function deleteSecret(tx: Tx, clientId: string, secretId: string): Promise<boolean> {
  const result = await db(tx)
    .deleteFrom('application_secrets')
    .where('client_id', '=', clientId)
    .where('secret_id', '=', secretId)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

/** The secrets of an application, also those that have expired, oldest first. */
export const listSecrets = (
  tx: Tx,
  clientId: string,
): Promise<{ secretId: string; createdAt: string; expiresAtMs: number; displayName: string | null }[]> =>
  db(tx)
    .selectFrom('application_secrets')
    .select([
      'secret_id as secretId',
      'created_at as createdAt',
      'expires_at_ms as expiresAtMs',
      'display_name as displayName',
    ])
    .where('client_id', '=', clientId)
    .orderBy('created_at')
    .orderBy('secret_id')
    .execute();

/** Hashes of the secrets that are valid at this time. */
export const secretHashes = (
  tx: Tx,
  clientId: string,
  nowMs: number,
): Promise<readonly { readonly secretId: string; readonly hash: Uint8Array }[]> =>
  db(tx)
    .selectFrom('application_secrets')
    .select(['secret_id as secretId', 'hash'])
    .where('client_id', '=', clientId)
    .where('expires_at_ms', '>', nowMs)
    .execute();

/** Whether the application has this secret, and it is valid at this time. */
/** When a secret expires, in milliseconds of the epoch; undefined when there is none of these ids. */
export async function secretEnd(tx: Tx, clientId: string, secretId: string): Promise<number | undefined> {
  const row = await db(tx)
    .selectFrom('application_secrets')
    .select('expires_at_ms')
    .where('secret_id', '=', secretId)
    .where('client_id', '=', clientId)
    .executeTakeFirst();
  return row?.expires_at_ms;
}

export async function insertManagedIdentity(
  tx: Tx,
  row: {
    readonly objectId: string;
    readonly clientId: string;
    readonly resourceKey: string;
    readonly resourceId: string;
  },
): Promise<void> {
  await db(tx)
    .insertInto('managed_identities')
    .values({
      object_id: row.objectId,
      client_id: row.clientId,
      resource_key: row.resourceKey,
      resource_id: row.resourceId,
    })
    .execute();
}
