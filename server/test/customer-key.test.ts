// A workspace under a customer's key: while the key may be used everything works, when its owner disables it every data call
// of the workspace is refused within a minute, with the vault's reason, and when he enables it everything is there again.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Reply } from './client.fixture.ts';
import { type Bench, idsIn, openServer } from './server.fixture.ts';
import { makeCode, until } from './work.fixture.ts';

let bench: Bench;
let workspace: string;
let code: string;
let keyName: string;
let run: string;
let experiment: string;
let account: string;
let registry: string;
let container: string;

const host = 'customer-vault.vault.localhost';
const key = async (method: string, path: string, body?: unknown) =>
  bench.send(`${path}?api-version=7.4`, {
    host,
    method,
    token: await bench.token(bench.owner, bench.audience('keyvault')),
    ...(body === undefined ? {} : { body }),
  });

before(async () => {
  bench = await openServer();
  const token = await bench.ownerToken();
  const group = await bench.group('Customer');
  const vault = idsIn(group).vault('customer-vault');
  const made = await bench.arm(token, 'PUT', vault, {
    location: bench.location,
    properties: { enablePurgeProtection: true },
  });
  assert.ok(made.status < 300, made.text);
  await bench.grant(bench.owner.objectId, 'Key Vault Crypto Officer', vault);
  const created = await key('POST', '/keys/wrapping/create', { kty: 'RSA', key_size: 2048 });
  assert.equal(created.status, 200, created.text);
  const keyIdentifier = String(created.body.key.kid);
  keyName = `/keys/wrapping/${keyIdentifier.split('/').at(-1)}`;

  workspace = idsIn(group).workspace('Sealed');
  const sealed = await bench.armDone(token, 'PUT', workspace, {
    location: bench.location,
    properties: { encryption: { status: 'Enabled', keyVaultProperties: { keyVaultArmId: vault, keyIdentifier } } },
  });
  assert.equal(sealed.body?.status, 'Succeeded', sealed.text);
  const { properties } = (await bench.arm(token, 'GET', workspace)).body;
  account = String(properties.storageAccount).split('/').at(-1) ?? '';
  registry = String(properties.containerRegistry).split('/').at(-1) ?? '';
  container = `azureml-blobstore-${properties.workspaceId}`;
  await bench.grant(bench.owner.objectId, 'Storage Blob Data Owner', properties.storageAccount);

  code = await makeCode(bench, workspace, 'code', { 'train.py': 'print(1)' });
  experiment = (await mlflow('POST', 'experiments/create', { name: 'sealed' })).body.experiment_id;
  run = (await mlflow('POST', 'runs/create', { experiment_id: experiment })).body.run.info.run_id;
  for (const [what, send] of calls) {
    const reply = await send();
    assert.ok(reply.status < 300, `${what}: ${reply.status} ${reply.text}`);
  }
});
after(() => bench.close());

async function mlflow(method: string, path: string, body?: unknown): Promise<Reply> {
  return bench.send(`/mlflow/v1.0${workspace}/api/2.0/mlflow/${path}`, {
    method,
    token: await bench.ownerToken(),
    ...(body === undefined ? {} : { body }),
  });
}
const arm = async (method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
  bench.arm(await bench.ownerToken(), method, `${workspace}/${path}`, body, headers);
const blob = async (method: string, path: string, body?: string) =>
  bench.send(`/${container}${path}`, {
    host: `${account}.blob.storage.localhost`,
    method,
    token: await bench.token(bench.owner, bench.audience('blob')),
    headers: { 'x-ms-blob-type': 'BlockBlob' },
    ...(body === undefined ? {} : { body }),
  });
const oci = async (method: string, path: string, body?: string) =>
  bench.send(`/v2/${registry}/team/image/${path}`, {
    method,
    token: await bench.ownerToken(),
    headers: { 'content-type': 'application/octet-stream' },
    ...(body === undefined ? {} : { body }),
  });

/** Reads and writes of everything that the workspace's key closes. */
const calls: readonly (readonly [string, () => Promise<Reply>])[] = [
  ['write a metric', () => mlflow('POST', 'runs/log-metric', { run_id: run, key: 'm', value: 1, timestamp: 1 })],
  ['read a run', () => mlflow('GET', `runs/get?run_id=${run}`)],
  ['list jobs', () => arm('GET', 'jobs')],
  ['read a code', () => bench.ownerToken().then((token) => bench.arm(token, 'GET', code))],
  ['register a model', () => arm('PUT', 'models/m', { properties: {} })],
  ['write a blob', () => blob('PUT', '/a.txt', 'sealed')],
  ['read a blob', () => blob('GET', '/a.txt')],
  ['list blobs', () => blob('GET', '?restype=container&comp=list')],
  ['push a layer', () => oci('POST', `blobs/uploads/?digest=${digest}`, '')],
  ['pull a layer', () => oci('GET', `blobs/${digest}`)],
];
/** Of nothing. */
const digest = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

test('disabled, it closes every data call of the workspace within a minute; enabled, everything is there again', async () => {
  const disabled = await key('PATCH', keyName, { attributes: { enabled: false } });
  assert.equal(disabled.status, 200, disabled.text);
  const begun = performance.now();
  for (const [what, send] of calls) {
    const refused = await until(send, ({ status }) => status === 403, 60);
    assert.doesNotMatch(refused.text, /sealed|\.ts:\d/, what);
  }
  assert.ok(performance.now() - begun < 60_000);
  // It stays closed, for a new customer of the same data too.
  for (const [what, send] of calls) assert.equal((await send()).status, 403, what);

  const enabled = await key('PATCH', keyName, { attributes: { enabled: true } });
  assert.equal(enabled.status, 200, enabled.text);
  for (const [, send] of calls) await until(send, ({ status }) => status < 300, 60);
  assert.equal((await blob('GET', '/a.txt')).text, 'sealed');
  const kept = await mlflow('GET', `runs/get?run_id=${run}`);
  assert.equal(kept.body.run.data.metrics[0].key, 'm');
});
