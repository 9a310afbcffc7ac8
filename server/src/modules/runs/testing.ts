// For the tests of this module: runs over a real workspace database and real sealed storage in a temporary folder, behind
// the real door. Only the workspace itself is written by hand. Only tests import it.

import type { TestContext } from 'node:test';
import { runsActions } from '@strongroom/contract/runs.actions';
import type { Actor } from '#kernel/authority/actor';
import type { Grant } from '#kernel/authority/grant';
import type { Database } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { type Rule, testActor, testAudit, testAuthority, testGrant } from '#kernel/testing/authority';
import { testDatabases } from '#kernel/testing/databases';
import { openTestDoor } from '#kernel/testing/door';
import { containerScope } from '#storage';
import type { Workspace } from '#workspaces';
import { setUp as setUpStorage } from '../storage/testing.ts';
import { rulesOfRun, runScope } from './bounds.rules.ts';
import { createRuns, type ModelRegistry } from './index.ts';
import { trackingTables } from './migrations/0001-tracking.ts';

export const workspaceId =
  '/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws';
export const trackingPath = `/mlflow/v1.0${workspaceId}`;

/** The actor that carries the token of one run. */
export const runActor = (runId: string, experimentId?: string): Actor => ({
  ...testActor,
  kind: 'run',
  name: 'run of alice',
  bounds: { roles: 'ignored', rules: rulesOfRun({ workspaceId, runId, experimentId, actions: allOfARun }) },
});
const { readExperiments, readRuns, writeRuns, writeMetrics, readArtifacts, writeArtifacts } = runsActions;
/** As its token lists them (jobs). */
const allOfARun = [readExperiments, readRuns, writeRuns, writeMetrics, readArtifacts, writeArtifacts].map(
  ({ name }) => name,
);
export const runGrant = (runId: string, experimentId?: string): Grant => {
  const actor = runActor(runId, experimentId);
  return testGrant({ actor, scope: runScope(workspaceId, runId) });
};
export const grant = testGrant({ scope: workspaceId });

/** @param allows what callers of the door may do; everything when absent */
export async function setUp(t: TestContext, allows: Rule = () => true) {
  const storage = await setUpStorage(t);
  const account = await storage.addAccount('wsstore');
  const container = { account: account.id, container: 'azureml' };
  await storage.blobs.ensureContainer(testGrant({ scope: containerScope(container) }), account.id, 'azureml');
  const workspace: Workspace = {
    id: workspaceId,
    uniqueId: '44444444-4444-4444-8444-444444444444',
    name: 'ws',
    location: 'local',
    identity: { objectId: '55555555-5555-4555-8555-555555555555', name: 'ws' },
    storageAccount: account.id,
    keyVault: '',
    containerRegistry: '',
    applicationInsights: '',
    jobPackageIndex: false,
    imageRegistries: [],
    hbi: false,
  };
  const databases = new Map<string, Promise<Database>>();
  /** Every workspace of the same folder has a database of its own. */
  const databaseOf = (id: string) => {
    const name = String(id.split('/').at(-1));
    const present = databases.get(name);
    if (present) return present;
    const opening = testDatabases(storage.folder).open(`workspace/${name}`, [trackingTables], {
      key: new Uint8Array(32).fill(7),
    });
    databases.set(name, opening);
    return opening;
  };
  const { authorizer } = testAuthority(allows);
  const runs = createRuns({
    workspaces: {
      get: async () => workspace,
      database: (_grant, id) => databaseOf(id),
      container: () => container,
      asIdentity: (of, action, scope, reason) => storage.grants.as(of.identity, action, scope, reason),
    },
    blobs: storage.blobs,
    clock: storage.clock,
    // No test of this set-up registers a model: those that do are in server/test, over the real registry.
    registry: {} as ModelRegistry,
    schemes: [{ name: 'bearer', authenticate: (exchange) => actorOf(exchange.header('authorization')) }],
  });
  t.after(async () => {
    for (const database of databases.values()) await (await database).close();
  });
  const audit = testAudit();
  const openDoor = async () => {
    const door = await openTestDoor({
      surfaces: runs.surfaces ?? [],
      routes: runs.routes ?? [],
      ports: { authorizer, audit },
    });
    t.after(() => door.close());
    return door;
  };
  return { ...storage, runs: runs.runs, module: runs, audit, databaseOf, openDoor, container };
}

/** `Bearer alice` is the user of that name, `Bearer run:{id}:{experiment}` the token of that run. */
function actorOf(authorization: string | undefined): Actor | undefined {
  const [, name] = /^Bearer (.+)$/.exec(authorization ?? '') ?? [];
  if (name === undefined) return undefined;
  const [, runId, experimentId] = /^run:([^:]+)(?::(.*))?$/.exec(name) ?? [];
  return runId === undefined ? { ...testActor, name } : runActor(runId, experimentId);
}

export type Answered = { readonly status: number; readonly body: Record<string, unknown> };

/** Calls below `/api/2.0/mlflow`, as alice unless said otherwise. */
export function client(url: string, token = 'alice', base = `${trackingPath}/api/2.0/mlflow`) {
  const read = async (response: Response): Promise<Answered> => ({
    status: response.status,
    // Every answer of this surface is JSON; a test that meets anything else should fail here.
    body: (await response.json()) as Record<string, unknown>,
  });
  const headers = { authorization: `Bearer ${token}` };
  return {
    get: async (path: string, query: Readonly<Record<string, string>> | readonly [string, string][] = {}) =>
      read(await fetch(`${url}${base}${path}?${new URLSearchParams(query as Record<string, string>)}`, { headers })),
    post: async (path: string, body: unknown, method = 'POST') =>
      read(
        await fetch(`${url}${base}${path}`, {
          method,
          headers: { ...headers, 'content-type': 'application/json' },
          body: JSON.stringify(body),
        }),
      ),
  };
}

/** For `assert.rejects`. */
export const failure =
  (kind: string, message: RegExp = /./) =>
  (error: unknown) =>
    error instanceof Failure && error.kind === kind && message.test(error.message);
