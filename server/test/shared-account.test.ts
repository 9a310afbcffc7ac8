// Two workspaces may stand on one storage account. What the users of one may do there ends at its own containers: choosing
// the name of another's run opens nothing.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Bench, idsIn, openServer } from './server.fixture.ts';

let bench: Bench;
let first: string;
let second: string;
let account: string;

before(async () => {
  bench = await openServer({ embedded: true });
  const token = await bench.ownerToken();
  const ids = idsIn(await bench.group('Shared'));
  const { location } = bench;
  account = ids.account('sharedaccount');
  const made = async (path: string, body: unknown) => {
    const reply = await bench.armDone(token, 'PUT', path, body);
    assert.ok(reply.status < 300 && reply.body?.status !== 'Failed', reply.text);
    return path;
  };
  await made(account, { location, sku: { name: 'Standard_LRS' }, kind: 'StorageV2' });
  first = await made(ids.workspace('First'), { location, properties: { storageAccount: account } });
  second = await made(ids.workspace('Second'), { location, properties: { storageAccount: account } });
});
after(() => bench.close());

test('a run of the same name in the other workspace has artifacts of its own', async () => {
  const owner = await bench.ownerToken();
  // A job's name is the id of its run, so whoever may write jobs chooses it.
  const name = 'the-same-name';
  const stranger = await bench.token(await bench.principal(['Contributor'], second), bench.audience('mlflow'));
  const submitted = async (token: string, workspace: string) => {
    const cluster = await bench.armDone(token, 'PUT', `${workspace}/computes/cluster`, {
      location: bench.location,
      properties: {
        computeType: 'AmlCompute',
        properties: { vmSize: 'STANDARD_DS3_V2', scaleSettings: { minNodeCount: 0, maxNodeCount: 1 } },
      },
    });
    assert.ok(cluster.status < 300, cluster.text);
    const job = await bench.arm(token, 'PUT', `${workspace}/jobs/${name}`, {
      properties: { jobType: 'Command', command: 'true', computeId: `${workspace}/computes/cluster` },
    });
    assert.ok(job.status < 300, job.text);
  };
  const artifact = async (token: string, workspace: string, method: string, body?: string) => {
    const api = `/mlflow/v1.0${workspace}/api/2.0`;
    const run = await bench.send(`${api}/mlflow/runs/get?run_id=${name}`, { token });
    assert.equal(run.status, 200, run.text);
    const path = `${api}/mlflow-artifacts/artifacts/${run.body.run.info.experiment_id}/${name}/artifacts/secret.txt`;
    return bench.send(path, { method, token, ...(body === undefined ? {} : { body }) });
  };
  await submitted(owner, first);
  assert.equal((await artifact(owner, first, 'PUT', 'of the first')).status, 200);

  await submitted(stranger, second);
  const read = await artifact(stranger, second, 'GET');
  assert.equal(read.status, 404, `${read.status} ${read.text}`);
  assert.equal((await artifact(stranger, second, 'PUT', 'of the second')).status, 200);
  assert.equal((await artifact(owner, first, 'GET')).text, 'of the first');
});
