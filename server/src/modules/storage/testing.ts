// For the tests of this module: storage on real files, databases and data keys in a temporary folder, with a vault whose
// answer a test decides. Accounts are made through the resource kind itself. Only tests import it.

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { createTestClock } from '#kernel/clock/test-clock';
import { randomBytes, randomUuid } from '#kernel/crypto/random';
import { openDatabase } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { type Faults, noFaults } from '#kernel/files/faults';
import { createFiles } from '#kernel/files/files';
import type { Scheme, Surface } from '#kernel/http/surface';
import type { KeyWrapper } from '#kernel/sealing/data-keys';
import { createDataKeys, dataKeyMigrations } from '#kernel/sealing/data-keys.service';
import { openRootKeyFile } from '#kernel/sealing/root-key';
import { type Rule, testActor, testAudit, testAuthority, testGrant } from '#kernel/testing/authority';
import { openTestDoor } from '#kernel/testing/door';
import type { Properties, Resource, Resources } from '#resources';
import { createStorage } from './index.ts';
import { containerScope } from './scopes.ts';

const group = '/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg';
export const accountId = (name: string) => `${group}/providers/Microsoft.Storage/storageAccounts/${name}`;
export const principal = { objectId: '33333333-3333-4333-8333-333333333333', name: 'ws' };
export const customerKey = { kind: 'vault', keyIdentifier: 'https://v.vault.localhost/keys/k/1', principal } as const;

export const code = (expected: string) => (error: unknown) => error instanceof Failure && error.code === expected;

/** A vault that wraps by masking; `refusal` is what it throws. */
function createVault() {
  const vault = { refusal: undefined as Failure | undefined };
  const mask = async (bytes: Uint8Array) => {
    if (vault.refusal) throw vault.refusal;
    return bytes.map((byte) => byte ^ 0x5a);
  };
  const wrapper: KeyWrapper = { wrap: (_ref, bytes) => mask(bytes), unwrap: (_ref, bytes) => mask(bytes) };
  return { vault, wrapper };
}

export type Setting = { readonly folder?: string; readonly openMax?: number; readonly faults?: Faults };

export async function setUp(t: TestContext, setting: Setting = {}) {
  const folder = setting.folder ?? (await mkdtemp(join(tmpdir(), 'strongroom-storage-')));
  if (setting.folder === undefined) t.after(() => rm(folder, { recursive: true, force: true }));
  const control = await openDatabase({
    path: join(folder, 'control.db'),
    key: new Uint8Array(32).fill(3),
    migrations: [dataKeyMigrations],
  });
  const rootKey = await openRootKeyFile({
    file: join(folder, 'root.key'),
    dataFolder: join(folder, 'data'),
    files: createFiles(),
  });
  const clock = createTestClock();
  const { vault, wrapper } = createVault();
  const dataKeys = createDataKeys({ database: control, rootKey, wrapper: () => wrapper, clock });
  // Faults can be set after the setting stands.
  const seam = { faults: setting.faults ?? noFaults };
  const faults: Faults = (point) => seam.faults(point);
  const files = createFiles({ faults });
  const stored = new Map<string, Resource>();
  const { grants, authorizer } = testAuthority();
  const storage = createStorage({
    dataDir: join(folder, 'data'),
    files,
    dataKeys,
    resources: resourcesOver(stored),
    grants,
    clock,
    domain: 'localhost:8443',
    schemes: [bearer],
    addresses: noSignatures,
    authority: 'https://localhost:8443/tenant',
    faults,
    ...(setting.openMax === undefined ? {} : { openMax: setting.openMax }),
  });
  t.after(async () => {
    await storage.stop?.();
    dataKeys.close();
    await control.close();
  });
  const kind = storage.kinds[0];
  if (kind === undefined) throw new Error('storage has no kind');

  async function addAccount(name: string, uniqueId: string = randomUuid()): Promise<Resource> {
    const id = accountId(name);
    const draft = { location: 'local', tags: {}, kind: undefined, sku: undefined, identity: undefined, properties: {} };
    const resource: Resource = {
      ...draft,
      id,
      name,
      type: 'Microsoft.Storage/storageAccounts',
      provisioningState: 'Succeeded',
      etag: '"1"',
      systemData: {
        createdAt: '',
        createdBy: '',
        createdByType: 'User',
        lastModifiedAt: '',
        lastModifiedBy: '',
        lastModifiedByType: 'User',
      },
      uniqueId,
      properties: kind?.normalise?.(draft, undefined) ?? {},
    };
    const grant = testGrant();
    await kind?.validate?.(grant, { ...draft, properties: resource.properties }, undefined, id);
    const kept = await kind?.create?.(grant, resource);
    const made = { ...resource, properties: { ...resource.properties, ...kept } };
    stored.set(id, made);
    return made;
  }

  return {
    folder,
    blobsFolder: (uniqueId: string) => join(folder, 'data', 'storage', uniqueId, 'blobs'),
    storage,
    blobs: storage.blobs,
    kind,
    dataKeys,
    clock,
    vault,
    seam,
    stored,
    grants,
    authorizer,
    addAccount,
  };
}

/** Takes `Bearer test` for the test's actor. */
export const bearer: Scheme = {
  name: 'bearer',
  authenticate: (exchange) => (exchange.header('authorization') === 'Bearer test' ? testActor : undefined),
};

/** An account with one container, and a grant for exactly that container. */
export async function setUpContainer(t: TestContext, setting: Setting = {}) {
  const set = await setUp(t, setting);
  const account = await set.addAccount('acct1');
  const grant = testGrant({ scope: containerScope({ account: account.id, container: 'data' }) });
  await set.blobs.ensureContainer(grant, account.id, 'data');
  const ref = (name: string) => ({ account: account.id, container: 'data', name });
  return { ...set, account, grant, ref };
}

/** The few functions of the resource manager that storage calls, over the resources that the test made. */
function resourcesOver(stored: Map<string, Resource>): Resources {
  const refuse = () => Promise.reject(new Error('storage does not call this'));
  return {
    get: refuse,
    find: refuse,
    put: refuse,
    remove: refuse,
    list: async () => [...stored.values()],
    async change(_grant, id: string, change: (properties: Properties) => Properties) {
      const resource = stored.get(id);
      if (resource === undefined) throw new Error('no such resource');
      const changed = { ...resource, properties: change(resource.properties) };
      stored.set(id, changed);
      return changed;
    },
  };
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

/** Every file below a folder with its content, names included: where a canary must not be found. */
export async function everythingIn(
  folder: string,
): Promise<readonly { readonly path: string; readonly bytes: Buffer }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async (entry) => ({
        path: join(entry.parentPath, entry.name),
        bytes: await readFile(join(entry.parentPath, entry.name)),
      })),
  );
}

/** What identity's scheme does with a signature that is not its own. */
export const noSignatures: Scheme = {
  name: 'signed address',
  authenticate(exchange) {
    if (exchange.target.query.get('sig') === undefined) return undefined;
    throw new Failure({ kind: 'unauthenticated', code: 'InvalidAuthenticationToken', message: 'Not signed here.' });
  },
};

/** Stands for the surface of the management API. */
const arm: Surface = {
  name: 'arm',
  ignoresCase: true,
  collapsesSlashes: true,
  recognise: (target) => (target.segments[0] === 'subscriptions' ? target.segments : undefined),
  schemes: [bearer],
  render: (failure) => ({ status: failure.status, body: { error: { code: failure.code, message: failure.message } } }),
};

export type Reply = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: Buffer };
export type Asked = {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
  readonly host?: string;
  /** Leaves the credential out. */
  readonly anonymous?: boolean;
};

/** Sends requests to a door on this port; they carry a credential and name the host that a client would. */
export function sender(port: number): (method: string, path: string, asked?: Asked) => Promise<Reply> {
  return (method, path, asked = {}) =>
    new Promise<Reply>((resolve, reject) => {
      const body = asked.body === undefined ? undefined : Buffer.from(asked.body);
      const sent = request(
        {
          host: '127.0.0.1',
          port,
          method,
          path,
          headers: {
            host: asked.host ?? 'localhost:8443',
            ...(asked.anonymous ? {} : { authorization: 'Bearer test' }),
            ...(body === undefined ? {} : { 'content-length': String(body.length) }),
            ...asked.headers,
          },
        },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('error', reject);
          answer.on('end', () =>
            resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
          );
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
}

/** The module behind the real door; requests carry a credential and name the host that a client would. */
export async function openDoor(t: TestContext, setting: Setting & { readonly allows?: Rule } = {}) {
  const set = await setUp(t, setting);
  const account = await set.addAccount('acct1');
  await set.addAccount('other');
  const audit = testAudit();
  const door = await openTestDoor({
    surfaces: [arm, ...(set.storage.surfaces ?? [])],
    routes: set.storage.routes ?? [],
    ports: { authorizer: testAuthority(setting.allows).authorizer, audit },
  });
  t.after(() => door.close());
  const port = Number(new URL(door.url).port);
  const send = sender(port);
  return { ...set, account, audit, send, port };
}
