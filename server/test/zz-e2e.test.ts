import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openServer } from './server.fixture.ts';
import { ended, makeCluster, makeWorkspace, submit } from './work.fixture.ts';
test('same', async (t) => {
  const bench = await openServer({ embedded: true, environments: { index: 'https://pypi.org/simple/' } });
  t.after(() => bench.close());
  const token = await bench.ownerToken();
  const workspace = await makeWorkspace(bench, 'G', 'envs');
  const computeId = await makeCluster(bench, workspace, 'cpu');
  for (const [n, text] of [['a', 'numpy==1.26.4\nscipy==1.13.1\njoblib==1.4.2\nthreadpoolctl==3.5.0\nscikit-learn==1.5.2'], ['b', 'numpy==1.26.4\nscipy==1.13.1\njoblib==1.4.2\nthreadpoolctl==3.5.0\nscikit-learn==1.5.2\nscikit-learn<2']] as const) {
    const id = `${workspace}/environments/${n}/versions/1`;
    await bench.arm(token, 'PUT', id, { properties: { image: 'strongroom/node-python', condaFile: text } });
    const t0 = performance.now();
    const job = await submit(bench, workspace, n, { computeId, environmentId: id, command: 'true' });
    console.log(await ended(bench, job, 400), performance.now() - t0);
    console.log((await bench.arm(token, 'GET', job)).body.properties.properties);
  }
});
