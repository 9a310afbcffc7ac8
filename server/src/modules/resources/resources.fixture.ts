// For tests of this module: the whole of it on a real database in a temporary folder, behind the real door, with two kinds:
// a long-running parent whose children have a home of their own, and a child that is made within its request.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { actionsOfType } from '@strongroom/contract/resources.actions';
import { Type } from '@strongroom/contract/schema';
import type { Actor } from '#kernel/authority/actor';
import { createTestClock } from '#kernel/clock/test-clock';
import type { Database } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { type Faults, noFaults } from '#kernel/files/faults';
import { activity, json } from '#kernel/http/route';
import { idKey } from '#kernel/ids/ids';
import { createTasks, taskMigrations } from '#kernel/tasks/tasks';
import { houseGrant, type Rule, testActor, testActs, testAudit, testAuthority } from '#kernel/testing/authority';
import { testDatabases } from '#kernel/testing/databases';
import { openTestDoor } from '#kernel/testing/door';
import { createResources, everythingServed, type ResourceKind, resourceTables } from './index.ts';

export const subscription = {
  id: '33333333-3333-4333-8333-333333333333',
  displayName: 'Test',
  tenantId: '22222222-2222-4222-8222-222222222222',
  location: 'local',
};
export const groupId = `/subscriptions/${subscription.id}/resourceGroups/Rooms`;
export const houseId = `${groupId}/providers/Test.Houses/houses/Villa`;
export const version = 'api-version=2024-01-01';

/** What a test makes the kinds do, and what they did. */
export type Script = {
  onCreate: (name: string) => Promise<void>;
  onUpdate: (name: string) => Promise<void>;
  onRemove: (name: string) => Promise<void>;
  readonly done: string[];
};
export const createScript = (): Script => ({
  onCreate: async () => {},
  onUpdate: async () => {},
  onRemove: async () => {},
  done: [],
});

function kindsOf(script: Script): readonly ResourceKind[] {
  const acts = {
    create: async (_grant: unknown, resource: { name: string; properties: Readonly<Record<string, unknown>> }) => {
      await script.onCreate(resource.name);
      script.done.push(`create ${resource.name}`);
      return { secret: `s-${resource.name}` };
    },
    update: async (_grant: unknown, resource: { name: string }) => {
      await script.onUpdate(resource.name);
      script.done.push(`update ${resource.name}`);
      return undefined;
    },
    remove: async (_grant: unknown, resource: { name: string }) => {
      await script.onRemove(resource.name);
      script.done.push(`remove ${resource.name}`);
    },
    view: ({ properties: { secret: _hidden, ...shown } }: { properties: Readonly<Record<string, unknown>> }) => ({
      ...shown,
      shownOnly: 'yes',
    }),
  };
  return [
    {
      type: 'Test.Houses/houses',
      title: 'house',
      namePattern: /^[A-Za-z][A-Za-z0-9-]{1,30}$/,
      nameRule: '2 to 31 letters, digits and hyphens.',
      properties: Type.Object({
        colour: Type.Optional(Type.String()),
        garden: Type.Optional(
          Type.Object({
            size: Type.Number(),
            pond: Type.Optional(Type.Boolean()),
            style: Type.Optional(Type.Union([Type.Literal('English'), Type.Literal('French')])),
          }),
        ),
      }),
      unserved: {
        refused: {
          isLocked: {
            always: false,
            harmless: ['no'],
            because: 'Doors have no locks.',
            instead: 'Leave isLocked out.',
          },
          'garden.wall': {
            harmless: [{ height: 0, made: { of: 'air' } }],
            because: 'Nobody builds walls.',
            instead: 'Leave the wall out and plant a hedge.',
          },
          moat: { because: 'Nobody builds walls.', instead: 'Leave the wall out and plant a hedge.' },
        },
        kept: {
          heating: {
            schema: Type.Object({ gas: Type.Optional(Type.Boolean()) }),
            because: 'It is warm anyway.',
          },
          'garden.fence': { schema: Type.Object({ wood: Type.Integer() }), because: 'Nobody climbs.' },
          colour: { because: 'Nobody looks.' },
        },
        ignored: { doorbell: 'Everybody knocks.' },
      },
      discriminators: [
        {
          path: 'garden.style',
          serves: ['English', 'French'],
          refuse: (style) =>
            new Failure({
              kind: 'invalid',
              code: 'StyleNotServed',
              target: 'properties.garden.style',
              message: `No gardens '${style}' here. Use 'English' or 'French'.`,
            }),
        },
      ],
      location: 'required',
      identity: true,
      longRunning: true,
      ...acts,
      actions: [
        {
          name: 'listKeys',
          summary: 'Lists keys.',
          audit: activity('houseName'),
          handle: async (_grant, resource) => json(200, { key: resource.properties['secret'] }),
        },
      ],
    },
    {
      type: 'Test.Houses/houses/chairs',
      title: 'chair',
      namePattern: /^[A-Za-z0-9][\w.-]{0,60}$/,
      nameRule: '1 to 61 letters, digits, underscores, periods and hyphens.',
      properties: Type.Object({ legs: Type.Integer({ minimum: 0 }) }),
      unserved: everythingServed,
      location: 'none',
      orders: { legs: ({ properties }) => String(properties['legs']) },
      listQuery: Type.Object({ legs: Type.Optional(Type.String()) }),
      matches: (resource, query) =>
        query['legs'] === undefined || String(resource.properties['legs']) === query['legs'],
      ...acts,
    },
    {
      type: 'Test.Houses/houses/albums',
      title: 'album',
      namePattern: /^\w{1,20}$/,
      nameRule: '1 to 20 letters.',
      properties: Type.Object({}),
      unserved: everythingServed,
      location: 'none',
    },
    {
      type: 'Test.Houses/houses/albums/pictures',
      title: 'picture',
      namePattern: /^\w{1,20}$/,
      nameRule: '1 to 20 letters.',
      properties: Type.Object({ of: Type.String() }),
      unserved: everythingServed,
      location: 'none',
      makesParent: true,
      validate: async (_grant, draft) => {
        if (draft.properties['of'] === 'nothing')
          throw new Failure({ kind: 'invalid', code: 'Empty', message: 'A picture shows something.' });
      },
    },
    {
      type: 'Test.Houses/houses/notes',
      title: 'note',
      namePattern: /^\w{1,20}$/,
      nameRule: '1 to 20 letters.',
      properties: Type.Object({ text: Type.String() }),
      unserved: everythingServed,
      location: 'none',
      immutable: true,
    },
  ];
}

async function open(folder: string, name: string, faults: Faults = noFaults): Promise<Database> {
  return testDatabases(folder).open(name, [taskMigrations, resourceTables], {
    key: new Uint8Array(32).fill(7),
    faults,
  });
}

export type World = Awaited<ReturnType<typeof openWorld>>;

/** Opens databases once; `start` makes a server over them, as often as a test wants one to have died. */
export async function openWorld(
  t: TestContext,
  options: { readonly allows?: Rule; readonly ownHome?: boolean; readonly faults?: Faults } = {},
) {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-resources-'));
  const control = await open(folder, 'control', options.faults);
  const home = options.ownHome === true ? await open(folder, 'home', options.faults) : undefined;
  const clock = createTestClock();
  // Outlives a server, as the directory does.
  const identities = new Map<string, string>();
  const closing: (() => Promise<unknown>)[] = [];
  const caller: { actor: Actor | undefined; allows: Rule } = {
    actor: testActor,
    allows: options.allows ?? (() => true),
  };
  const refusals: { home: Failure | undefined } = { home: undefined };
  t.after(async () => {
    for (const close of closing) await close();
    await control.close();
    await home?.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function start(script: Script = createScript()) {
    const unassigned: string[] = [];
    const { authorizer, grants } = testAuthority((action, scope, actor) => caller.allows(action, scope, actor));
    const audit = testAudit();
    const late: { tasks: ReturnType<typeof createTasks> | undefined } = { tasks: undefined };
    const module = createResources({
      database: control,
      clock,
      tasks: {
        enqueue: (tx, task) => {
          if (late.tasks === undefined) throw new Error('tasks are not made yet');
          return late.tasks.enqueue(tx, task);
        },
      },
      grants,
      acts: testActs(grants, audit),
      identities: {
        async create({ resourceId }) {
          identities.set(idKey(resourceId), 'identity-object');
          return { objectId: 'identity-object', tenantId: subscription.tenantId };
        },
        async remove(resourceId) {
          identities.delete(idKey(resourceId));
        },
      },
      homeOf: async (id) => {
        if (refusals.home) throw refusals.home;
        return idKey(id) === idKey(houseId) ? home : undefined;
      },
      subscription,
      domain: 'localhost:8443',
      schemes: [
        {
          name: 'test',
          authenticate: () => caller.actor,
        },
      ],
    });
    module.onRemoved(async (grant, id) => {
      if (grant.actor.kind !== 'system') throw new Error('roles are withdrawn by the system, not by who removes');
      unassigned.push(id);
    });
    const routes = [...(module.routes ?? []), ...module.routesFor(kindsOf(script))];
    const tasks = createTasks({
      database: control,
      clock,
      log: { debug() {}, info() {}, warn() {}, error() {} },
      handlers: module.tasks ?? {},
    });
    late.tasks = tasks;
    await module.start?.();
    const door = await openTestDoor({ surfaces: module.surfaces ?? [], routes, ports: { authorizer, audit } });
    closing.push(async () => {
      await door.close();
      await module.stop?.();
    });
    return { ...module, tasks, door, identities, unassigned, grants, audit, call: callerOf(door.url) };
  }
  return { control, home, clock, caller, refusals, start };
}

export type Server = Awaited<ReturnType<World['start']>>;

export type Answered = {
  readonly status: number;
  readonly headers: Headers;
  // A test reads what it expects to be there; what is not there is undefined and fails its assertion.
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape are picked apart by assertions.
  readonly body: any;
};

function callerOf(url: string) {
  return async (
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answered> => {
    const target = path.startsWith('http') ? path.replace(/^https:/, 'http:') : url + path;
    const asked = target.includes('api-version') ? target : `${target}${target.includes('?') ? '&' : '?'}${version}`;
    const response = await fetch(asked, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
  };
}

/** A group, and in it a house that is done. */
export async function furnish(server: Server): Promise<void> {
  const group = await server.call('PUT', groupId, { location: 'local' });
  if (group.status !== 201) throw new Error(JSON.stringify(group.body));
  const house = await server.call('PUT', houseId, { location: 'local', properties: { colour: 'red' } });
  if (house.status !== 201) throw new Error(JSON.stringify(house.body));
  await server.tasks.drain();
}

export const refusal = (kind: Failure['kind'], code: string) =>
  new Failure({ kind, code, message: 'Refused by the test.' });

/** What a duty of the house would hold, for all that is done with the kinds of these tests. */
export const byTheHouse = () =>
  houseGrant(
    ...['', '/chairs', '/albums', '/albums/pictures', '/notes', '/tables'].flatMap((below) => {
      const { read, write, remove } = actionsOfType(`Test.Houses/houses${below}`);
      return [read, write, remove];
    }),
  );
