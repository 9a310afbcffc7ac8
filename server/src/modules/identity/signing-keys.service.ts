// The RSA keys that sign every token. A new key is published a day before it signs, so that whoever cached the key set
// knows it in time, and an old one is published until nothing that it signed can be valid. Private halves rest sealed in
// the secret store and are in memory while the server runs; they never leave in an answer.

import { type CryptoKey, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import { identityFailures } from './identity.errors.ts';

/** Where small secrets rest, sealed. */
export type SecretStore = {
  get(name: string): Promise<Uint8Array | undefined>;
  put(name: string, bytes: Uint8Array): Promise<void>;
};

export type PublicKey = {
  readonly kty: 'RSA';
  readonly use: 'sig';
  readonly alg: 'RS256';
  readonly kid: string;
  readonly n: string;
  readonly e: string;
};

export type SigningKeys = {
  /** The key that signs now. Makes the first key, and the next one when it is time. */
  current(): Promise<{ readonly kid: string; readonly privateJwk: JWK; readonly privateKey: CryptoKey }>;
  /** Every key whose signatures are accepted, newest first. */
  all(): Promise<readonly PublicKey[]>;
  /** The verifying half of one of `all`; undefined for a kid that is not ours. */
  find(kid: string): Promise<CryptoKey | undefined>;
};

type Stored = { readonly kid: string; readonly activeFromMs: number; readonly privateJwk: JWK };
type Key = Stored & { readonly privateKey: CryptoKey; readonly publicKey: CryptoKey; readonly publicJwk: PublicKey };

const secretName = 'token-signing-keys';
const dayMs = 86_400_000;
/** Longer than the longest lifetime of a token (`tokens.service.ts`). */
const overlapMs = 8 * dayMs;
const publishedAheadMs = dayMs;

export function createSigningKeys(options: {
  readonly secretStore: SecretStore;
  readonly clock: Clock;
  /** 30 by default. */
  readonly rotationDays?: number;
}): SigningKeys {
  const { secretStore, clock } = options;
  const rotationMs = (options.rotationDays ?? 30) * dayMs;
  let keys: readonly Key[] | undefined;
  let working: Promise<readonly Key[]> | undefined;

  async function load(): Promise<readonly Key[]> {
    const bytes = await secretStore.get(secretName);
    if (bytes === undefined) return [];
    return await Promise.all(readStored(bytes).map(open));
  }

  /** Oldest first: retires what is over, makes what is due, and stores the list if it changed. */
  async function refresh(): Promise<readonly Key[]> {
    const now = clock.epochMs();
    const present = keys ?? (await load());
    // A key is over when its successor has signed for longer than any token lives.
    const kept = present.filter((_, at) => {
      const successor = present[at + 1];
      return successor === undefined || successor.activeFromMs + overlapMs > now;
    });
    const newest = kept[kept.length - 1];
    const due = newest === undefined || newest.activeFromMs + rotationMs - publishedAheadMs <= now;
    if (!due && kept.length === present.length) return present;
    const next = due ? [...kept, await generate(newest === undefined ? now : now + publishedAheadMs)] : kept;
    const stored = next.map(({ kid, activeFromMs, privateJwk }) => ({ kid, activeFromMs, privateJwk }));
    // Durable before it signs: a key that is lost at the next crash would leave tokens that nobody can verify.
    await secretStore.put(secretName, new TextEncoder().encode(JSON.stringify(stored)));
    return next;
  }

  async function ready(): Promise<readonly Key[]> {
    const now = clock.epochMs();
    const newest = keys?.[keys.length - 1];
    const [first, second] = keys ?? [];
    const settled =
      newest !== undefined &&
      newest.activeFromMs + rotationMs - publishedAheadMs > now &&
      !(first && second && second.activeFromMs + overlapMs <= now);
    if (keys && settled) return keys;
    working ??= refresh().finally(() => {
      working = undefined;
    });
    keys = await working;
    return keys;
  }

  return {
    async current() {
      const now = clock.epochMs();
      const all = await ready();
      const key = all.findLast((one) => one.activeFromMs <= now) ?? all[0];
      if (key === undefined) throw new Error('no signing key was made');
      return key;
    },
    all: async () => (await ready()).map((key) => key.publicJwk).reverse(),
    find: async (kid) => (await ready()).find((key) => key.kid === kid)?.publicKey,
  };
}

async function generate(activeFromMs: number): Promise<Key> {
  const { privateKey } = await generateKeyPair('RS256', { modulusLength: 3072, extractable: true });
  const kid = randomUuid();
  return await open({
    kid,
    activeFromMs,
    privateJwk: { ...(await exportJWK(privateKey)), kid, alg: 'RS256', use: 'sig' },
  });
}

async function open(stored: Stored): Promise<Key> {
  const { n, e } = stored.privateJwk;
  if (n === undefined || e === undefined) throw identityFailures.SigningKeysDamaged();
  const publicJwk: PublicKey = { kty: 'RSA', use: 'sig', alg: 'RS256', kid: stored.kid, n, e };
  const [privateKey, publicKey] = [await importJWK(stored.privateJwk), await importJWK(publicJwk)];
  if (privateKey instanceof Uint8Array || publicKey instanceof Uint8Array) throw identityFailures.SigningKeysDamaged();
  return { ...stored, publicJwk, privateKey, publicKey };
}

function readStored(bytes: Uint8Array): readonly Stored[] {
  const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
  if (!Array.isArray(value)) throw identityFailures.SigningKeysDamaged();
  return value.map((one: Partial<Stored>) => {
    if (typeof one.kid !== 'string' || typeof one.activeFromMs !== 'number' || one.privateJwk?.kty !== 'RSA')
      throw identityFailures.SigningKeysDamaged();
    return { kid: one.kid, activeFromMs: one.activeFromMs, privateJwk: one.privateJwk };
  });
}
