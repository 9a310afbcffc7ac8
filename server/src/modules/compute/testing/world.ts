// For tests of this module: compute on a real database in a temporary folder, with the real identity, decisions of the real
// access for agents, and the real resource manager with a stand-in for the workspace. Agents are played over real HTTP.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  type AgentEvent,
  type AgentPollAnswer,
  agentLimits,
  type HeldItem,
  type ReachOffer,
} from '@strongroom/contract/agent';
import { agentActions } from '@strongroom/contract/compute.actions';
import { Type } from '@strongroom/contract/schema';
import { accessMigrations, createAccess } from '#access';
import { createIdentity, firstStart, identityMigrations } from '#identity';
import type { Clock } from '#kernel/clock/clock';
import { createTestClock, type TestClock } from '#kernel/clock/test-clock';
import { randomUuid } from '#kernel/crypto/random';
import type { Database } from '#kernel/database/database';
import { type Faults, noFaults } from '#kernel/files/faults';
import { idKey } from '#kernel/ids/ids';
import { silentLog } from '#kernel/log/log';
import { createTasks, taskMigrations } from '#kernel/tasks/tasks';
import { testActor, testActs, testAudit, testAuthority, testGrant } from '#kernel/testing/authority';
import { testDatabases } from '#kernel/testing/databases';
import { openTestDoor } from '#kernel/testing/door';
import { recordTelemetry } from '#kernel/testing/telemetry';
import { createResources, everythingServed, resourceTables } from '#resources';
import { putCluster } from '../clusters.store.ts';
import {
  type AgentPlace,
  computeTables,
  createCompute,
  type WorkDocument,
  type WorkEvent,
  type WorkKind,
  type WorkOwner,
  type WorkSpec,
} from '../index.ts';
import type { TargetId } from '../targets.rules.ts';

const subscriptionId = '33333333-3333-4333-8333-333333333333';
const tenantId = '22222222-2222-4222-8222-222222222222';
export const groupId = `/subscriptions/${subscriptionId}/resourceGroups/Lab`;
export const workspaceId = `${groupId}/providers/Microsoft.MachineLearningServices/workspaces/Vision`;
export const clusterId = (name: string) => `${workspaceId}/computes/${name}`;
export const grant = testGrant({ action: 'test/write', scope: workspaceId });

/** Drawn once for a file of tests: the keys of identity take a second to make. */
const secrets = new Map<string, Uint8Array>();

export const limits = {
  memoryBytes: 512 * 1024 * 1024,
  processes: 64,
  openFiles: 256,
  fileBytes: 64 * 1024 * 1024,
};

/** An owner that writes down what it is told, and can be made to fail. */
export function createOwner(documentOf?: WorkOwner['documentOf']) {
  const told: { readonly id: string; readonly event: WorkEvent }[] = [];
  const waiting: { readonly holds: () => boolean; readonly resolve: () => void }[] = [];
  const script: { refuse: ((event: WorkEvent) => boolean) | undefined } = { refuse: undefined };
  const document: WorkDocument = {
    document: { port: 8443, job: { token: 'run-token', command: 'echo hello' } },
    limits,
    scratchBytes: 16 * 1024 * 1024,
    tokenTtlSeconds: 900,
  };
  const owner: WorkOwner = {
    documentOf: documentOf ?? (async () => document),
    renewToken: async (work) => `renewed for ${work.label}`,
    async onEvent({ id }, event) {
      if (script.refuse?.(event) === true) throw new Error('the owner cannot take it');
      told.push({ id, event });
      for (const watcher of [...waiting]) {
        if (!watcher.holds()) continue;
        waiting.splice(waiting.indexOf(watcher), 1);
        watcher.resolve();
      }
    },
  };
  const typesOf = (id: string) => told.filter((one) => one.id === id).map(({ event }) => event.type);
  return {
    owner,
    told,
    script,
    typesOf,
    outputOf: (id: string) =>
      told.map((one) => (one.id === id && one.event.type === 'output' ? one.event.text : '')).join(''),
    endOf: (id: string) =>
      told.find((one) => one.id === id && (one.event.type === 'finished' || one.event.type === 'lost'))?.event,
    /** Resolves once it was told an event of this type about this work. */
    heard: (id: string, type: WorkEvent['type']): Promise<void> => {
      const holds = () => typesOf(id).includes(type);
      return holds() ? Promise.resolve() : new Promise((resolve) => void waiting.push({ holds, resolve }));
    },
  };
}

export type TestOwner = ReturnType<typeof createOwner>;

export async function openFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-compute-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export const openControl = (folder: string, faults: Faults = noFaults): Promise<Database> =>
  testDatabases(folder).open(
    'control',
    [taskMigrations, identityMigrations, accessMigrations, resourceTables, computeTables],
    { key: new Uint8Array(32).fill(7), faults },
  );

/** Everything below and beside compute, without a door: for the end-to-end test, which opens a real one. */
export async function build(options: {
  readonly database: Database;
  readonly clock: Clock;
  readonly owners?: Partial<Record<WorkKind, WorkOwner>>;
  readonly maxNodes?: number;
  readonly agentCommand?: readonly [string, ...string[]];
}) {
  const { database, clock } = options;
  const telemetry = recordTelemetry();
  const identity = createIdentity({
    database,
    clock,
    log: silentLog,
    telemetry,
    secretStore: {
      get: async (name) => secrets.get(name),
      put: async (name, bytes) => void secrets.set(name, bytes),
    },
    installed: await firstStart(database, clock),
    origins: ['https://localhost:8443'],
    domain: 'localhost:8443',
    leaving: (_objectId, _how, leave) => database.write(leave),
  });
  const access = createAccess({
    database,
    clock,
    principals: { find: async () => undefined },
    scopes: { require: async () => undefined, isGone: async () => false },
    tenantId,
    catalogue: Object.values(agentActions),
    audit: testAudit(),
  });
  // Agents are decided by the real thing; people may do everything, because who may is not what is tested here.
  const { authorizer, grants } = testAuthority(
    (name, scope, actor) =>
      actor.kind !== 'agent' || access.evaluator.decide(actor, { name, plane: 'data' }, scope).allowed,
  );
  const compute = createCompute({
    database,
    clock,
    log: silentLog,
    telemetry,
    tokens: identity.tokens,
    tenantId,
    maxNodes: options.maxNodes ?? 8,
    agentCommand: options.agentCommand,
  });
  for (const kind of ['job', 'score'] as const) {
    const owner = options.owners?.[kind];
    if (owner) compute.work.owner(kind, owner);
  }
  const late: { tasks: ReturnType<typeof createTasks> | undefined } = { tasks: undefined };
  const resources = createResources({
    database,
    clock,
    tasks: {
      enqueue: (tx, task) => {
        if (late.tasks === undefined) throw new Error('tasks are not made yet');
        return late.tasks.enqueue(tx, task);
      },
    },
    grants,
    acts: testActs(grants),
    identities: {
      create: async () => ({ objectId: 'identity-object', tenantId }),
      remove: async () => {},
    },
    homeOf: async () => undefined,
    subscription: { id: subscriptionId, displayName: 'Test', tenantId, location: 'local' },
    domain: 'localhost:8443',
    schemes: [{ name: 'test', authenticate: () => testActor }],
  });
  const workspaceKind = {
    type: 'Microsoft.MachineLearningServices/workspaces',
    title: 'workspace',
    namePattern: /^\w+$/,
    nameRule: 'letters',
    unserved: everythingServed,
    properties: Type.Object({}),
    location: 'required',
  } as const;
  const routes = [
    ...(resources.routes ?? []),
    ...(compute.routes ?? []),
    ...resources.routesFor([workspaceKind, ...compute.kinds]),
  ];
  const surfaces = [...(compute.surfaces ?? []), ...(resources.surfaces ?? [])];
  const tasks = createTasks({ database, clock, log: silentLog, handlers: resources.tasks ?? {} });
  late.tasks = tasks;
  const audit = testAudit();
  return {
    compute,
    telemetry,
    identity,
    resources: resources.resources,
    tasks,
    routes,
    surfaces,
    audit,
    authorizer,
    grants,
  };
}

export type Answered = {
  readonly status: number;
  readonly headers: Headers;
  // A test reads what it expects to be there; what is not there is undefined and fails its assertion.
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape are picked apart by assertions.
  readonly body: any;
};

async function send(
  url: string,
  method: string,
  body: unknown,
  headers: Readonly<Record<string, string>>,
): Promise<Answered> {
  const response = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
}

/** What a played agent offers; nobody listens there. */
export const offer = { kind: 'unix', socketPath: '/tmp/no-such-gateway.sock', key: 'k'.repeat(43) } as const;

/** An agent as a test plays it: it holds what it is told to hold. */
export function createPlayedAgent(url: string, agent: string, token: string, reach: ReachOffer = offer) {
  const post = (path: string, body: unknown, as = agent, bearer = token): Promise<Answered> =>
    send(`${url}/agent/${as}/${path}`, 'POST', body, { authorization: `Bearer ${bearer}` });
  let session = '';
  return {
    post,
    token,
    session: () => session,
    async begin(sandbox: unknown = { available: true, version: '0.8.0' }, more: object = {}): Promise<Answered> {
      const answer = await post('session', { sandbox, reach, ...more });
      session = String(answer.body.session);
      return answer;
    },
    poll: (held: readonly HeldItem[] = [], more: object = {}): Promise<{ status: number; body: AgentPollAnswer }> =>
      post('poll', { session, held, ...more }),
    report: (item: { id: string; fence: number }, from: number, ...events: readonly AgentEvent[]): Promise<Answered> =>
      post(`items/${item.id}/events`, {
        session,
        fence: item.fence,
        events: events.map((event, index) => ({ seq: from + index, event })),
      }),
  };
}

/** A server over a database in a temporary folder, behind a door, with a test's clock. */
export async function openWorld(
  t: TestContext,
  options: {
    readonly owner?: TestOwner;
    readonly maxNodes?: number;
    readonly folder?: string;
    readonly clock?: TestClock;
    readonly faults?: Faults;
    /** Clusters whose nodes are elsewhere: their rows, as they are at the start. */
    readonly clusters?: readonly { readonly name: string; readonly target: TargetId; readonly maxNodes: number }[];
  } = {},
) {
  const folder = options.folder ?? (await openFolder(t));
  const clock = options.clock ?? createTestClock();
  const database = await openControl(folder, options.faults);
  const owner = options.owner ?? createOwner();
  for (const { name, target, maxNodes } of options.clusters ?? []) {
    const id = clusterId(name);
    const bounds = { minNodes: 0, maxNodes, idleSeconds: 120 };
    await database.write((tx) => putCluster(tx, { key: idKey(id), id, target, ...bounds }));
  }
  const built = await build({
    database,
    clock,
    owners: { job: owner.owner, score: owner.owner },
    ...(options.maxNodes === undefined ? {} : { maxNodes: options.maxNodes }),
  });
  await built.compute.start?.();
  const { authorizer, audit } = built;
  const door = await openTestDoor({ surfaces: built.surfaces, routes: built.routes, ports: { authorizer, audit } });
  let isOpen = true;
  async function close(): Promise<void> {
    if (!isOpen) return;
    isOpen = false;
    await built.compute.stop?.();
    await door.close();
    await database.close();
  }
  t.after(close);

  const arm = (method: string, path: string, body?: unknown) =>
    send(`${door.url}${path}${path.includes('?') ? '&' : '?'}api-version=2022-10-01`, method, body, {});
  async function furnish(): Promise<void> {
    for (const id of [groupId, workspaceId]) {
      const made = await arm('PUT', id, { location: 'local' });
      if (made.status > 201) throw new Error(JSON.stringify(made.body));
    }
    await built.tasks.drain();
  }
  async function cluster(name: string, scaleSettings: object): Promise<Answered> {
    const answer = await arm('PUT', clusterId(name), {
      location: 'local',
      properties: { computeType: 'AmlCompute', properties: { vmSize: 'Standard_DS3_v2', scaleSettings } },
    });
    await built.tasks.drain();
    return answer;
  }
  async function agent(name = 'local', target?: TargetId) {
    const { token } = await built.compute.enrol(name, target);
    // Only on this machine is an agent reached by a socket.
    const played = createPlayedAgent(door.url, name, token, target === undefined ? offer : { kind: 'tunnel' });
    await played.begin();
    return played;
  }
  return { ...built, folder, clock, database, door, owner, arm, furnish, cluster, agent, close };
}

export function specOf(label: string, more: Partial<WorkSpec> = {}): WorkSpec {
  return {
    id: randomUuid(),
    kind: 'job',
    workspaceId,
    computeId: undefined,
    subject: `${workspaceId}/jobs/${label}`,
    label,
    ...more,
  };
}

export const leaseMs = agentLimits.leaseSeconds * 1000;
export type { AgentPlace };
