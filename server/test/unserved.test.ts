// The sweep over what is not served, for every kind that the composed server has: what is refused is refused by its name, what
// is kept is shown, what is harmless passes, and no answer hides anything in a Warning. A kind, or a property that is chosen to
// be kept, is swept as soon as it exists: without an example here the sweep fails. And what a kind keeps beside a resource, in
// the same row, nobody sets from outside.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { houseGrant } from '#kernel/testing/authority';
import type { ResourceKind } from '#resources';
import type { Reply } from './client.fixture.ts';
import { type Bench, idsIn, openServer } from './server.fixture.ts';
import { makeCode, tarOf } from './work.fixture.ts';

type Fields = Readonly<Record<string, unknown>>;
/** Where an example of a kind stands, and a body that makes it. */
type Example = { readonly id: string; readonly body: Fields; readonly isPlain?: boolean };

let bench: Bench;
let token: string;
let kinds: readonly ResourceKind[];
let examples: ReadonlyMap<string, Example>;

const put = async (id: string, body: unknown): Promise<Reply> => {
  const reply = await bench.armDone(token, 'PUT', id, body);
  assert.equal(reply.headers['warning'], undefined);
  return reply;
};

/** An example of every property that is kept. */
const kept: Readonly<Record<string, unknown>> = {
  accessTier: 'Cool',
  keyPolicy: { keyExpirationPeriodInDays: 30 },
  enabledForDeployment: true,
  enabledForDiskEncryption: true,
  enabledForTemplateDeployment: true,
  queueSettings: { jobTier: 'Spot', priority: 3 },
  'resources.instanceType': 'Standard_DS3_v2',
  'resources.properties': { a: 1 },
  'trial.resources.instanceType': 'Standard_DS3_v2',
  'trial.resources.properties': { a: 1 },
  'properties.vmSize': 'STANDARD_DS3_V2',
  'properties.vmPriority': 'LowPriority',
  appInsightsEnabled: true,
  instanceType: 'Standard_DS3_v2',
  startupProbe: { path: '/' },
  livenessProbe: { failureThreshold: 30, initialDelay: 'PT10S', period: 'PT10S', timeout: 'PT2S' },
  readinessProbe: { successThreshold: 1 },
};

before(async () => {
  bench = await openServer({ embedded: true });
  token = await bench.ownerToken();
  const { kinds: all } = bench.server.composed;
  kinds = all;
  const group = await bench.group('Rooms');
  const ids = idsIn(group);
  const { location } = bench;
  const workspace = ids.workspace('Rooms');
  const ml = 'Microsoft.MachineLearningServices/workspaces';
  const compute = `${workspace}/computes/rooms`;
  const endpoint = `${workspace}/onlineEndpoints/rooms`;
  const asset = (plural: string, properties: Fields): readonly (readonly [string, Example])[] => [
    [`${ml}/${plural}`, { id: `${workspace}/${plural}/rooms`, body: { properties: {} } }],
    [`${ml}/${plural}/versions`, { id: `${workspace}/${plural}/rooms/versions/1`, body: { properties } }],
  ];
  const made = await put(workspace, { location, properties: {} });
  assert.equal(made.body?.status, 'Succeeded', made.text);
  const snapshot = await bench.arm(token, 'POST', `${workspace}/snapshots`, await tarOf({ 'score.py': 'x' }), {
    'content-type': 'application/x-tar',
  });
  const { uri } = snapshot.body as { uri: string };
  const codeId = await makeCode(bench, workspace, 'code', { 'score.py': 'x' });
  const template = {
    mode: 'Incremental',
    template: { resources: [{ type: ml }] },
    parameters: { workspaceName: { value: 'Rooms' }, location: { value: location } },
  };
  examples = new Map<string, Example>([
    ['Microsoft.Resources/resourceGroups', { id: group, body: { location } }],
    [
      'Microsoft.Resources/deployments',
      { id: `${group}/providers/Microsoft.Resources/deployments/d`, body: { properties: template } },
    ],
    ['Microsoft.KeyVault/vaults', { id: ids.vault('rooms-vault'), body: { location, properties: {} } }],
    [
      'Microsoft.Storage/storageAccounts',
      {
        id: ids.account('roomsaccount'),
        body: {
          location,
          sku: { name: 'Standard_LRS' },
          kind: 'StorageV2',
          properties: { encryption: { keySource: 'Microsoft.Storage' } },
        },
      },
    ],
    [
      'Microsoft.ContainerRegistry/registries',
      { id: ids.registry('roomsregistry'), body: { location, sku: { name: 'Premium' }, properties: {} } },
    ],
    [
      'Microsoft.Insights/components',
      { id: `${group}/providers/Microsoft.Insights/components/rooms`, body: { location, properties: {} } },
    ],
    [ml, { id: workspace, body: { location, properties: { encryption: { status: 'Disabled' } } } }],
    [
      `${ml}/computes`,
      {
        id: compute,
        body: {
          location,
          properties: {
            computeType: 'AmlCompute',
            properties: { vmPriority: 'LowPriority', vmSize: 'STANDARD_DS3_V2', scaleSettings: { maxNodeCount: 1 } },
          },
        },
      },
    ],
    [
      `${ml}/datastores`,
      {
        id: `${workspace}/datastores/rooms`,
        body: { properties: { datastoreType: 'AzureBlob', accountName: 'roomsaccount', containerName: 'rooms' } },
      },
    ],
    ...asset('codes', { codeUri: uri }),
    ...asset('models', { modelUri: uri }),
    ...asset('data', { dataType: 'uri_folder', dataUri: 'azureml://datastores/workspaceblobstore/paths/x' }),
    ...asset('environments', { osType: 'Linux' }),
    ...asset('components', {
      componentSpec: {
        type: 'command',
        command: 'true',
        code: `azureml:${codeId}`,
        environment: 'azureml://registries/azureml/environments/sklearn-1.5/labels/latest',
      },
    }),
    [
      `${ml}/jobs`,
      {
        id: `${workspace}/jobs/rooms`,
        body: { properties: { jobType: 'Command', command: 'true', computeId: compute } },
      },
    ],
    [
      `${ml}/jobs Sweep`,
      {
        id: `${workspace}/jobs/sweeps`,
        body: {
          properties: {
            jobType: 'Sweep',
            computeId: compute,
            trial: { command: 'true' },
            searchSpace: { a: ['choice', [[1, 2]]] },
            samplingAlgorithm: { samplingAlgorithmType: 'Grid' },
            objective: { goal: 'Maximize', primaryMetric: 'm' },
            limits: { jobLimitsType: 'Sweep', maxTotalTrials: 1, maxConcurrentTrials: 1 },
          },
        },
      },
    ],
    [
      `${ml}/schedules`,
      {
        id: `${workspace}/schedules/rooms`,
        body: {
          properties: {
            trigger: { triggerType: 'Cron', expression: '0 6 1 1 *' },
            action: {
              actionType: 'CreateJob',
              jobDefinition: { jobType: 'Command', command: 'true', computeId: compute },
            },
          },
        },
      },
    ],
    [
      `${ml}/connections`,
      {
        id: `${workspace}/connections/rooms`,
        body: { properties: { authType: 'PAT', category: 'Git', credentials: { pat: 'of the rooms' } } },
      },
    ],
    [`${ml}/onlineEndpoints`, { id: endpoint, body: { location, properties: { authMode: 'Key' } } }],
    [
      `${ml}/onlineEndpoints/deployments`,
      {
        id: `${endpoint}/deployments/blue`,
        // Its making takes its time and may fail: what it says is kept all the same.
        isPlain: false,
        body: {
          location,
          sku: { name: 'Default', capacity: 1 },
          properties: {
            endpointComputeType: 'Managed',
            model: `${workspace}/models/rooms/versions/1`,
            codeConfiguration: { codeId, scoringScript: 'score.py' },
          },
        },
      },
    ],
  ]);
  // In the order in which they stand on each other.
  for (const [type, { id, body, isPlain = true }] of examples) {
    if (!isPlain) continue;
    const reply = await put(id, body);
    assert.ok(reply.status < 300 && reply.body?.status !== 'Failed', `${type}: ${reply.text}`);
  }
});
after(() => bench.close());

/** Of a type of jobs that has the place: what one of another type has, it has not. */
function exampleOf({ type }: Pick<ResourceKind, 'type'>, path = ''): Example {
  const example = /(^|\.)trial\./.test(path) ? examples.get(`${type} Sweep`) : examples.get(type);
  assert.ok(example, `there is no example of a ${type} in this test`);
  return example;
}

/** A body with a value at a dotted path. */
function having(body: Fields, path: string, value: unknown): Fields {
  const [step = '', ...rest] = path.split('.');
  const inner = (body[step] ?? {}) as Fields;
  return { ...body, [step]: rest.length === 0 ? value : having(inner, rest.join('.'), value) };
}

function at(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((from, step) => (from as Fields | undefined)?.[step], value);
}

/** Every place that goes one of the ways, with everything that is wrong in one message. */
async function each(places: readonly (readonly [string, () => Promise<void>])[]): Promise<void> {
  const wrong: string[] = [];
  for (const [name, check] of places)
    await check().catch(
      (error: unknown) => void wrong.push(`${name}: ${error instanceof Error ? error.message : error}`),
    );
  assert.equal(wrong.length, 0, `${wrong.length} places:\n${wrong.join('\n')}`);
  assert.ok(places.length > 20, 'hardly anything was swept');
}

test('what is refused is refused by its name and with what to do, in a PUT and in a PATCH', async () => {
  const nobodys = { nobody: { asked: ['for', 'this'] } };
  await each(
    kinds.flatMap((kind) => {
      const envelope = ['managedBy', 'zones', 'extendedLocation', 'plan', ...(kind.identity ? [] : ['identity'])];
      const paths = [...Object.keys(kind.unserved.refused).map((path) => `properties.${path}`), ...envelope];
      return paths.map((path) => [
        `${kind.type} ${path}`,
        async () => {
          const { id, body } = exampleOf(kind, path);
          for (const method of ['PUT', 'PATCH']) {
            const patch = method === 'PATCH';
            if (patch && (await bench.arm(token, 'GET', id)).status === 404) continue;
            const reply = await bench.arm(token, method, id, having(patch ? {} : body, path, nobodys));
            assert.deepEqual(
              [reply.status, reply.body?.error?.code],
              [400, 'PropertyNotServed'],
              `${method} ${reply.text}`,
            );
            assert.equal(reply.body.error.target, path);
            assert.match(reply.body.error.message, /\. [A-Z].*\.$/);
          }
        },
      ]);
    }),
  );
});

/** What is kept, apart by the example that has it. */
function parted(kind: ResourceKind): readonly Pick<ResourceKind, 'type' | 'unserved'>[] {
  const all = Object.entries(kind.unserved.kept);
  const by = [true, false].map((isOfTrial) => all.filter(([path]) => path.startsWith('trial.') === isOfTrial));
  return by.map((own) => ({ type: kind.type, unserved: { ...kind.unserved, kept: Object.fromEntries(own) } }));
}

test('what is kept is shown as it was sent, and the answer says that it has no effect', async () => {
  const places = kinds.flatMap((kind) => Object.keys(kind.unserved.kept).map((path) => [kind, path] as const));
  for (const [kind, path] of places)
    assert.ok(path in kept, `there is no example of ${kind.type} ${path} in this test`);
  for (const kind of kinds.flatMap((each) => parted(each))) {
    const paths = Object.keys(kind.unserved.kept);
    if (paths.length === 0) continue;
    const { id, body } = exampleOf(kind, paths[0]);
    const asked = paths.reduce((all, path) => having(all, `properties.${path}`, kept[path]), body);
    // A job does not change what it is: another one.
    const fresh = kind.type.endsWith('/jobs') ? `${id}2` : id;
    const made = await bench.arm(token, 'PUT', fresh, asked);
    assert.ok(made.status < 300, `${kind.type}: ${made.text}`);
    const { body: read } = await bench.arm(token, 'GET', fresh);
    for (const path of paths) {
      assert.deepEqual(at(read.properties, path), kept[path], `${kind.type} ${path}`);
      assert.equal(read.strongroom.withoutEffect[`properties.${path}`], kind.unserved.kept[path]?.because);
    }
  }
});

test('what is so anyway, what clients send by themselves, and what is ignored, passes', async () => {
  await each(
    kinds.flatMap((kind) => {
      const usual = Object.entries(kind.unserved.refused).flatMap(([path, rule]) =>
        [null, '', [], {}, ...('always' in rule ? [rule.always] : []), ...(rule.harmless ?? [])].map(
          (value) => [path, value] as const,
        ),
      );
      const forgotten = Object.keys(kind.unserved.ignored).map((path) => [path, 'x'] as const);
      return [...usual, ...forgotten].map(([path, value]) => [
        `${kind.type} ${path} ${JSON.stringify(value)}`,
        async () => {
          const { id, body } = exampleOf(kind, path);
          const reply = await bench.arm(token, 'PUT', id, having(body, `properties.${path}`, value));
          // Busy, or unchangeable for a reason of its own: it was not refused for this.
          const isOther = reply.status === 409;
          assert.ok(reply.status < 300 || isOther, reply.text);
        },
      ]);
    }),
  );
});

test('what a kind keeps beside its resource cannot be set, by a PUT, a PATCH, among many others, or under a name with a dot', async () => {
  const { resources } = bench.server.composed;
  const stored = async (id: string) => (await resources.find(houseGrant(), id))?.properties ?? {};
  const forged = 'forged';
  const crowd = Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`crowd${at}`, forged]));
  const swept: string[] = [];
  const wrong: string[] = [];
  for (const kind of kinds) {
    const { id, body } = exampleOf(kind);
    const before = await stored(id);
    const given = new Set(Object.keys((kind.properties as { properties?: object }).properties ?? {}));
    const beside = Object.keys(before).filter((name) => !given.has(name));
    swept.push(...beside.map((name) => `${kind.type} ${name}`));
    // What is made behind a deployment takes its time: its row may not say yet what it will keep.
    for (const name of [...beside, 'nobodys', 'image', `${[...given][0]}.${beside[0] ?? 'nobodys'}`])
      for (const more of [{}, crowd])
        for (const method of ['PUT', 'PATCH']) {
          const properties = { ...((method === 'PUT' ? body['properties'] : {}) as Fields), ...more, [name]: forged };
          await bench.arm(token, method, id, { ...(method === 'PUT' ? body : {}), properties });
          const now = JSON.stringify(await stored(id));
          if (now.includes(forged)) wrong.push(`${kind.type} ${name}: ${method} ${now.slice(0, 300)}`);
        }
  }
  assert.deepEqual(wrong, []);
  for (const name of ['models latestVersion', 'models/versions snapshot', 'jobs status', 'deployments outputResource'])
    assert.ok(
      swept.some((each) => each.endsWith(name)),
      `${name} was not swept`,
    );
});
