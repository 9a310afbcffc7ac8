// The two keys of an endpoint. At rest they are sealed under a data key of the workspace, so that a customer's key closes
// them too; in memory only a keyed digest of each is kept, and a request is compared with that. The clear text exists while
// somebody with the right to list it asks.

import type { EndpointKeys } from '@strongroom/contract/endpoints';
import type { Grant } from '#kernel/authority/grant';
import { constantTimeEqual } from '#kernel/crypto/compare';
import { createHmacSha256 } from '#kernel/crypto/digest';
import { randomBytes, randomToken } from '#kernel/crypto/random';
import { type DataKey, openValue, sealValue } from '#kernel/crypto/value-envelope';
import type { Workspaces } from '#workspaces';
import { endpointsFailures } from './endpoints.errors.ts';
import { deleteKeys, type KeyName, type KeyRow, keysOf, putKey } from './keys.store.ts';

const purpose = 'endpoint-keys';
/** What a caller brings must be as hard to guess as what is drawn here would be at least: 32 characters. */
const keyPattern = /^[A-Za-z0-9+/=_-]{32,128}$/;
const names = ['primary', 'secondary'] as const;

export type Keys = { readonly primaryKey: string; readonly secondaryKey: string };
/** What a request's key is compared with. Never the key. */
export type KeyDigests = { readonly primary: Uint8Array; readonly secondary: Uint8Array };
/** Which endpoint: its resource's unique id, so that a name that is reused finds no old key. */
export type KeyOwner = { readonly workspaceId: string; readonly uniqueId: string };

export type EndpointKeyStore = {
  /** Throws unless the keys that a caller brings are good enough. */
  check(given: EndpointKeys): void;
  /** Makes the keys that are not there yet. Idempotent. */
  ensure(grant: Grant, owner: KeyOwner, given: EndpointKeys): Promise<void>;
  /** Throws the vault's Failure while a customer's key is refused. */
  read(grant: Grant, owner: KeyOwner): Promise<Keys>;
  digests(grant: Grant, owner: KeyOwner): Promise<KeyDigests>;
  /**
   * Puts `value`, or a new key, in the place of one. A value that is the very key to be replaced counts as none: Azure's
   * Python SDK always sends the present one along, and who was told that a key was replaced must not find it working.
   */
  replace(grant: Grant, owner: KeyOwner, name: KeyName, value: string | undefined): Promise<void>;
  remove(grant: Grant, owner: KeyOwner): Promise<void>;
  /** constant time: both keys are always compared. */
  holds(digests: KeyDigests | undefined, given: string): boolean;
};

export function createEndpointKeys(deps: {
  readonly workspaces: Pick<Workspaces, 'database' | 'dataKey'>;
}): EndpointKeyStore {
  const { workspaces } = deps;
  // Drawn anew in each life of the server: a digest that leaked is worth nothing, and it is not stored.
  const nothing: KeyDigests = { primary: randomBytes(32), secondary: randomBytes(32) };
  const digest = createHmacSha256(randomBytes(32));

  const dataKey = (grant: Grant, owner: KeyOwner): Promise<DataKey> =>
    workspaces.dataKey(grant, owner.workspaceId, purpose);

  const seal = (key: DataKey, owner: KeyOwner, name: KeyName, version: number, value: string): KeyRow => ({
    endpoint: owner.uniqueId,
    name,
    version,
    envelope: sealValue(
      key,
      { table: 'endpoint_keys', row: owner.uniqueId, column: name, version },
      Buffer.from(value, 'utf8'),
    ),
  });
  const open = (key: DataKey, row: KeyRow): string => {
    const place = { table: 'endpoint_keys', row: row.endpoint, column: row.name, version: row.version };
    return Buffer.from(openValue((id) => (id === key.id ? key : undefined), place, row.envelope)).toString('utf8');
  };

  async function read(grant: Grant, owner: KeyOwner): Promise<Keys> {
    const key = await dataKey(grant, owner);
    const database = await workspaces.database(grant, owner.workspaceId);
    const rows = await keysOf(database.read, owner.uniqueId);
    const value = (name: KeyName) => {
      const row = rows.find((each) => each.name === name);
      if (row === undefined) throw endpointsFailures.EndpointNotReady();
      return open(key, row);
    };
    return { primaryKey: value('primary'), secondaryKey: value('secondary') };
  }

  async function digests(grant: Grant, owner: KeyOwner): Promise<KeyDigests> {
    const { primaryKey, secondaryKey } = await read(grant, owner);
    return { primary: digest(primaryKey), secondary: digest(secondaryKey) };
  }

  function check(value: string, target: string): void {
    if (!keyPattern.test(value)) throw endpointsFailures.weakKey(target);
  }

  return {
    check({ primaryKey, secondaryKey }) {
      if (primaryKey !== undefined) check(primaryKey, 'keys.primaryKey');
      if (secondaryKey !== undefined) check(secondaryKey, 'keys.secondaryKey');
      if (primaryKey !== undefined && primaryKey === secondaryKey) throw same('keys');
    },
    async ensure(grant, owner, given) {
      const key = await dataKey(grant, owner);
      const database = await workspaces.database(grant, owner.workspaceId);
      const values = { primary: given.primaryKey, secondary: given.secondaryKey };
      await database.write(async (tx) => {
        const present = (await keysOf(tx, owner.uniqueId)).map(({ name }) => name);
        for (const name of names)
          if (!present.includes(name)) await putKey(tx, seal(key, owner, name, 1, values[name] ?? randomToken(32)));
      });
    },
    read,
    digests,
    async replace(grant, owner, name, value) {
      if (value !== undefined) check(value, 'keyValue');
      const key = await dataKey(grant, owner);
      const database = await workspaces.database(grant, owner.workspaceId);
      await database.write(async (tx) => {
        const rows = await keysOf(tx, owner.uniqueId);
        const before = rows.find((row) => row.name === name);
        const other = rows.find((row) => row.name !== name);
        const is = (row: KeyRow | undefined) =>
          row !== undefined && value !== undefined && constantTimeEqual(open(key, row), value);
        if (is(other)) throw same('keyValue');
        const next = value === undefined || is(before) ? randomToken(32) : value;
        await putKey(tx, seal(key, owner, name, (before?.version ?? 0) + 1, next));
      });
    },
    async remove(grant, owner) {
      const database = await workspaces.database(grant, owner.workspaceId);
      await database.write((tx) => deleteKeys(tx, owner.uniqueId));
    },
    holds(kept, given) {
      const shown = digest(given);
      const { primary, secondary } = kept ?? nothing;
      const isPrimary = constantTimeEqual(primary, shown);
      const isSecondary = constantTimeEqual(secondary, shown);
      return kept !== undefined && (isPrimary || isSecondary);
    },
  };
}

/** Two keys are there so that one can be replaced while the other is used. */
const same = (target: string) => endpointsFailures.sameKeys(target);
