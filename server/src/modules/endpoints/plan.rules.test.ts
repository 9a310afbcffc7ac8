// What an agent is given for a deployment: the interpreter that its environment was built with, and no word of one where none is known.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { documentOf, type Plan } from './plan.rules.ts';

const image = {
  ...{ repository: 'deployments/d', digest: `sha256:${'0'.repeat(64)}`, size: 1 },
  ...{ registryId: '/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/R' },
  ...{ modelDir: '/var/azureml-app/azureml-models/m/1', scoringScript: 'score.py' },
};
const planWith = (more: Partial<Plan['image']>): Plan => ({
  ...{ deploymentId: '/d', uniqueId: 'u', endpointId: '/e', workspaceId: '/w', name: 'blue', hbi: false },
  ...{ environment: {}, maxConcurrent: 1, capacity: 1, timeoutMs: 5_000, queueWaitMs: 500 },
  image: { ...image, ...more },
});

test("a deployment runs on the Python that its environment was built with, and one from before that was kept on the node's own", () => {
  const abi = 'cpython-310-x86_64-linux-gnu';
  const { document } = documentOf(planWith({ python: '3.10', abi }), 'token', 8443);
  assert.deepEqual([document.python, document.abi], ['3.10', abi]);
  const { document: before } = documentOf(planWith({}), 'token', 8443);
  assert.ok(!('python' in before) && !('abi' in before));
});

test('what its environment sets and holds beside /env comes along, and what has none says nothing of it', () => {
  const links = ['app'];
  const { document } = documentOf(planWith({ python: '3.11', links, variables: { A: 'b' } }), 'token', 8443);
  assert.deepEqual(
    [document.links, (document.score as { imageEnvironment: object }).imageEnvironment],
    [links, { A: 'b' }],
  );
  const { document: before } = documentOf(planWith({}), 'token', 8443);
  assert.ok(!('links' in before) && !('imageEnvironment' in (before.score as object)));
});
