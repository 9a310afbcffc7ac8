// For tests of access: the module on a real database in a temporary folder, behind the real door, with a directory of a few
// people. A caller names itself in the Authorization header, because proving who one is belongs to identity.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Actor } from '#kernel/authority/actor';
import type { Action } from '#kernel/authority/grant';
import { createTestClock, type TestClock } from '#kernel/clock/test-clock';
import type { Database } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import type { Surface } from '#kernel/http/surface';
import { houseGrant, testActor, testAudit } from '#kernel/testing/authority';
import { testDatabases } from '#kernel/testing/databases';
import { openTestDoor } from '#kernel/testing/door';
import { type Access, accessMigrations, createAccess, type Principal, type Scopes } from './index.ts';

const id = (digit: string) =>
  `${digit.repeat(8)}-${digit.repeat(4)}-4${digit.repeat(3)}-8${digit.repeat(3)}-${digit.repeat(12)}`;

export const ann = id('a');
export const bob = id('b');
export const carol = id('c');
export const team = id('d');
export const robot = id('e');
export const nobody = id('9');

export const subscription = '/subscriptions/5f7c0000-0000-4000-8000-000000000001';
export const group = `${subscription}/resourceGroups/Lab`;
export const workspace = `${group}/providers/Microsoft.MachineLearningServices/workspaces/Vision`;

const known = { groups: [], isEnabled: true, isOfResource: false };
export const directory: readonly Principal[] = [
  { ...known, objectId: ann, type: 'User', name: 'ann@strongroom.local' },
  { ...known, objectId: bob, type: 'User', name: 'bob@strongroom.local' },
  { ...known, objectId: carol, type: 'User', name: 'carol@strongroom.local', groups: [team] },
  { ...known, objectId: team, type: 'Group', name: 'team' },
  { ...known, objectId: robot, type: 'ServicePrincipal', name: 'robot' },
];

/** Who is in the directory, by object id: a test changes it. */
export type People = Map<string, Principal>;
const everybody = (): People => new Map(directory.map((each) => [each.objectId, each]));

/** The actor that a credential of this principal would prove. */
export function actorOf(objectId: string, more: Partial<Actor> = {}): Actor {
  const known = directory.find((each) => each.objectId === objectId);
  return {
    ...testActor,
    kind: known?.type === 'ServicePrincipal' ? 'application' : 'user',
    objectId,
    name: known?.name ?? 'stranger',
    groups: known?.groups ?? [],
    ...more,
  };
}

export const asking = (actor: Actor) => ({ actor, requestId: 'r1', address: '127.0.0.1' });

const armLike: Surface = {
  name: 'arm',
  ignoresCase: true,
  collapsesSlashes: true,
  recognise: (target) => target.segments,
  schemes: [
    {
      name: 'test',
      authenticate: (exchange) => {
        const objectId = exchange.header('authorization');
        return objectId === undefined ? undefined : actorOf(objectId);
      },
    },
  ],
  render: (failure) => ({
    status: failure.status,
    body: { error: { code: failure.code, message: failure.message } },
  }),
};

export type Call = (
  who: string,
  method: string,
  path: string,
  body?: unknown,
) => Promise<{ status: number; body: Record<string, unknown> & { error?: { code: string; message: string } } }>;

export async function openTemporary(t: TestContext): Promise<{ database: Database; reopen(): Promise<Database> }> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-access-'));
  const open = () => testDatabases(folder).open('control', [accessMigrations], { key: new Uint8Array(32).fill(7) });
  let database = await open();
  t.after(async () => {
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    database,
    async reopen() {
      await database.close();
      database = await open();
      return database;
    },
  };
}

export const catalogue: readonly Action[] = [
  { name: 'Microsoft.MachineLearningServices/workspaces/read', plane: 'control' },
  { name: 'Microsoft.MachineLearningServices/workspaces/listKeys/action', plane: 'control' },
  { name: 'Microsoft.KeyVault/vaults/secrets/getSecret/action', plane: 'data' },
  { name: 'Microsoft.KeyVault/register/action', plane: 'control' },
];

/** Everything exists but what is named `Nowhere`, or lies below it. */
const isNowhere = (scope: string) => /\/nowhere(\/|$)/i.test(scope);
const scopes: Scopes = {
  isGone: async (scope) => {
    if (scope.endsWith('/Locked'))
      throw new Failure({ kind: 'forbidden', code: 'KeyDisabled', message: 'The key of the workspace is disabled.' });
    return isNowhere(scope);
  },
  require: async (scope) => {
    if (isNowhere(scope))
      throw new Failure({ kind: 'notFound', code: 'ResourceGroupNotFound', message: 'There is no such group.' });
  },
};

export function accessOver(database: Database, clock: TestClock, people = everybody(), audit = testAudit()): Access {
  const principals = { find: async (objectId: string) => people.get(objectId.toLowerCase()) };
  return createAccess({
    administrator: ann,
    database,
    clock,
    principals,
    scopes,
    tenantId: testActor.tenantId,
    catalogue,
    audit,
  });
}

/** The module started, ann as Owner of the subscription, and a way to call it. */
export async function openAccess(t: TestContext): Promise<{
  access: Access;
  call: Call;
  clock: TestClock;
  database: Database;
  people: People;
  /** What its acts from inside recorded. */
  audit: ReturnType<typeof testAudit>;
  reopen(): Promise<Access>;
}> {
  const { database, reopen } = await openTemporary(t);
  const clock = createTestClock();
  const people = everybody();
  const audit = testAudit();
  const access = accessOver(database, clock, people, audit);
  await access.start();
  await access.bootstrapOwner(houseGrant(), [ann], subscription.split('/')[2] ?? '');
  const door = await openTestDoor({
    surfaces: [armLike],
    routes: access.routes ?? [],
    ports: { authorizer: access.authorizer, audit },
  });
  t.after(() => door.close());
  const call: Call = async (who, method, path, body) => {
    const response = await fetch(`${door.url}${path}`, {
      method,
      headers: { authorization: who, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? {} : JSON.parse(text) };
  };
  return {
    access,
    audit,
    call,
    clock,
    database,
    people,
    async reopen() {
      const again = accessOver(await reopen(), clock, people, audit);
      await again.start();
      return again;
    },
  };
}

export const guid = (number: number) => `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`;
export const assignmentPath = (scope: string, name: string) =>
  `${scope === '/' ? '' : scope}/providers/Microsoft.Authorization/roleAssignments/${name}?api-version=2022-04-01`;
export const definitionPath = (scope: string, name: string) =>
  `${scope === '/' ? '' : scope}/providers/Microsoft.Authorization/roleDefinitions/${name}?api-version=2022-04-01`;
