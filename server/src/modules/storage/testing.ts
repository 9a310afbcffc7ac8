// For the tests of this module: storage over real files, databases and data keys, with accounts and containers in it, in
// process and behind the real door. Only tests import it.

import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import type { Actor } from '#kernel/authority/actor';
import { randomBytes } from '#kernel/crypto/random';
import { Failure } from '#kernel/errors/failure';
import type { Quotas } from '#kernel/files/quota';
import type { Scheme, Surface } from '#kernel/http/surface';
import { type Rule, testAudit, testAuthority, testGrant } from '#kernel/testing/authority';
import { openTestDoor } from '#kernel/testing/door';
import { byteStoresOf, databasesOf } from '../../data-folder.ts';
import { bearer, type Setting as Ground, group, openGround, sender } from './ground.fixture.ts';
import { accountType, createStorage, type ReservedIn } from './index.ts';
import { containerScope } from './scopes.rules.ts';

export {
  type Asked,
  bearer,
  code,
  customerKey,
  everythingIn,
  principal,
  type Reply,
  sender,
} from './ground.fixture.ts';

export const accountId = (name: string) => `${group}/providers/${accountType}/${name}`;

export type Setting = Ground & {
  readonly openMax?: number;
  readonly quotas?: Quotas;
  /** What callers may, at the door and where they ask for a further permission. */
  readonly allows?: Rule;
  /** Told of every header and query parameter (`?name`) that is looked at after the caller proved who he is. */
  readonly looksAt?: (name: string) => void;
  readonly reservedIn?: ReservedIn;
  /** Who sends a request to the blob surface, instead of the one of the tests. */
  readonly actor?: () => Actor;
};

export async function setUp(t: TestContext, setting: Setting = {}) {
  const { make, stop, resources, files, dataDir, ...ground } = await openGround(t, setting);
  const { grants, authorizer } = testAuthority(setting.allows);
  const storage = createStorage({
    ...{ resources, grants, dataKeys: ground.dataKeys, clock: ground.clock, faults: ground.faults },
    byteStores: byteStoresOf(dataDir, files),
    databases: databasesOf(dataDir, files),
    domain: 'localhost:8443',
    schemes: [
      setting.actor
        ? { name: 'test', authenticate: setting.actor }
        : setting.looksAt
          ? watching(setting.looksAt)
          : bearer,
    ],
    addresses: noSignatures,
    authority: 'https://localhost:8443/tenant',
    reservedIn: setting.reservedIn ?? (() => undefined),
    ...(setting.openMax === undefined ? {} : { openMax: setting.openMax }),
    ...(setting.quotas === undefined ? {} : { quotas: setting.quotas }),
  });
  stop(() => storage.stop?.());
  const kind = storage.kinds[0];
  if (kind === undefined) throw new Error('storage has no kind');
  return {
    ...ground,
    ...{ storage, kind, grants, authorizer },
    blobsFolder: (uniqueId: string) => join(dataDir, 'storage', uniqueId, 'blobs'),
    blobs: storage.blobs,
    addAccount: (name: string, uniqueId?: string) =>
      make(kind, { id: accountId(name), ...(uniqueId === undefined ? {} : { uniqueId }) }),
  };
}

/** An account with one container, and a grant for exactly that container. */
export async function setUpContainer(t: TestContext, setting: Setting = {}) {
  const set = await setUp(t, setting);
  const account = await set.addAccount('acct1');
  const grant = testGrant({ scope: containerScope({ account: account.id, container: 'data' }) });
  await set.blobs.ensureContainer(grant, account.id, 'data');
  const ref = (name: string) => ({ account: account.id, container: 'data', name });
  return { ...set, account, grant, ref };
}

export async function readAll(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer); // binary streams give buffers
  return Buffer.concat(chunks);
}

/** Bytes that do not compress and that no other call gives. */
export function bytesOf(length: number): Buffer {
  const out = Buffer.alloc(length);
  for (let at = 0; at < length; at += 65_536) out.set(randomBytes(Math.min(65_536, length - at)), at);
  return out;
}

/** What identity's scheme does with a signature that is not its own. */
export const noSignatures: Scheme = {
  name: 'signed address',
  authenticate(exchange) {
    if (exchange.target.query.get('sig') === undefined) return undefined;
    throw new Failure({ kind: 'unauthenticated', code: 'InvalidAuthenticationToken', message: 'Not signed here.' });
  },
};

/** The credential of the tests; from then on the exchange tells what is asked of it. */
const watching = (looksAt: (name: string) => void): Scheme => ({
  name: 'bearer',
  async authenticate(exchange) {
    const { header, target } = exchange;
    const { query } = target;
    const told = {
      header(name: string) {
        looksAt(name);
        return header(name);
      },
      target: {
        ...target,
        query: {
          ...query,
          get(name: string) {
            looksAt(`?${name}`);
            return query.get(name);
          },
          all(name: string) {
            looksAt(`?${name}`);
            return query.all(name);
          },
        },
      },
    };
    const actor = await bearer.authenticate(exchange);
    Object.assign(exchange, told);
    return actor;
  },
});

/** Stands for the surface of the management API. */
const arm: Surface = {
  name: 'arm',
  ignoresCase: true,
  collapsesSlashes: true,
  recognise: (target) => (target.segments[0] === 'subscriptions' ? target.segments : undefined),
  schemes: [bearer],
  render: (failure) => ({ status: failure.status, body: { error: { code: failure.code, message: failure.message } } }),
};

/** The module behind the real door; requests carry a credential and name the host that a client would. */
export async function openDoor(t: TestContext, setting: Setting = {}) {
  const set = await setUp(t, setting);
  const account = await set.addAccount('acct1');
  await set.addAccount('other');
  const audit = testAudit();
  const door = await openTestDoor({
    surfaces: [arm, ...(set.storage.surfaces ?? [])],
    routes: set.storage.routes ?? [],
    ports: { authorizer: set.authorizer, audit },
  });
  t.after(() => door.close());
  const port = Number(new URL(door.url).port);
  const send = sender(port);
  return { ...set, account, audit, send, port };
}
