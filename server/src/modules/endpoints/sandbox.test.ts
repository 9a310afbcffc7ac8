// A whole server with its real agent, registry and sandbox: from a folder with a model to an answer over TLS. Skipped where
// no sandbox can be made.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import tar from 'tar-stream';
import { silentLog } from '#kernel/log/log';
import { createClient } from '../../../test/client.fixture.ts';
import { sandboxed } from '../../../test/sandbox.fixture.ts';
import { type Bench, openServer } from '../../../test/server.fixture.ts';
import { startServer } from '../../main.ts';
import { readConfig } from '../../settings.ts';
import { makeWheel } from '../images/wheels.fixture.ts';

const { skip } = sandboxed();

const score = `
import json, os, threading
def init():
    global weights
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.json")) as source:
        weights = json.load(source)["weights"]
    print("model loaded")
def run(data):
    rows = json.loads(data)["data"]
    if rows == "die":
        os._exit(9)
    if rows == "hang":
        threading.Event().wait()
    if rows == "environment":
        return sorted(os.environ)
    return [sum(w * x for w, x in zip(weights, row)) for row in rows]
`;

async function archive(files: Readonly<Record<string, string | Buffer>>): Promise<Buffer> {
  const pack = tar.pack();
  for (const [path, content] of Object.entries(files)) pack.entry({ name: path }, content);
  pack.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of pack) chunks.push(chunk as Buffer);
  return gzipSync(Buffer.concat(chunks));
}

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 600; tries++) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`waited in vain: ${what}`);
}

/** A workspace with an endpoint, and what registers folders in it. */
async function furnish(bench: Bench) {
  const token = await bench.ownerToken();
  const workspaceId = `${await bench.group('scoring')}/providers/Microsoft.MachineLearningServices/workspaces/lab`;
  const must = async (method: string, path: string, body?: unknown) => {
    const reply = await bench.armDone(token, method, path, body);
    assert.ok(reply.status < 300 && reply.body?.status !== 'Failed', `${method} ${path}: ${reply.text}`);
    return reply;
  };
  await must('PUT', workspaceId, { location: bench.location, properties: {} });
  const register = async (kind: 'codes' | 'models', name: string, files: Readonly<Record<string, string | Buffer>>) => {
    const taken = await bench.send(`${workspaceId}/snapshots?api-version=2023-10-01`, {
      method: 'POST',
      token,
      headers: { 'content-type': 'application/x-tar' },
      body: await archive(files),
    });
    assert.equal(taken.status, 201, taken.text);
    const id = `${workspaceId}/${kind}/${name}/versions/1`;
    await must('PUT', id, { properties: { [kind === 'codes' ? 'codeUri' : 'modelUri']: taken.body.uri } });
    return id;
  };
  const endpointId = `${workspaceId}/onlineEndpoints/credit`;
  await must('PUT', endpointId, { location: bench.location, properties: { authMode: 'Key' } });
  const deployment = (codeId: string) => ({
    location: bench.location,
    sku: { name: 'Default', capacity: 1 },
    properties: {
      endpointComputeType: 'Managed',
      model: 'azureml:credit:1',
      codeConfiguration: { codeId, scoringScript: 'score.py' },
      environmentVariables: { GREETING: 'hello' },
    },
  });
  return { token, must, register, endpointId, deployment };
}

test('a model is deployed into a sandbox and scores over TLS, dies and comes back', {
  ...skip,
}, async (t) => {
  const bench = await openServer({ embedded: true });
  t.after(() => bench.close());
  const { token, must, register, endpointId, deployment } = await furnish(bench);
  const codeId = await register('codes', 'score', { 'score.py': score });
  await register('models', 'credit', { 'model.json': '{"weights":[2,3]}' });
  await must('PUT', `${endpointId}/deployments/blue`, deployment(codeId));
  await must('PATCH', endpointId, { properties: { traffic: { blue: 100 } } });
  const key = String((await must('POST', `${endpointId}/listKeys`)).body.primaryKey);
  const { scoringUri } = (await must('GET', endpointId)).body.properties;
  const scored = (data: unknown) =>
    bench.send(new URL(scoringUri).pathname, { method: 'POST', token: key, body: { data } });

  const reply = await scored([
    [1, 1],
    [10, 1],
  ]);
  assert.equal(reply.status, 200, reply.text);
  assert.deepEqual(reply.body, [5, 23]);
  assert.equal(reply.headers['azureml-model-deployment'], 'blue');
  assert.match(String(reply.headers['x-ms-run-fn-exec-ms']), /^\d+$/);

  const names: readonly string[] = (await scored('environment')).body;
  assert.ok(names.includes('GREETING') && names.includes('AZUREML_MODEL_DIR'));
  assert.ok(!names.some((name) => /TOKEN|KEY/i.test(name)), names.join());
  assert.match((await must('POST', `${endpointId}/deployments/blue/getLogs`, {})).body.content, /model loaded/);

  assert.equal((await scored('die')).status, 424);
  await until('the scoring process is there again', async () =>
    (await scored([[1, 1]])).status === 200 ? true : undefined,
  );
  const records = await bench.arm(token, 'GET', `${endpointId}/requests`);
  assert.ok(records.body.value.some((each: { StatusCode: number }) => each.StatusCode === 424));

  const impatient = deployment(codeId);
  await must('PUT', `${endpointId}/deployments/impatient`, {
    ...impatient,
    properties: { ...impatient.properties, requestSettings: { requestTimeout: 'PT1S' } },
  });
  const ask = (data: unknown) =>
    bench.send(new URL(scoringUri).pathname, {
      method: 'POST',
      token: key,
      headers: { 'azureml-model-deployment': 'impatient' },
      body: { data },
    });
  assert.equal((await ask('hang')).status, 408);
  await until('the process that hangs is replaced', async () =>
    (await ask([[1, 1]])).status === 200 ? true : undefined,
  );
  const { properties: told } = (await must('GET', `${endpointId}/deployments/impatient`)).body.properties;
  assert.deepEqual([told['strongroom.health'], told['strongroom.replaced']], ['Healthy', '1']);

  const broken = await register('codes', 'broken', {
    'score.py': 'def init():\n    raise RuntimeError("no weights today")\ndef run(d): return d\n',
  });
  const failed = await bench.armDone(token, 'PUT', `${endpointId}/deployments/green`, deployment(broken));
  assert.equal(failed.body.status, 'Failed', failed.text);
  assert.match(failed.body.error.message, /no weights today/);

  await must('DELETE', endpointId);
  assert.equal((await scored([[1, 1]])).status, 401);
});

test('a script imports what the wheels of its code hold, and a wheel for another Python is named', {
  ...skip,
}, async (t) => {
  const bench = await openServer({ embedded: true });
  t.after(() => bench.close());
  const { token, must, register, endpointId, deployment } = await furnish(bench);
  await register('models', 'credit', { 'model.json': '{}' });
  const script = 'import zaehlwerk\ndef init(): pass\ndef run(data): return zaehlwerk.total(data)\n';
  const package_ = { 'zaehlwerk/__init__.py': 'import json\ndef total(data): return sum(json.loads(data))\n' };
  const pure = makeWheel('zaehlwerk', package_);
  const codeId = await register('codes', 'wheels', { 'score.py': script, [`wheels/${pure.file}`]: pure.bytes });
  await must('PUT', `${endpointId}/deployments/blue`, deployment(codeId));
  await must('PATCH', endpointId, { properties: { traffic: { blue: 100 } } });
  const key = String((await must('POST', `${endpointId}/listKeys`)).body.primaryKey);
  const path = new URL((await must('GET', endpointId)).body.properties.scoringUri).pathname;
  const reply = await bench.send(path, { method: 'POST', token: key, body: [1, 2, 3] });
  assert.deepEqual([reply.status, reply.body], [200, 6], reply.text);

  const other = makeWheel('zaehlwerk', package_, 'cp37-cp37m-linux_x86_64');
  const otherId = await register('codes', 'other', { 'score.py': script, [`wheels/${other.file}`]: other.bytes });
  const failed = await bench.armDone(token, 'PUT', `${endpointId}/deployments/green`, deployment(otherId));
  assert.equal(failed.body.status, 'Failed', failed.text);
  assert.match(failed.body.error.message, /wheel of zaehlwerk-1\.0 is for cp37-cp37m-linux_x86_64/);
});

test('after the server has died and started again the same key scores as before', skip, async (t) => {
  const bench = await openServer({ embedded: true });
  const closing: (() => Promise<unknown>)[] = [];
  t.after(async () => {
    for (const close of closing.reverse()) await close();
  });
  closing.push(async () => bench.close());
  const { must, register, endpointId, deployment } = await furnish(bench);
  const codeId = await register('codes', 'score', { 'score.py': score });
  await register('models', 'credit', { 'model.json': '{"weights":[2,3]}' });
  await must('PUT', `${endpointId}/deployments/blue`, deployment(codeId));
  await must('PATCH', endpointId, { properties: { traffic: { blue: 100 } } });
  const key = String((await must('POST', `${endpointId}/listKeys`)).body.primaryKey);
  const path = new URL((await must('GET', endpointId)).body.properties.scoringUri).pathname;

  await bench.server.stop();
  const config = readConfig({
    flags: {
      dataDir: bench.dataDir,
      http: { port: 0 },
      log: { level: 'silent' },
      agent: { embedded: true, maxNodes: 2 },
    },
    environment: {},
  });
  const again = await startServer({ config, log: silentLog, print: () => {} });
  closing.push(async () => again.stop());
  const client = createClient({
    url: again.url,
    caPem: await readFile(again.caFile, 'utf8'),
    tenantId: bench.tenantId,
  });
  closing.push(async () => client.close());
  const reply = await until('the deployment is served again', async () => {
    const tried = await client.send(path, { method: 'POST', token: key, body: { data: [[1, 1]] } });
    return tried.status === 424 ? undefined : tried;
  });
  assert.equal(reply.status, 200, reply.text);
  assert.deepEqual(reply.body, [5]);
});
