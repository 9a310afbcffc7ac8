// Keys: RSA pairs whose private half never leaves. Promises: a disabled key does nothing; outside its times a key still reads
// what it once protected (decrypt, unwrap, verify) and does nothing new; key_ops bind. The private half lies with the
// custody, which is asked only for what needs it: what anybody could do with the public half is done with the public half.

import type { AttributesInput } from '@strongroom/contract/vault';
import type { Grant } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import {
  importRsaPublicParts,
  type RsaBits,
  type RsaEncryption,
  type RsaPrivateParts,
  type RsaPublicKey,
  type RsaSignature,
} from '#kernel/crypto/rsa';
import type { FreshKey, KeyCustody, KeyRef } from './custody.types.ts';
import type { Directory, Vault } from './directory.service.ts';
import { asParameters, keyTypeNotServed } from './keys.rules.ts';
import type { DeletedVersion, Objects, Page, PageQuery, StoredVersion, Tags } from './objects.service.ts';
import { vaultFailures } from './vault.errors.ts';

export const keyOperations = ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey'] as const;
export type KeyOperation = (typeof keyOperations)[number];

/** The public half of a version, and what it may be used for. */
export type KeyDetail = {
  readonly kty: 'RSA';
  readonly bits: RsaBits;
  readonly n: string;
  readonly e: string;
  readonly operations: readonly KeyOperation[];
};
export type KeyVersion = StoredVersion & { readonly detail: KeyDetail };

type Common = {
  readonly key_ops?: readonly string[] | null | undefined;
  readonly attributes?: AttributesInput | null | undefined;
  readonly tags?: Tags | null | undefined;
  readonly release_policy?: unknown;
};
export type NewKey = Common & {
  readonly kty: string;
  readonly key_size?: number | null | undefined;
  readonly public_exponent?: number | null | undefined;
};
export type ImportedKey = Common & {
  readonly key: { readonly kty: string; readonly key_ops?: readonly string[] | null | undefined } & {
    readonly [part in keyof RsaPrivateParts]?: string | undefined;
  };
  readonly Hsm?: boolean | null | undefined;
};

export type Keys = {
  create(grant: Grant, vault: string, name: string, input: NewKey): Promise<KeyVersion>;
  import(grant: Grant, vault: string, name: string, input: ImportedKey): Promise<KeyVersion>;
  /** A new version of the same size, operations and tags. */
  rotate(grant: Grant, vault: string, name: string): Promise<KeyVersion>;
  get(grant: Grant, vault: string, name: string, version: string | undefined): Promise<KeyVersion>;
  update(grant: Grant, vault: string, name: string, version: string | undefined, change: Common): Promise<KeyVersion>;
  list(grant: Grant, vault: string, query: PageQuery): Promise<Page<StoredVersion>>;
  versions(grant: Grant, vault: string, name: string, query: PageQuery): Promise<Page<StoredVersion>>;
  remove(grant: Grant, vault: string, name: string): Promise<DeletedVersion>;
  getDeleted(grant: Grant, vault: string, name: string): Promise<DeletedVersion>;
  listDeleted(grant: Grant, vault: string, query: PageQuery): Promise<Page<DeletedVersion>>;
  recover(grant: Grant, vault: string, name: string): Promise<KeyVersion>;
  purge(grant: Grant, vault: string, name: string): Promise<void>;
  /** One of the five operations that answer bytes. */
  operate(
    grant: Grant,
    vault: string,
    key: { readonly name: string; readonly version: string | undefined },
    operation: Exclude<KeyOperation, 'verify'>,
    input: { readonly algorithm: string; readonly value: Uint8Array },
  ): Promise<{ readonly version: KeyVersion; readonly value: Uint8Array }>;
  verify(
    grant: Grant,
    vault: string,
    key: { readonly name: string; readonly version: string | undefined },
    input: { readonly algorithm: string; readonly digest: Uint8Array; readonly signature: Uint8Array },
  ): Promise<boolean>;
};

export function createKeys(options: {
  readonly directory: Directory;
  readonly objects: Objects;
  readonly custody: KeyCustody;
  readonly clock: Clock;
}): Keys {
  const { directory, objects, custody, clock } = options;
  const at = (grant: Grant, vault: string): Vault => directory.granted(grant, vault);

  async function add(vault: Vault, name: string, key: FreshKey, input: Common): Promise<KeyVersion> {
    try {
      const detail: KeyDetail = { kty: 'RSA', ...key.publicHalf, operations: operationsOf(input.key_ops) };
      const { attributes, tags } = input;
      return { ...(await objects.add(vault, name, { attributes, tags, detail, keep: key.bind })), detail };
    } catch (thrown) {
      await key.drop();
      throw thrown;
    }
  }

  /** The version, when it may do this now. */
  async function usable(vault: Vault, name: string, version: string | undefined, operation: KeyOperation) {
    const found = keyVersion(await objects.get(vault, name, version));
    if (!found.enabled) throw vaultFailures.KeyDisabled(operation);
    if (!found.detail.operations.includes(operation)) throw vaultFailures.KeyOperationNotPermitted(operation);
    if (!readsOnly.has(operation)) refuseOutsideItsTimes(found, operation, clock.epochMs());
    return found;
  }

  const publicHalf = ({ detail }: KeyVersion): RsaPublicKey => importRsaPublicParts(detail);

  const refOf = (vault: Vault, { name, number, version }: KeyVersion): KeyRef => ({
    ...{ vault: vault.uniqueId, name, number, version },
  });

  return {
    async create(grant, vault, name, input) {
      const held = at(grant, vault);
      refuseUnserved(input.kty, input.release_policy);
      if (![undefined, null, 65_537].includes(input.public_exponent)) throw vaultFailures.exponent();
      // Everything that can be refused is, before seconds are spent on a key.
      operationsOf(input.key_ops);
      return await add(held, name, await custody.create(held.uniqueId, bitsOf(input.key_size ?? 2048)), input);
    },

    async import(grant, vault, name, input) {
      const held = at(grant, vault);
      refuseUnserved(input.key.kty, input.release_policy);
      if (input.Hsm === true) throw vaultFailures.noHardware();
      const key = await custody.import(held.uniqueId, partsOf(input.key));
      return await add(held, name, key, { ...input, key_ops: input.key_ops ?? input.key.key_ops });
    },

    async rotate(grant, vault, name) {
      const held = at(grant, vault);
      const present = keyVersion(await objects.get(held, name, undefined));
      const { bits, operations } = present.detail;
      return await add(held, name, await custody.create(held.uniqueId, bits), {
        key_ops: operations,
        tags: present.tags,
      });
    },

    get: async (grant, vault, name, version) => keyVersion(await objects.get(at(grant, vault), name, version)),

    async update(grant, vault, name, version, { attributes, tags, key_ops: wanted, release_policy: policy }) {
      if (policy !== undefined && policy !== null) refuseUnserved('RSA', policy);
      const updated = await objects.update(at(grant, vault), name, version, {
        attributes,
        tags,
        detail: (present) =>
          wanted === undefined || wanted === null
            ? present
            : // What `add` wrote is a KeyDetail.
              { ...(present as KeyDetail), operations: operationsOf(wanted) },
      });
      return keyVersion(updated);
    },

    list: async (grant, vault, query) => await objects.list(at(grant, vault), query),
    versions: async (grant, vault, name, query) => await objects.versions(at(grant, vault), name, query),
    remove: async (grant, vault, name) => await objects.remove(at(grant, vault), name),
    getDeleted: async (grant, vault, name) => await objects.getDeleted(at(grant, vault), name),
    listDeleted: async (grant, vault, query) => await objects.listDeleted(at(grant, vault), query),
    recover: async (grant, vault, name) => keyVersion(await objects.recover(at(grant, vault), name)),
    purge: async (grant, vault, name) => await objects.purge(at(grant, vault), name),

    async operate(grant, vault, { name, version: asked }, operation, { algorithm, value }) {
      const held = at(grant, vault);
      if (operation === 'sign') {
        if (!isOneOf(signatures, algorithm)) throw vaultFailures.unknownAlgorithm(operation, signatures);
        const version = await usable(held, name, asked, operation);
        return { version, value: await custody.sign(refOf(held, version), algorithm, value) };
      }
      if (!isOneOf(encryptions, algorithm)) throw vaultFailures.unknownAlgorithm(operation, encryptions);
      const version = await usable(held, name, asked, operation);
      if (operation === 'encrypt' || operation === 'wrapKey')
        return { version, value: asParameters(() => publicHalf(version).encrypt(algorithm, value)) };
      const opens = operation === 'decrypt' ? custody.decrypt : custody.unwrap;
      return { version, value: await opens(refOf(held, version), algorithm, value) };
    },

    async verify(grant, vault, { name, version: asked }, { algorithm, digest, signature }) {
      const held = at(grant, vault);
      if (!isOneOf(signatures, algorithm)) throw vaultFailures.unknownAlgorithm('verify', signatures);
      const version = await usable(held, name, asked, 'verify');
      return asParameters(() => publicHalf(version).verifyDigest(algorithm, digest, signature));
    },
  };
}

const encryptions = ['RSA-OAEP', 'RSA-OAEP-256'] as const satisfies readonly RsaEncryption[];
const signatures = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const satisfies readonly RsaSignature[];

/** What reads what was protected before: allowed outside the key's times, so that nothing is lost with the date. */
const readsOnly: ReadonlySet<KeyOperation> = new Set(['decrypt', 'unwrapKey', 'verify']);

/** Throws unless the key is valid now. */
export function refuseOutsideItsTimes(key: StoredVersion, operation: string, nowMs: number): void {
  const now = nowMs / 1000;
  if (key.notBefore !== undefined && now < key.notBefore) throw vaultFailures.KeyNotYetValid(operation, key.notBefore);
  if (key.expires !== undefined && now >= key.expires) throw vaultFailures.KeyExpired(operation, key.expires);
}

function partsOf(jwk: ImportedKey['key']): RsaPrivateParts {
  const { n, e, d, p, q, dp, dq, qi } = jwk;
  if (!n || !e || !d || !p || !q || !dp || !dq || !qi) throw vaultFailures.keyParts();
  return trimmed({ n, e, d, p, q, dp, dq, qi });
}

/** Clients pad numbers with zero bytes, and their text with `=`; a JSON web key has neither (RFC 7518, 2). */
function trimmed(parts: RsaPrivateParts): RsaPrivateParts {
  const trim = (text: string) => {
    const bytes = Buffer.from(text, 'base64url');
    const first = bytes.findIndex((byte) => byte !== 0);
    return bytes.subarray(Math.max(first, 0)).toString('base64url');
  };
  const { n, e, d, p, q, dp, dq, qi } = parts;
  return { n: trim(n), e: trim(e), d: trim(d), p: trim(p), q: trim(q), dp: trim(dp), dq: trim(dq), qi: trim(qi) };
}

function refuseUnserved(kty: string, releasePolicy: unknown): void {
  if (kty !== 'RSA') throw keyTypeNotServed(kty);
  if (releasePolicy !== undefined && releasePolicy !== null) throw vaultFailures.neverReleased();
}

function bitsOf(size: number): RsaBits {
  if (size === 2048 || size === 3072 || size === 4096) return size;
  throw vaultFailures.keySize();
}

function operationsOf(wanted: readonly string[] | null | undefined): readonly KeyOperation[] {
  if (wanted === undefined || wanted === null || wanted.length === 0) return keyOperations;
  const operations = new Set<KeyOperation>();
  for (const operation of wanted) {
    if (!isOneOf(keyOperations, operation)) throw vaultFailures.keyOperations(keyOperations);
    operations.add(operation);
  }
  return [...operations];
}

function isOneOf<T extends string>(list: readonly T[], value: string): value is T {
  return (list as readonly string[]).includes(value);
}

/** What `add` wrote is a KeyDetail. */
export function keyVersion(stored: StoredVersion): KeyVersion {
  return { ...stored, detail: stored.detail as KeyDetail };
}
