// Who may do what, twice: every built-in role against every action that the server declares, and those of Azure's that it does
// not serve yet, as a golden file that a review reads; and the article's table of Owner, Contributor and Reader, by real requests of three principals to a real server.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Action } from '@strongroom/contract/action';
import { declaredActions } from '@strongroom/contract/actions';
import { builtInRoles } from '#access';
import { compileRole } from '../src/modules/access/role.rules.ts';
import { azureActions } from './azure-actions.fixture.ts';
import type { Reply } from './client.fixture.ts';
import { matchesGolden } from './golden.fixture.ts';
import { type Bench, idsIn, openServer, type Principal } from './server.fixture.ts';

const keyOf = ({ name, plane }: Action) => `${plane} ${name.toLowerCase()}`;
const actions = [
  ...new Map([...azureActions, ...declaredActions].map((action) => [keyOf(action), action])).values(),
].sort((a, b) => (a.name < b.name ? -1 : 1));
const heldBy = (definition: (typeof builtInRoles)[number]) => actions.filter(compileRole(definition).allows);

test('every built-in role holds exactly the actions of the golden matrix', () => {
  const matrix = Object.fromEntries(
    builtInRoles.map((definition) => [
      definition.roleName,
      heldBy(definition).map(({ name, plane }) => (plane === 'data' ? `${name} (data)` : name)),
    ]),
  );
  matchesGolden(new URL('role-matrix.golden.json', import.meta.url), matrix);
});

test('no role of the control plane holds an action on data, and Reader none that is not a read', () => {
  for (const definition of builtInRoles.filter(({ roleName }) =>
    /^(Owner|Contributor|Reader|User Access Administrator|AzureML )/.test(roleName),
  ))
    assert.deepEqual(
      heldBy(definition).filter((action) => action.plane === 'data'),
      [],
      definition.roleName,
    );
  for (const definition of builtInRoles.filter(({ roleName }) => roleName === 'Reader'))
    assert.deepEqual(
      heldBy(definition).filter(({ name }) => !name.endsWith('/read')),
      [],
    );
});

describe('the article’s table, by requests', () => {
  const roles = ['Owner', 'Contributor', 'Reader'] as const;
  type Role = (typeof roles)[number];
  const writers: readonly Role[] = ['Owner', 'Contributor'];

  let bench: Bench;
  let group: string;
  let workspace: string;
  const tokens = new Map<Role, string>();
  let stranger: Principal;

  before(async () => {
    bench = await openServer();
    group = await bench.group('Table');
    workspace = idsIn(group).workspace('Shared');
    const made = await bench.armDone(await bench.ownerToken(), 'PUT', workspace, {
      location: bench.location,
      properties: {},
    });
    assert.equal(made.body.status, 'Succeeded', made.text);
    for (const role of roles)
      tokens.set(role, await bench.token(await bench.principal([role], group), bench.audience('arm')));
    stranger = await bench.principal([]);
  });
  after(() => bench.close());

  const arm = (role: Role, method: string, path: string, body?: unknown) =>
    bench.arm(tokens.get(role) ?? '', method, path, body);
  const mlflow = (role: Role, method: string, path: string, body?: unknown) =>
    bench.send(`/mlflow/v1.0${workspace}/api/2.0/mlflow/${path}`, {
      method,
      token: tokens.get(role) ?? '',
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body }),
    });

  type Row = {
    readonly operation: string;
    readonly may: readonly Role[];
    /** What the server answers to whoever may: done, or looked at and found wanting. */
    readonly answered: readonly number[];
    readonly send: (role: Role) => Promise<Reply>;
  };
  const rows: readonly Row[] = [
    {
      operation: 'create a workspace',
      may: writers,
      answered: [200],
      send: (role) =>
        bench.armDone(tokens.get(role) ?? '', 'PUT', idsIn(group).workspace(`By-${role}`), {
          location: bench.location,
          properties: {},
        }),
    },
    {
      operation: 'share a workspace',
      may: ['Owner'],
      answered: [201],
      send: (role) =>
        arm(role, 'PUT', `${workspace}/providers/Microsoft.Authorization/roleAssignments/${crypto.randomUUID()}`, {
          properties: {
            roleDefinitionId: `/providers/Microsoft.Authorization/roleDefinitions/${
              builtInRoles.find(({ roleName }) => roleName === 'Reader')?.id
            }`,
            principalId: stranger.objectId,
          },
        }),
    },
    {
      operation: 'share a workspace that does not exist',
      may: ['Owner'],
      answered: [404],
      send: (role) =>
        arm(role, 'PUT', `${workspace}-2/providers/Microsoft.Authorization/roleAssignments/${crypto.randomUUID()}`, {
          properties: {
            roleDefinitionId: `/providers/Microsoft.Authorization/roleDefinitions/${
              builtInRoles.find(({ roleName }) => roleName === 'Reader')?.id
            }`,
            principalId: stranger.objectId,
          },
        }),
    },
    {
      operation: 'create a compute target',
      may: writers,
      answered: [200, 201],
      send: (role) =>
        arm(role, 'PUT', `${workspace}/computes/by-${role}`, {
          location: bench.location,
          properties: {
            computeType: 'AmlCompute',
            properties: { vmSize: 'STANDARD_DS3_V2', scaleSettings: { minNodeCount: 0, maxNodeCount: 1 } },
          },
        }),
    },
    {
      operation: 'attach a compute target',
      may: writers,
      // Attached machines are not served: whoever may attach is told so.
      answered: [400],
      send: (role) =>
        arm(role, 'PUT', `${workspace}/computes/vm-${role}`, {
          location: bench.location,
          properties: { computeType: 'VirtualMachine', resourceId: `${group}/providers/Microsoft.Compute/x/y` },
        }),
    },
    {
      operation: 'attach a data store',
      may: writers,
      answered: [200, 201],
      send: (role) =>
        arm(role, 'PUT', `${workspace}/datastores/by${role.toLowerCase()}`, {
          properties: { datastoreType: 'AzureBlob', accountName: 'elsewhere', containerName: 'data' },
        }),
    },
    {
      operation: 'run an experiment',
      may: writers,
      answered: [200],
      send: async (role) => {
        const made = await mlflow(role, 'POST', 'experiments/create', { name: `by ${role}` });
        return made.status === 200
          ? mlflow(role, 'POST', 'runs/create', { experiment_id: made.body.experiment_id })
          : made;
      },
    },
    {
      operation: 'submit a job',
      may: writers,
      // Without a command: looked at, and refused for what it lacks.
      answered: [400],
      send: (role) => arm(role, 'PUT', `${workspace}/jobs/by-${role}`, { properties: { jobType: 'Command' } }),
    },
    {
      operation: 'view runs and metrics',
      may: roles,
      answered: [200],
      send: (role) => mlflow(role, 'POST', 'runs/search', { experiment_ids: ['0'] }),
    },
    { operation: 'view jobs', may: roles, answered: [200], send: (role) => arm(role, 'GET', `${workspace}/jobs`) },
    {
      operation: 'register a model',
      may: writers,
      // Of a run that does not exist.
      answered: [400, 404],
      send: (role) =>
        arm(role, 'PUT', `${workspace}/models/by-${role}/versions/1`, {
          properties: { modelUri: 'runs:/nothing/model' },
        }),
    },
    { operation: 'view models', may: roles, answered: [200], send: (role) => arm(role, 'GET', `${workspace}/models`) },
    {
      operation: 'deploy a web service',
      may: writers,
      answered: [200, 201, 202],
      send: (role) =>
        arm(role, 'PUT', `${workspace}/onlineEndpoints/by-${role.toLowerCase()}`, {
          location: bench.location,
          properties: { authMode: 'Key' },
        }),
    },
    {
      operation: 'view web services',
      may: roles,
      answered: [200],
      send: (role) => arm(role, 'GET', `${workspace}/onlineEndpoints`),
    },
    {
      operation: 'read the keys of a web service',
      may: writers,
      answered: [200, 404],
      send: (role) => arm(role, 'POST', `${workspace}/onlineEndpoints/by-owner/listKeys`, {}),
    },
  ];

  for (const { operation, may, answered, send } of rows)
    test(`${may.join(', ')} may ${operation}, and no other of the three`, async () => {
      for (const role of roles) {
        const { status, text } = await send(role);
        const expected = may.includes(role) ? answered : [403];
        assert.ok(expected.includes(status), `${role}: ${status} ${text}`);
      }
    });
});
