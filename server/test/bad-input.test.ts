// Hostile and mistaken requests to the resource manager, sent by somebody who may do everything: each is refused in Azure's
// words with what to do instead, and after each there is exactly what there was before.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { pack } from 'tar-stream';
import type { Reply } from './client.fixture.ts';
import { type Bench, idsIn, openServer, type Principal } from './server.fixture.ts';
import { makeCluster, makeCode, makeWorkspace, tarOf } from './work.fixture.ts';

let bench: Bench;
let mighty: Principal;
let token: string;
let group: string;
let workspace: string;
let computeId: string;

before(async () => {
  bench = await openServer();
  workspace = await makeWorkspace(bench, 'Rooms', 'Shared');
  group = await bench.group('Rooms');
  computeId = await makeCluster(bench, workspace, 'cluster');
  mighty = await bench.principal(['Owner', 'Key Vault Administrator', 'Storage Blob Data Owner']);
  token = await bench.token(mighty, bench.audience('arm'));
});
after(() => bench.close());

const put = (path: string, body: unknown) => bench.arm(token, 'PUT', path, body);
const inGroup = () => idsIn(group);

/** Everything that can be listed: ids and etags of resources, of what is in the workspace, its runs, blobs and vault keys. */
async function inventory(): Promise<string> {
  const lists = await Promise.all(
    ['computes', 'codes', 'models', 'environments', 'jobs', 'datastores', 'onlineEndpoints']
      .map((kind) => `${workspace}/${kind}`)
      .concat(
        `/subscriptions/${bench.subscriptionId}/resources`,
        `/subscriptions/${bench.subscriptionId}/resourceGroups`,
      )
      .map(async (path) => {
        const { status, body, text } = await bench.arm(token, 'GET', path);
        assert.equal(status, 200, `${path}: ${text}`);
        return (body.value as { id: string; etag?: string }[]).map(({ id, etag }) => `${id} ${etag ?? ''}`).sort();
      }),
  );
  const runs = await bench.send(`/mlflow/v1.0${workspace}/api/2.0/mlflow/experiments/search`, {
    method: 'POST',
    token,
    body: { max_results: 100 },
  });
  assert.equal(runs.status, 200, runs.text);
  const shared = await bench.arm(token, 'GET', workspace);
  const account = String(shared.body.properties.storageAccount).split('/').at(-1);
  const blobs = await bench.send(
    `/azureml-blobstore-${shared.body.properties.workspaceId}?restype=container&comp=list`,
    { host: `${account}.blob.storage.localhost`, token: await bench.token(mighty, bench.audience('blob')) },
  );
  assert.equal(blobs.status, 200, blobs.text);
  return JSON.stringify([lists, runs.body, blobs.text]);
}

type Refusal = { readonly status: number; readonly code: string; readonly says?: RegExp; readonly target?: string };

/** Sends, expects exactly this refusal, and that nothing is different afterwards. */
async function refuses(send: () => Promise<Reply>, refusal: Refusal): Promise<void> {
  const before = await inventory();
  const { status, body, text } = await send();
  assert.deepEqual({ status, code: body?.error?.code }, { status: refusal.status, code: refusal.code }, text);
  if (refusal.says) assert.match(text, refusal.says);
  if (refusal.target !== undefined) assert.match(text, new RegExp(`"target":"${refusal.target}`));
  assert.equal(await inventory(), before, 'something was made, changed or removed');
}

describe('requests', () => {
  const target = () => inGroup().workspace('Other');
  const body = () => ({ location: bench.location, properties: {} });

  test('without an api-version, or with one that is no date', async () => {
    const bare = (query: string) => bench.send(`${target()}${query}`, { method: 'PUT', token, body: body() });
    await refuses(() => bare(''), { status: 400, code: 'MissingApiVersionParameter' });
    await refuses(() => bare('?api-version=latest'), { status: 400, code: 'InvalidApiVersionParameter' });
    await refuses(() => bare('?api-version=2022-10-01&api-version=x'), {
      status: 400,
      code: 'InvalidApiVersionParameter',
    });
  });

  test('with a property that nobody knows: refused, and told what was probably meant', async () => {
    await refuses(() => put(target(), { ...body(), properties: { hbiWorkspce: true } }), {
      status: 400,
      code: 'InvalidRequestContent',
      says: /hbiWorkspace/,
    });
    await refuses(() => put(target(), { ...body(), propertis: {} }), { status: 400, code: 'InvalidRequestContent' });
  });

  test('with a property that Azure has and this server does not serve: refused by name, with what to do', async () => {
    await refuses(() => put(target(), { ...body(), properties: { publicNetworkAccess: 'Disabled' } }), {
      status: 400,
      code: 'PropertyNotServed',
      target: 'properties.publicNetworkAccess',
      says: /restrict who reaches the server/,
    });
  });

  test('with a value of the wrong type or out of bounds', async () => {
    for (const properties of [{ hbiWorkspace: 'yes' }, { friendlyName: 7 }, { description: 'x'.repeat(5_000) }, []])
      await refuses(() => put(target(), { ...body(), properties }), { status: 400, code: 'InvalidRequestContent' });
    await refuses(() => put(target(), { ...body(), location: 7 }), { status: 400, code: 'InvalidRequestContent' });
  });

  test('with a name that is none', async () => {
    for (const name of ['x', `w${'o'.repeat(60)}`, 'two%20words', '-dash', 'umlaut%C3%A4'])
      await refuses(() => put(`${group}/providers/Microsoft.MachineLearningServices/workspaces/${name}`, body()), {
        status: 400,
        code: 'InvalidResourceName',
      });
  });

  test('with a path that plays tricks', async () => {
    const tricks = [
      `${group}/providers/Microsoft.MachineLearningServices/workspaces/%2e%2e/%2e%2e/x`,
      `${group}/../Rooms/providers/Microsoft.KeyVault/vaults/tricky`,
      `${group}/providers/Microsoft.KeyVault/vaults/a%2fb`,
      `${group}/providers/Microsoft.KeyVault/vaults/a%5cb`,
      `${group}/providers/Microsoft.KeyVault/vaults/a%00b`,
      `${group}/providers/Microsoft.KeyVault/vaults/%ff%fe`,
      `${group}/providers/Microsoft.KeyVault/vaults/%`,
      `/subscriptions/${bench.subscriptionId}${'/x'.repeat(100)}`,
    ];
    const before = await inventory();
    for (const path of tricks)
      for (const method of ['PUT', 'GET', 'DELETE']) {
        const reply = await bench.arm(token, method, path, method === 'PUT' ? body() : undefined);
        assert.ok(reply.status === 400 || reply.status === 404, `${method} ${path}: ${reply.status} ${reply.text}`);
        assert.doesNotMatch(reply.text, /\/work|node_modules|at .*\.ts:\d/);
      }
    assert.equal(await inventory(), before);
  });

  test('for a name that exists in another casing: the same thing here, taken elsewhere', async () => {
    const before = await inventory();
    const again = await bench.arm(token, 'GET', workspace.replace('Shared', 'SHARED').replace('Rooms', 'rOOMS'));
    assert.equal(again.body.id, workspace);
    await put(inGroup().vault('One-Vault'), { location: bench.location, properties: {} });
    const renamed = await put(inGroup().vault('ONE-VAULT'), { location: bench.location, properties: {} });
    assert.deepEqual([renamed.status, renamed.body.name], [200, 'One-Vault'], renamed.text);
    const other = await bench.group('Elsewhere');
    const taken = await put(idsIn(other).vault('oNE-vAULT'), { location: bench.location, properties: {} });
    assert.deepEqual([taken.status, taken.body.error.code], [409, 'VaultAlreadyExists'], taken.text);
    assert.equal((await bench.arm(token, 'GET', idsIn(other).vault('one-vault'))).status, 404);
    for (const id of [inGroup().vault('one-vault'), other]) await bench.armDone(token, 'DELETE', id);
    assert.equal(await inventory(), before);
  });
});

describe('a workspace', () => {
  const asked = (properties: unknown) => () =>
    put(inGroup().workspace('Refused'), { location: bench.location, properties });
  const key = 'https://far-vault.vault.localhost/keys/k/0123456789abcdef0123456789abcdef';
  const encryption = (keyVaultProperties: unknown) => ({ encryption: { status: 'Enabled', keyVaultProperties } });
  const vaultIn = async (name: string, location: string, properties: object) => {
    const made = await put(inGroup().vault(name), { location, properties });
    assert.ok(made.status < 300, made.text);
    return inGroup().vault(name);
  };

  test('with one property of a customer key and not the other', async () => {
    const refusal = { status: 400, code: 'InvalidEncryption', says: /both|neither/ };
    await refuses(asked(encryption({ keyIdentifier: key })), refusal);
    await refuses(asked(encryption({ keyVaultArmId: inGroup().vault('far-vault') })), refusal);
    await refuses(asked(encryption({})), refusal);
    await refuses(asked({ encryption: { status: 'Enabled' } }), refusal);
  });

  test('with a customer key in a vault elsewhere, unprotected, or not there', async () => {
    const far = await vaultIn('far-vault', 'elsewhere', { enablePurgeProtection: true });
    const bare = await vaultIn('bare-vault', bench.location, {});
    const abroad = far.replace(bench.subscriptionId, '99999999-9999-4999-8999-999999999999');
    const named = (keyVaultArmId: string) => asked(encryption({ keyVaultArmId, keyIdentifier: key }));
    await refuses(named(far), { status: 400, code: 'KeyVaultInOtherRegion', target: 'properties.encryption' });
    await refuses(named(bare), { status: 400, code: 'PurgeProtectionRequired', target: 'properties.encryption' });
    await refuses(named(abroad), { status: 400, code: 'KeyVaultInOtherSubscription' });
    await refuses(named(inGroup().vault('no-vault')), { status: 400, code: 'KeyVaultNotFound' });
    await refuses(named(inGroup().account('novault')), { status: 400, code: 'InvalidEncryption' });
  });

  test('on a storage account, vault or registry that does not exist, or is another thing', async () => {
    for (const properties of [
      { storageAccount: inGroup().account('absentaccount') },
      { keyVault: inGroup().vault('absent-vault') },
      { storageAccount: workspace },
      { storageAccount: 'absentaccount' },
    ]) {
      const before = await inventory();
      const reply = await asked(properties)();
      assert.ok(reply.status === 400 || reply.status === 404, reply.text);
      assert.equal(await inventory(), before);
    }
  });

  test('in a group or a subscription that does not exist', async () => {
    const nowhere = inGroup().workspace('Refused').replace('/Rooms/', '/Nowhere/');
    await refuses(() => put(nowhere, { location: bench.location, properties: {} }), {
      status: 404,
      code: 'ResourceGroupNotFound',
    });
    const abroad = nowhere.replace(bench.subscriptionId, '99999999-9999-4999-8999-999999999999');
    // There is one subscription, and everybody who is signed in may list it: that there is no other is no secret.
    await refuses(() => put(abroad, { location: bench.location, properties: {} }), {
      status: 404,
      code: 'SubscriptionNotFound',
    });
  });
});

describe('a snapshot', () => {
  const take = (archive: Uint8Array) => () =>
    bench.arm(token, 'POST', `${workspace}/snapshots`, archive, { 'content-type': 'application/x-tar' });
  const special = async (entry: object) => {
    const archive = pack();
    archive.entry({ name: 'train.py' }, 'print(1)');
    archive.entry({ name: 'x', ...entry } as never);
    archive.finalize();
    const chunks: Buffer[] = [];
    for await (const chunk of archive) chunks.push(Buffer.from(chunk as Uint8Array));
    return Buffer.concat(chunks);
  };

  test('with more files than it may have', async () => {
    const many = Object.fromEntries(Array.from({ length: 2_001 }, (_, at) => [`f${at}`, '']));
    await refuses(take(await tarOf(many)), { status: 413, code: 'SnapshotTooManyFiles', says: /2000/ });
  });

  test('with links and devices', async () => {
    for (const entry of [
      { type: 'symlink', linkname: '/etc/passwd' },
      { type: 'symlink', linkname: '../../x' },
      { type: 'link', linkname: 'train.py' },
      { type: 'character-device', devmajor: 1, devminor: 3 },
    ])
      await refuses(take(await special(entry)), { status: 400, code: 'InvalidSnapshotEntry', target: 'x' });
  });

  test('with paths that leave it', async () => {
    for (const name of ['../up.py', '/etc/cron.d/x', 'a/../../b', 'C:/x', 'a\\..\\b', './../x'])
      await refuses(take(await tarOf({ 'train.py': '1', [name]: '2' })), { status: 400, code: 'InvalidSnapshotPath' });
  });

  test('that is cut off, empty or no archive', async () => {
    const whole = await tarOf({ 'train.py': 'x'.repeat(10_000) });
    const bad: readonly (readonly [Uint8Array, string])[] = [
      [whole.subarray(0, 3_000), 'InvalidSnapshot'],
      [Buffer.alloc(1_024), 'EmptySnapshot'],
      [Buffer.from('PK\u0003\u0004zip'), 'InvalidSnapshot'],
      [Buffer.from([0x1f, 0x8b, 0, 0]), 'InvalidSnapshot'],
    ];
    for (const [bytes, code] of bad) await refuses(take(bytes), { status: 400, code });
  });
});

describe('models and jobs', () => {
  test('a model version that exists cannot be another', async () => {
    const code = await makeCode(bench, workspace, 'first', { 'model.txt': 'one' });
    const { codeUri } = (await bench.arm(token, 'GET', code)).body.properties;
    const version = `${workspace}/models/kept/versions/1`;
    const made = await put(version, { properties: { modelUri: codeUri } });
    assert.ok(made.status < 300, made.text);
    const other = await makeCode(bench, workspace, 'second', { 'model.txt': 'two' });
    const otherUri = (await bench.arm(token, 'GET', other)).body.properties.codeUri;
    const before = await inventory();
    const again = await put(version, { properties: { modelUri: otherUri } });
    assert.equal(again.status, 409, again.text);
    assert.equal((await bench.arm(token, 'GET', version)).body.properties.modelUri, made.body.properties.modelUri);
    assert.equal(await inventory(), before);
  });

  test('a job that cannot run is refused before it exists', async () => {
    const job = (properties: object) => () =>
      put(`${workspace}/jobs/refused`, {
        properties: { jobType: 'Command', computeId, command: 'true', ...properties },
      });
    const bad: readonly (readonly [object, string])[] = [
      [{ command: undefined }, 'ValidationError'],
      [{ command: '  ' }, 'ValidationError'],
      [{ jobType: 'Spark' }, 'JobTypeNotServed'],
      [{ computeId: `${workspace}/computes/absent` }, 'ComputeNotFound'],
      [{ computeId: workspace }, 'InvalidResourceId'],
      [{ codeId: `${workspace.replace('Shared', 'Other')}/codes/c/versions/1` }, 'InvalidResourceId'],
      [{ environmentVariables: { MLFLOW_TRACKING_TOKEN: 'x' } }, 'ValidationError'],
      [{ limits: { timeout: 'P1Y' } }, 'ValidationError'],
      [{ command: `echo $${'{{inputs.absent}}'}` }, 'UnknownPlaceholder'],
    ];
    const wrong: string[] = [];
    for (const [properties, code] of bad)
      await refuses(job(properties), { status: 400, code }).catch((error: Error) =>
        wrong.push(`${JSON.stringify(properties)}: ${error.message}`),
      );
    assert.deepEqual(wrong, []);
    assert.equal((await bench.arm(token, 'GET', `${workspace}/jobs/refused`)).status, 404);
  });
});
