// For the tests of this module: registries on real files, databases, data keys and tokens in a temporary folder, behind the
// real door, with a vault and roles whose answers a test decides. Only tests import it.

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createTestClock } from '#kernel/clock/test-clock';
import { sha256Hex } from '#kernel/crypto/digest';
import { randomUuid } from '#kernel/crypto/random';
import { openDatabase } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { createFiles } from '#kernel/files/files';
import type { Scheme } from '#kernel/http/surface';
import type { KeyWrapper } from '#kernel/sealing/data-keys';
import { createDataKeys, dataKeyMigrations } from '#kernel/sealing/data-keys.service';
import { openRootKeyFile } from '#kernel/sealing/root-key';
import { type Rule, testActor, testAudit, testAuthority, testGrant } from '#kernel/testing/authority';
import { openTestDoor } from '#kernel/testing/door';
import type { Draft, Properties, Resource, Resources } from '#resources';
import { decideWithinBounds } from '../access/bounds.ts';
import { createSigningKeys } from '../identity/signing-keys.ts';
import { createTokens, createVerifier } from '../identity/tokens.ts';
import { createRegistry, mediaTypes, registryType } from './index.ts';
import type { Principals } from './tokens.ts';

const group = '/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg';
export const registryId = (name: string) => `${group}/providers/${registryType}/${name}`;
export const principal = { objectId: '33333333-3333-4333-8333-333333333333', name: 'ws' };
export const customerKey = { kind: 'vault', keyIdentifier: 'https://v.vault.localhost/keys/k/1', principal } as const;
export const client = { id: '44444444-4444-4444-8444-444444444444', secret: 'a-client-secret' };

export const code = (expected: string) => (error: unknown) => error instanceof Failure && error.code === expected;
export const digestOf = (bytes: Uint8Array | string) => `sha256:${sha256Hex(bytes)}`;

/** Takes `Bearer test` for the test's actor. */
const bearer: Scheme = {
  name: 'bearer',
  authenticate: (exchange) => (exchange.header('authorization') === 'Bearer test' ? testActor : undefined),
};

export async function setUp(t: TestContext, allows: Rule = () => true) {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-registry-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const control = await openDatabase({
    path: join(folder, 'control.db'),
    key: new Uint8Array(32).fill(3),
    migrations: [dataKeyMigrations],
  });
  const files = createFiles();
  const rootKey = await openRootKeyFile({ file: join(folder, 'root.key'), dataFolder: join(folder, 'data'), files });
  const clock = createTestClock();
  const vault = { refusal: undefined as Failure | undefined };
  const mask = async (bytes: Uint8Array) => {
    if (vault.refusal) throw vault.refusal;
    return bytes.map((byte) => byte ^ 0x5a);
  };
  const wrapper: KeyWrapper = { wrap: (_ref, bytes) => mask(bytes), unwrap: (_ref, bytes) => mask(bytes) };
  const dataKeys = createDataKeys({ database: control, rootKey, wrapper: () => wrapper, clock });
  const secrets = new Map<string, Uint8Array>();
  const signingKeys = createSigningKeys({
    clock,
    secretStore: {
      get: async (name) => secrets.get(name),
      put: async (name, bytes) => void secrets.set(name, bytes),
    },
  });
  const verifier = createVerifier({ signingKeys, clock });
  const revocations = { load: async () => {}, isRevoked: () => false, revoke: async () => {}, sweep: async () => {} };
  const tokens = createTokens({ signingKeys, verifier, revocations, clock, issuer: () => 'urn:test' });
  type Person = Awaited<ReturnType<Principals['findPrincipal']>> & {};
  const person: Person = {
    objectId: testActor.objectId,
    kind: 'user',
    name: testActor.name,
    enabled: true,
    clientId: undefined,
    credentialsFrom: 0,
  };
  const application: Person = {
    ...person,
    objectId: client.id,
    kind: 'application',
    name: 'app',
    clientId: client.id,
  } as const;
  const directory = new Map<string, Person>([
    [person.objectId, person],
    [application.objectId, application],
  ]);
  const stored = new Map<string, Resource>();
  // Bounds are judged by the code that judges them in the server; the rest is the test's rule.
  const rule: Rule = (action, scope, actor) =>
    actor.bounds
      ? decideWithinBounds(actor, { name: action, plane: 'control' }, scope).allowed
      : allows(action, scope, actor);
  const { grants, authorizer } = testAuthority(rule);
  const create = () =>
    createRegistry({
      dataDir: join(folder, 'data'),
      ...{ files, dataKeys, grants, clock, tokens },
      resources: resourcesOver(stored),
      domain: 'localhost:8443',
      schemes: [bearer],
      principals: {
        findPrincipal: async (objectId) => directory.get(objectId),
        findByClientId: async (clientId) => directory.get(clientId),
        isSecret: async (clientId, secret) => clientId === client.id && secret === client.secret,
      },
      tenantId: testActor.tenantId,
    });
  const made = create();
  t.after(async () => {
    await made.stop?.();
    dataKeys.close();
    await control.close();
  });
  const kind = made.kinds[0];
  if (kind === undefined) throw new Error('registry has no kind');

  async function addRegistry(name: string): Promise<Resource> {
    const id = registryId(name);
    const bare: Draft = {
      location: 'local',
      tags: {},
      kind: undefined,
      sku: { name: 'Premium' },
      identity: undefined,
      properties: {},
    };
    const draft = { ...bare, properties: kind?.normalise?.(bare, undefined) ?? {} };
    const at = { createdAt: '', createdBy: '', createdByType: 'User' } as const;
    const resource: Resource = {
      ...draft,
      ...{ id, name, type: registryType, provisioningState: 'Succeeded', etag: '"1"', uniqueId: randomUuid() },
      systemData: { ...at, lastModifiedAt: '', lastModifiedBy: '', lastModifiedByType: 'User' },
    };
    await kind?.validate?.(testGrant(), draft, undefined, id);
    const kept = await kind?.create?.(testGrant(), resource);
    const whole = { ...resource, properties: { ...resource.properties, ...kept } };
    stored.set(id, whole);
    return whole;
  }

  /** As after a crash: another module over the same folder, which knows nothing of what the first one had in memory. */
  async function restart() {
    await made.stop?.();
    const next = create();
    await next.start?.();
    t.after(() => next.stop?.());
    return next;
  }

  const entry = await addRegistry('Reg01');
  return {
    folder,
    module: made,
    registry: made.registry,
    kind,
    dataKeys,
    clock,
    vault,
    stored,
    directory,
    grants,
    authorizer,
    addRegistry,
    restart,
    entry,
    id: entry.id,
    tokens,
  };
}

/** The few functions of the resource manager that this module calls, over the resources that the test made. */
function resourcesOver(stored: Map<string, Resource>): Resources {
  const refuse = () => Promise.reject(new Error('registry does not call this'));
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

/** Every file below a folder with its content: where a canary must not be found. */
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

/** The module behind the real door, with one registry `Reg01`. */
export async function openDoor(t: TestContext, allows?: Rule) {
  const set = await setUp(t, allows);
  const audit = testAudit();
  const door = await openTestDoor({
    surfaces: set.module.surfaces ?? [],
    routes: set.module.routes ?? [],
    ports: { authorizer: set.authorizer, audit },
  });
  t.after(() => door.close());
  const port = Number(new URL(door.url).port);
  const send: Send = (method, path, asked = {}) =>
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
  return { ...set, audit, send, port };
}

/** Pushes a blob at once and answers its digest. */
export async function pushBlob(send: Send, name: string, content: Uint8Array | string): Promise<string> {
  const digest = digestOf(content);
  const { status, body } = await send('POST', `/v2/${name}/blobs/uploads/?digest=${digest}`, { body: content });
  if (status !== 201) throw new Error(`push of a blob answered ${status}: ${body.toString()}`);
  return digest;
}

export const descriptor = (content: Uint8Array | string, mediaType = 'application/octet-stream') => ({
  mediaType,
  digest: digestOf(content),
  size: Buffer.from(content).length,
});

/** A manifest over a config and layers, as bytes. */
export const manifestOf = (config: string, layers: readonly string[], more: object = {}): Buffer =>
  Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: descriptor(config, 'application/vnd.oci.image.config.v1+json'),
      layers: layers.map((layer) => descriptor(layer, 'application/vnd.oci.image.layer.v1.tar')),
      ...more,
    }),
  );

export const codesIn = (reply: Reply): readonly string[] =>
  (JSON.parse(reply.body.toString()) as { errors: { code: string }[] }).errors.map((error) => error.code);
