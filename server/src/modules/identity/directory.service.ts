// The directory: users, applications with their secrets, managed identities. Other modules hold it to make and remove the
// identity of a resource and to name a principal. Functions that write take the caller's transaction. A secret or a
// password is given out once, when it is made; what is stored is a hash.

import type { Clock } from '#kernel/clock/clock';
import { constantTimeEqual } from '#kernel/crypto/compare';
import { sha256 } from '#kernel/crypto/digest';
import { randomToken, randomUuid } from '#kernel/crypto/random';
import { type Database, isUniqueViolation, type Tx } from '#kernel/database/database';
import { hasControlCharacter } from '#kernel/ids/characters';
import { idKey } from '#kernel/ids/ids';
import * as store from './directory.store.ts';
import { graphFailures } from './graph.errors.ts';
import { identityFailures } from './identity.errors.ts';
import type { Passwords } from './passwords.service.ts';

export type Principal = {
  readonly objectId: string;
  readonly kind: store.PrincipalKind;
  /** User principal name, or the name of the application or identity. */
  readonly name: string;
  readonly displayName: string;
  /** A disabled principal exists and may do nothing. */
  readonly enabled: boolean;
  /** Client id of an application or a managed identity. */
  readonly clientId: string | undefined;
  /** Of its credentials. What was issued under another one is worth nothing; compared for equality, never ordered. */
  readonly generation: number;
  /** What a managed identity acts for. */
  readonly resourceId: string | undefined;
};

export type SecretFacts = {
  readonly secretId: string;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly displayName: string | null;
};

export type Directory = {
  /** Undefined when there is none; one that is disabled is answered with `enabled: false`. */
  findPrincipal(objectId: string): Promise<Principal | undefined>;
  /** At most 1000 ids; those that do not exist are left out. */
  findPrincipals(objectIds: readonly string[]): Promise<readonly Principal[]>;
  findUser(userName: string): Promise<Principal | undefined>;
  /** An application or a managed identity. */
  findByClientId(clientId: string): Promise<Principal | undefined>;
  /** In the order of object ids, after `after`, at most 1000. A service principal is an application or a managed identity. */
  listKind(
    kind: 'user' | 'servicePrincipal',
    page: { readonly after?: string; readonly limit: number; readonly named?: store.NameFilter | undefined },
  ): Promise<readonly Principal[]>;

  /** The identity of a resource: made on first call, the same on every further one. Names no wider than the resource's. */
  createManagedIdentity(
    tx: Tx,
    identity: { readonly resourceId: string; readonly name: string },
  ): Promise<{ readonly objectId: string; readonly clientId: string }>;
  findManagedIdentity(
    resourceId: string,
  ): Promise<{ readonly objectId: string; readonly clientId: string; readonly name: string } | undefined>;
  /** Resources with an identity that lie below this one, at most 1000 of them. */
  resourcesWithIdentityBelow(resourceId: string): Promise<readonly string[]>;
  /** Its tokens are refused from the moment the transaction is durable. Nothing happens if there is none. */
  removeManagedIdentity(tx: Tx, resourceId: string): Promise<void>;

  createUser(
    tx: Tx,
    user: {
      readonly userName: string;
      readonly displayName: string;
      readonly passwordHash: string;
      readonly mustChange?: boolean;
    },
  ): Promise<{ readonly objectId: string }>;
  /** Ends everything that was issued to the user before. */
  setPasswordHash(
    tx: Tx,
    objectId: string,
    passwordHash: string,
    options?: { readonly mustChange?: boolean },
  ): Promise<void>;
  /**
   * A new password of the user's own choice, if the credentials are still of this generation: answers the next one, or
   * undefined when they were changed meanwhile.
   */
  replacePassword(tx: Tx, objectId: string, generation: number, passwordHash: string): Promise<number | undefined>;
  /** Whether the user must choose another password at the next sign-in, before anything is issued. */
  setMustChange(tx: Tx, objectId: string, mustChange: boolean): Promise<void>;
  /** The display name of a user, the name of an application. */
  rename(tx: Tx, objectId: string, displayName: string): Promise<void>;
  /** Disabling ends everything that was issued before, for good: enabling again brings none of it back. */
  setEnabled(tx: Tx, objectId: string, enabled: boolean): Promise<void>;
  /** Ends every session and token of the principal. */
  endSignIns(tx: Tx, objectId: string): Promise<void>;
  removePrincipal(tx: Tx, objectId: string): Promise<void>;

  createApplication(
    tx: Tx,
    application: { readonly name: string },
  ): Promise<{ readonly objectId: string; readonly clientId: string }>;
  /** The value is answered here and never again. */
  addSecret(
    tx: Tx,
    clientId: string,
    options?: { readonly lifetimeDays?: number; readonly displayName?: string | undefined },
  ): Promise<{ readonly secretId: string; readonly secret: string; readonly expiresAt: Date }>;
  removeSecret(tx: Tx, clientId: string, secretId: string): Promise<boolean>;
  /** What there is to tell of its secrets; expired ones count until they are removed. */
  listSecrets(clientId: string): Promise<readonly SecretFacts[]>;
  /** Constant time; undefined for a wrong secret, and for an application that does not exist or is disabled. */
  findBySecret(
    clientId: string,
    secret: string,
  ): Promise<{ readonly principal: Principal; readonly secretId: string } | undefined>;

  /** Before a transaction: hashing takes long. */
  readonly hashPassword: Passwords['hash'];
};

const objectIdPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const secretDaysDefault = 365;
const secretDaysMax = 2 * 365;
const lookupMax = 1000;

const toPrincipal = (row: store.PrincipalRow): Principal => ({
  objectId: row.objectId,
  kind: row.kind,
  name: row.name,
  displayName: row.displayName ?? row.name,
  enabled: row.enabled === 1,
  clientId: row.applicationClientId ?? row.identityClientId ?? undefined,
  generation: row.generation,
  resourceId: row.resourceId ?? undefined,
});

function checkName(name: string, what: string): void {
  if (name.trim() === '' || name.length > 256 || hasControlCharacter(name)) throw identityFailures.InvalidName(what);
}

export function createDirectory(options: {
  readonly database: Database;
  readonly clock: Clock;
  readonly passwords: Passwords;
}): Directory {
  const { database, clock, passwords } = options;
  const now = () => clock.now().toISOString();
  const found = (row: store.PrincipalRow | undefined) => (row === undefined ? undefined : toPrincipal(row));

  return {
    hashPassword: (password, about) => passwords.hash(password, about),

    async findPrincipal(objectId) {
      const id = objectId.toLowerCase();
      if (!objectIdPattern.test(id)) return undefined;
      return await database.remembered(`principal ${id}`, async (tx) => found(await store.findPrincipal(tx, id)));
    },
    async findPrincipals(objectIds) {
      if (objectIds.length > lookupMax) throw identityFailures.TooManyIds(lookupMax);
      const ids = objectIds.map((id) => id.toLowerCase()).filter((id) => objectIdPattern.test(id));
      return ids.length === 0 ? [] : (await store.findPrincipals(database.read, ids)).map(toPrincipal);
    },
    findUser: async (userName) => found(await store.findUserByName(database.read, userName)),
    findByClientId: async (clientId) => found(await store.findByClientId(database.read, clientId.toLowerCase())),
    async listKind(kind, { after = '', limit, named }) {
      const kinds = kind === 'user' ? (['user'] as const) : (['application', 'managedIdentity'] as const);
      const page = { kinds, after, limit: Math.min(limit, lookupMax), named };
      return (await store.listPrincipals(database.read, page)).map(toPrincipal);
    },

    async createManagedIdentity(tx, { resourceId, name }) {
      checkName(name, 'a managed identity');
      const resourceKey = idKey(resourceId);
      const present = await store.findByResource(tx, resourceKey);
      if (present?.identityClientId) return { objectId: present.objectId, clientId: present.identityClientId };
      const identity = { objectId: randomUuid(), clientId: randomUuid() };
      await store.insertPrincipal(tx, {
        objectId: identity.objectId,
        kind: 'managedIdentity',
        name,
        createdAt: now(),
      });
      await store.insertManagedIdentity(tx, { ...identity, resourceKey, resourceId });
      return identity;
    },
    async findManagedIdentity(resourceId) {
      const row = await store.findByResource(database.read, idKey(resourceId));
      return row?.identityClientId
        ? { objectId: row.objectId, clientId: row.identityClientId, name: row.name }
        : undefined;
    },
    async resourcesWithIdentityBelow(resourceId) {
      const rows = await store.findBelowResource(database.read, idKey(resourceId), lookupMax);
      return rows.flatMap((row) => row.resourceId ?? []);
    },
    async removeManagedIdentity(tx, resourceId) {
      const row = await store.findByResource(tx, idKey(resourceId));
      if (row) await store.deletePrincipal(tx, row.objectId);
    },

    async createUser(tx, { userName, displayName, passwordHash, mustChange = false }) {
      checkName(displayName, 'a user');
      if (!/^[^\s@]{1,64}@[^\s@]{1,189}$/.test(userName)) throw identityFailures.InvalidUserName();
      const objectId = randomUuid();
      try {
        await store.insertPrincipal(tx, { objectId, kind: 'user', name: userName, createdAt: now() });
        await store.insertUser(tx, { objectId, userName, displayName, passwordHash, changedAt: now(), mustChange });
      } catch (thrown) {
        if (!isUniqueViolation(thrown)) throw thrown;
        throw identityFailures.UserExists(userName, thrown);
      }
      return { objectId };
    },
    async replacePassword(tx, objectId, generation, hash) {
      const present = await store.findPrincipal(tx, objectId);
      if (present?.generation !== generation || present.enabled !== 1) return undefined;
      await store.setPasswordHash(tx, objectId, { hash, changedAt: now(), mustChange: false });
      await store.raiseGeneration(tx, objectId);
      return generation + 1;
    },
    setMustChange: (tx, objectId, mustChange) => store.setMustChange(tx, objectId, mustChange),
    async setPasswordHash(tx, objectId, hash, { mustChange = false } = {}) {
      const password = { hash, changedAt: now(), mustChange };
      if (!(await store.setPasswordHash(tx, objectId, password))) throw graphFailures.noSuch('user');
      await store.raiseGeneration(tx, objectId);
    },
    async rename(tx, objectId, displayName) {
      checkName(displayName, 'a principal');
      await store.rename(tx, objectId, displayName);
    },
    async setEnabled(tx, objectId, enabled) {
      if ((await store.findPrincipal(tx, objectId)) === undefined) throw graphFailures.noSuch('principal');
      await store.setEnabled(tx, objectId, enabled);
      if (!enabled) await store.raiseGeneration(tx, objectId);
    },
    endSignIns: (tx, objectId) => store.raiseGeneration(tx, objectId),
    removePrincipal: (tx, objectId) => store.deletePrincipal(tx, objectId),

    async createApplication(tx, { name }) {
      checkName(name, 'an application');
      const application = { objectId: randomUuid(), clientId: randomUuid() };
      await store.insertPrincipal(tx, {
        objectId: application.objectId,
        kind: 'application',
        name,
        createdAt: now(),
      });
      await store.insertApplication(tx, application.objectId, application.clientId);
      return application;
    },
    async addSecret(tx, clientId, { lifetimeDays = secretDaysDefault, displayName } = {}) {
      if (displayName !== undefined) checkName(displayName, 'a client secret');
      if (!(lifetimeDays >= 1 && lifetimeDays <= secretDaysMax)) throw identityFailures.InvalidLifetime(secretDaysMax);
      const application = await store.findByClientId(tx, clientId);
      if (application?.kind !== 'application') throw graphFailures.noSuch('application');
      const secret = randomToken();
      const expiresAt = new Date(clock.epochMs() + lifetimeDays * 86_400_000);
      const secretId = randomUuid();
      // 256 random bits need no slow hash: nobody can try enough of them.
      await store.insertSecret(tx, {
        secretId,
        clientId,
        hash: sha256(secret),
        createdAt: now(),
        expiresAtMs: expiresAt.getTime(),
        displayName: displayName ?? null,
      });
      return { secretId, secret, expiresAt };
    },
    listSecrets: async (clientId) =>
      (await store.listSecrets(database.read, clientId)).map(({ expiresAtMs, ...secret }) => ({
        ...secret,
        expiresAt: new Date(expiresAtMs).toISOString(),
      })),
    removeSecret: (tx, clientId, secretId) => store.deleteSecret(tx, clientId, secretId),
    async findBySecret(clientId, secret) {
      const application = await store.findByClientId(database.read, clientId);
      const secrets = await store.secretHashes(database.read, clientId, clock.epochMs());
      const hash = sha256(secret);
      // constant time: every secret of the application is compared, whichever matches.
      const [match] = secrets.filter((one) => constantTimeEqual(one.hash, hash));
      if (match === undefined || application?.kind !== 'application' || application.enabled !== 1) return undefined;
      return { principal: toPrincipal(application), secretId: match.secretId };
    },
  };
}
