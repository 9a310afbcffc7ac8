// For the tests of this module: registries over real files, databases, data keys and tokens, behind the real door, with roles
// whose answers a test decides. Only tests import it.

import type { TestContext } from 'node:test';
import { sha256Hex } from '#kernel/crypto/digest';
import { Failure } from '#kernel/errors/failure';
import type { Quotas } from '#kernel/files/quota';
import type { Scheme } from '#kernel/http/surface';
import { silentLog } from '#kernel/log/log';
import { type Rule, testActor, testActs, testAudit, testAuthority } from '#kernel/testing/authority';
import { openTestDoor } from '#kernel/testing/door';
import { byteStoresOf, databasesOf } from '../../data-folder.ts';
import { createSigningKeys } from '../identity/signing-keys.service.ts';
import { createTokens, createVerifier } from '../identity/tokens.service.ts';
import { bearer, group, openGround, type Reply, type Send, sender } from '../storage/ground.fixture.ts';
import { createRegistry, mediaTypes, registryType } from './index.ts';
import type { Principals } from './tokens.service.ts';

export { code, customerKey, everythingIn, principal, type Send } from '../storage/ground.fixture.ts';

export const registryId = (name: string) => `${group}/providers/${registryType}/${name}`;
export const client = { id: '44444444-4444-4444-8444-444444444444', secret: 'a-client-secret' };
export const digestOf = (bytes: Uint8Array | string) => `sha256:${sha256Hex(bytes)}`;

export async function setUp(
  t: TestContext,
  allows: Rule = () => true,
  quotas?: Quotas,
  schemes: readonly Scheme[] = [],
) {
  const { make, stop, resources, files, dataDir, ...ground } = await openGround(t);
  const { dataKeys, clock, faults } = ground;
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
  type Person = Awaited<ReturnType<Principals['principalOf']>> & { readonly standing: string };
  const person: Person = {
    objectId: testActor.objectId,
    kind: 'user',
    name: testActor.name,
    clientId: undefined,
    standing: '1',
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
  const { grants, authorizer } = testAuthority(allows);
  const create = () =>
    createRegistry({
      ...(quotas === undefined ? {} : { quotas }),
      ...{ resources, dataKeys, grants, acts: testActs(grants), clock, tokens, faults },
      byteStores: byteStoresOf(dataDir, files),
      databases: databasesOf(dataDir, files),
      log: silentLog,
      domain: 'localhost:8443',
      schemes: [...schemes, bearer],
      principals: {
        async principalOf(objectId, standing) {
          const found = directory.get(String(objectId));
          if (found?.standing === standing && found !== undefined) return found;
          throw new Failure({ kind: 'unauthenticated', code: 'Withdrawn', message: 'It does not stand any more.' });
        },
        bySecret: async (clientId, secret) =>
          clientId === client.id && secret === client.secret
            ? { principal: application, standing: application.standing }
            : undefined,
      },
      tenantId: testActor.tenantId,
    });
  const made = create();
  stop(() => made.stop?.());
  const kind = made.kinds[0];
  if (kind === undefined) throw new Error('registry has no kind');
  const addRegistry = (name: string) => make(kind, { id: registryId(name), sku: { name: 'Premium' } });

  /** As after a crash: another module over the same folder, which knows nothing of what the first one had in memory. */
  async function restart() {
    await made.stop?.();
    const next = create();
    await next.start?.();
    stop(() => next.stop?.());
    return next;
  }

  const entry = await addRegistry('Reg01');
  return {
    ...ground,
    ...{ kind, directory, grants, authorizer, addRegistry, restart, entry, tokens },
    module: made,
    registry: made.registry,
    id: entry.id,
  };
}

/** The module behind the real door, with one registry `Reg01`. */
export async function openDoor(t: TestContext, allows?: Rule, quotas?: Quotas, schemes?: readonly Scheme[]) {
  const set = await setUp(t, allows, quotas, schemes);
  const audit = testAudit();
  const door = await openTestDoor({
    surfaces: set.module.surfaces ?? [],
    routes: set.module.routes ?? [],
    ports: { authorizer: set.authorizer, audit },
  });
  t.after(() => door.close());
  const port = Number(new URL(door.url).port);
  const send = sender(port);
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
