// For tests of modules that keep sealed stores: real files, databases and data keys in a temporary folder, with a vault whose
// answer a test decides and resources that a test makes through the kind itself; and what they look and ask with.

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createActor } from '#kernel/authority/actor';
import { createTestClock } from '#kernel/clock/test-clock';
import { randomUuid } from '#kernel/crypto/random';
import { Failure } from '#kernel/errors/failure';
import { type Faults, noFaults } from '#kernel/files/faults';
import { createFiles } from '#kernel/files/files';
import type { Scheme } from '#kernel/http/surface';
import type { KeyWrapper } from '#kernel/sealing/data-keys';
import { createDataKeys, dataKeyMigrations } from '#kernel/sealing/data-keys.service';
import { openRootKeyFile } from '#kernel/sealing/root-key-file';
import { testActor, testGrant } from '#kernel/testing/authority';
import { testDatabases } from '#kernel/testing/databases';
import type { Properties, Resource, ResourceKind, Resources } from '#resources';

export const group = '/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg';
export const principal = { objectId: '33333333-3333-4333-8333-333333333333', name: 'ws' };
export const customerKey = { kind: 'vault', keyIdentifier: 'https://v.vault.localhost/keys/k/1', principal } as const;

export const code = (expected: string) => (error: unknown) => error instanceof Failure && error.code === expected;

/** Takes `Bearer test` for the test's actor. */
const { authentication, ...person } = testActor;
/** The same person, signed in with a second factor. */
export const secondFactor = createActor({
  ...person,
  ...authentication,
  facts: { methods: ['pwd', 'otp', 'mfa'], at: 1_700_000_000, from: '192.0.2.7' },
});

export const bearer: Scheme = {
  name: 'bearer',
  authenticate(exchange) {
    const header = exchange.header('authorization');
    if (header === 'Bearer test') return testActor;
    return header === 'Bearer second-factor' ? secondFactor : undefined;
  },
};

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

export type Setting = { readonly folder?: string; readonly faults?: Faults };

/** Closed after the test, behind what `stop` stops. */
export async function openGround(t: TestContext, setting: Setting = {}) {
  const folder = setting.folder ?? (await mkdtemp(join(tmpdir(), 'strongroom-sealed-')));
  if (setting.folder === undefined) t.after(() => rm(folder, { recursive: true, force: true }));
  // Faults can be set after everything stands.
  const seam = { faults: setting.faults ?? noFaults };
  const faults: Faults = (point) => seam.faults(point);
  const files = createFiles({ faults });
  const control = await testDatabases(folder).open('control', [dataKeyMigrations], { key: new Uint8Array(32).fill(3) });
  const dataDir = join(folder, 'data');
  const rootKey = await openRootKeyFile({ file: join(folder, 'root.key'), dataFolder: dataDir, files: createFiles() });
  const clock = createTestClock();
  const { vault, wrapper } = createVault();
  const dataKeys = createDataKeys({ database: control, rootKey, wrapper: () => wrapper, clock });
  const stored = new Map<string, Resource>();
  const stops: (() => Promise<void> | undefined)[] = [];
  t.after(async () => {
    for (const stop of stops) await stop();
    dataKeys.close();
    await control.close();
  });

  /** Makes a resource as the manager would: the kind's own rules, then its creation. */
  async function make(
    kind: ResourceKind,
    made: { readonly id: string; readonly sku?: Resource['sku']; readonly uniqueId?: string },
  ): Promise<Resource> {
    const { id, sku, uniqueId = randomUuid() } = made;
    const bare = { location: 'local', tags: {}, kind: undefined, sku, identity: undefined, properties: {} };
    const draft = { ...bare, properties: kind.normalise?.(bare, undefined) ?? {} };
    const at = { createdAt: '', createdBy: '', createdByType: 'User' } as const;
    const resource: Resource = {
      ...draft,
      ...{ id, name: id.slice(id.lastIndexOf('/') + 1), type: kind.type, uniqueId },
      ...{ provisioningState: 'Succeeded', etag: '"1"' },
      systemData: { ...at, lastModifiedAt: '', lastModifiedBy: '', lastModifiedByType: 'User' },
    };
    await kind.validate?.(testGrant(), draft, undefined, id);
    const kept = await kind.create?.(testGrant(), resource);
    const whole = { ...resource, properties: { ...resource.properties, ...kept } };
    stored.set(id, whole);
    return whole;
  }

  return {
    ...{ folder, dataDir, files, faults, seam, dataKeys, clock, vault, stored, make },
    resources: resourcesOver(stored),
    stop: (act: () => Promise<void> | undefined) => void stops.push(act),
  };
}

/** The few functions of the resource manager that these modules call, over the resources that the test made. */
function resourcesOver(stored: Map<string, Resource>): Resources {
  const refuse = () => Promise.reject(new Error('no module with sealed stores calls this'));
  return {
    get: refuse,
    create: refuse,
    find: refuse,
    put: refuse,
    check: refuse,
    remove: refuse,
    list: async () => [...stored.values()],
    async *each() {
      yield* [...stored.values()];
    },
    async change(_grant, id: string, change: (properties: Properties) => Properties) {
      const resource = stored.get(id);
      if (resource === undefined) throw new Error('no such resource');
      const changed = { ...resource, properties: change(resource.properties) };
      stored.set(id, changed);
      return changed;
    },
  };
}

/** Every file below a folder with its content, names included: where a canary must not be found. */
export async function everythingIn(
  folder: string,
): Promise<readonly { readonly path: string; readonly bytes: Buffer }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return await Promise.all(paths.map(async (path) => ({ path, bytes: await readFile(path) })));
}

export type Reply = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: Buffer };
export type Asked = {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** What stands in the Authorization header; undefined is the test's actor, and empty is none. */
  readonly authorization?: string;
  readonly host?: string;
};
export type Send = (method: string, path: string, asked?: Asked) => Promise<Reply>;

/** Sends requests to a door on this port; they carry a credential and name the host that a client would. */
export function sender(port: number): Send {
  return (method, path, asked = {}) =>
    new Promise<Reply>((resolve, reject) => {
      const body = asked.body === undefined ? undefined : Buffer.from(asked.body);
      const authorization = asked.authorization ?? 'Bearer test';
      const headers = {
        host: asked.host ?? 'localhost:8443',
        ...(authorization === '' ? {} : { authorization }),
        ...(body === undefined ? {} : { 'content-length': String(body.length) }),
        ...asked.headers,
      };
      const sent = request({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
        );
      });
      sent.on('error', reject);
      sent.end(body);
    });
}
