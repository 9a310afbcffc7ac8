// For tests that cut across: one whole server as an operator starts it, on a free port and a folder of its own, with
// principals of chosen roles. Nothing is replaced: real keys, databases, TLS and tokens.

import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { builtInRoles } from '#access';
import { silentLog } from '#kernel/log/log';
import { type RunningServer, startServer } from '../src/main.ts';
import { type Config, readConfig } from '../src/settings.ts';
import { type Client, type Credentials, createClient, type Reply } from './client.fixture.ts';

/** What the first start tells programs, in its file. */
export type FirstStart = {
  readonly url: string;
  readonly caFile: string;
  readonly tenantId: string;
  readonly subscriptionId: string;
  readonly location: string;
  readonly administrator: { readonly userName: string; readonly password: string };
  readonly application: { readonly clientId: string; readonly clientSecret: string; readonly objectId: string };
};

export type Principal = Credentials & { readonly objectId: string };

/** A client and what it needs to know of the server: the same for a server in this process and for one of its own. */
export type World = Client & {
  readonly subscriptionId: string;
  readonly tenantId: string;
  readonly location: string;
  readonly domain: string;
  /** The application of the first start: Owner of the subscription. */
  readonly owner: Principal;
  /** Its token for the resource manager. */
  ownerToken(): Promise<string>;
  /** A new application with these built-in roles at this scope (the subscription when left out). */
  principal(roles: readonly string[], scope?: string): Promise<Principal>;
  grant(objectId: string, role: string, scope: string): Promise<void>;
  /** The audience that a surface's clients ask tokens for. */
  audience(surface: string): string;
  group(name: string): Promise<string>;
};

export type Bench = World & {
  readonly folder: string;
  readonly dataDir: string;
  readonly server: RunningServer;
  close(): Promise<void>;
};

const nodeRoles = new Map(builtInRoles.map((role) => [role.roleName, role.id]));
const must = (reply: Reply, what: string): Reply => {
  if (reply.status >= 300) throw new Error(`${what}: ${reply.status} ${reply.text}`);
  return reply;
};

export async function worldOf(started: FirstStart): Promise<World> {
  const { subscriptionId, tenantId, location, application } = started;
  const client = createClient({ url: started.url, caPem: await readFile(started.caFile, 'utf8'), tenantId });
  const domain = new URL(started.url).host;
  const subscription = `/subscriptions/${subscriptionId}`;
  const owner = { clientId: application.clientId, secret: application.clientSecret, objectId: application.objectId };
  const ownerToken = () => client.token(owner, started.url);
  const ofData: Readonly<Record<string, string>> = {
    keyvault: 'https://vault.azure.net',
    blob: 'https://storage.azure.com',
    graph: `${started.url}/msgraph`,
  };
  const audience = (surface: string) => ofData[surface] ?? started.url;

  async function grant(objectId: string, role: string, scope: string): Promise<void> {
    const id = nodeRoles.get(role);
    if (id === undefined) throw new Error(`there is no built-in role '${role}'`);
    must(
      await client.arm(
        await ownerToken(),
        'PUT',
        `${scope}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`,
        {
          properties: {
            roleDefinitionId: `${subscription}/providers/Microsoft.Authorization/roleDefinitions/${id.split('/').at(-1)}`,
            principalId: objectId,
            principalType: 'ServicePrincipal',
          },
        },
      ),
      `assign ${role}`,
    );
  }

  return {
    ...client,
    subscriptionId,
    tenantId,
    location,
    domain,
    owner,
    ownerToken,
    grant,
    audience,
    async principal(roles, scope = subscription) {
      const token = await client.token(owner, audience('graph'));
      const graph = (path: string, body: unknown) =>
        client.send(`/msgraph/v1.0/${path}`, { method: 'POST', token, body });
      const made = must(await graph('applications', { displayName: `test-${randomUUID()}` }), 'make an application');
      const { id, appId } = made.body as { id: string; appId: string };
      const secret = must(await graph(`applications/${id}/addPassword`, {}), 'make a secret');
      for (const role of roles) await grant(id, role, scope);
      return { clientId: appId, secret: String(secret.body.secretText), objectId: id };
    },
    async group(name) {
      const id = `${subscription}/resourceGroups/${name}`;
      must(await client.arm(await ownerToken(), 'PUT', id, { location }), 'make a resource group');
      return id;
    },
  };
}

export async function openServer(
  options: {
    readonly embedded?: boolean;
    readonly maxNodes?: number;
    readonly environments?: Partial<Config['environments']>;
  } = {},
): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-server-'));
  const dataDir = join(folder, 'data');
  const bootstrapFile = join(folder, 'first-start.json');
  const config = readConfig({
    flags: {
      dataDir,
      http: { port: 0 },
      log: { level: 'silent' },
      agent: { embedded: options.embedded ?? false, maxNodes: options.maxNodes ?? 2 },
      // No test fetches anything from outside, unless it says from where.
      environments: { index: 'none', ...options.environments },
    },
    environment: {},
  });
  const server = await startServer({
    config,
    bootstrapFile,
    log: silentLog,
    print: () => {},
  });
  const world = await worldOf(JSON.parse(await readFile(bootstrapFile, 'utf8')) as FirstStart);
  return {
    ...world,
    folder,
    dataDir,
    server,
    async close() {
      world.close();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** ARM ids of what the tests make in a group. */
export const idsIn = (group: string) => ({
  vault: (name: string) => `${group}/providers/Microsoft.KeyVault/vaults/${name}`,
  account: (name: string) => `${group}/providers/Microsoft.Storage/storageAccounts/${name}`,
  registry: (name: string) => `${group}/providers/Microsoft.ContainerRegistry/registries/${name}`,
  workspace: (name: string) => `${group}/providers/Microsoft.MachineLearningServices/workspaces/${name}`,
});
