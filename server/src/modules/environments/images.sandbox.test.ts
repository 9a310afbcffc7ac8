// A whole server with its real agent and sandbox: jobs that run in images which were pushed, and images that cannot be run.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { image, pushImage, shellLayer, type TestImage } from '../../../test/image.fixture.ts';
import { sandboxed } from '../../../test/sandbox.fixture.ts';
import { type Bench, openServer } from '../../../test/server.fixture.ts';
import { ended, makeCluster, makeWorkspace, submit } from '../../../test/work.fixture.ts';

const { isPossible, skip } = sandboxed();

let bench: Bench;
let workspace: string;
let computeId: string;
let registry: string;
let versions = 0;

before(async () => {
  if (!isPossible) return;
  bench = await openServer({ embedded: true });
  workspace = await makeWorkspace(bench, 'Images', 'Images');
  computeId = await makeCluster(bench, workspace, 'cpu');
  const { body } = await bench.arm(await bench.ownerToken(), 'GET', workspace);
  registry = String(body.properties.containerRegistry).split('/').at(-1)?.toLowerCase() ?? '';
});
after(() => bench?.close());

const shell = isPossible ? shellLayer() : [];

async function run(made: TestImage, command: string, more: object = {}) {
  const token = await bench.ownerToken();
  const tag = `v${++versions}`;
  await pushImage(
    (method, path, body, type) => bench.send(path, { method, token, body, headers: { 'content-type': type } }),
    `${registry}/team/base`,
    tag,
    made,
  );
  const environmentId = `${workspace}/environments/image/versions/${versions}`;
  const kept = await bench.arm(token, 'PUT', environmentId, { properties: { image: `${registry}/team/base:${tag}` } });
  assert.ok(kept.status < 300, kept.text);
  const job = await submit(bench, workspace, `job-${versions}`, { computeId, environmentId, command, ...more });
  const status = await ended(bench, job);
  const { error } = (await bench.arm(token, 'GET', job)).body.properties;
  return {
    status,
    words: String(error?.message ?? ''),
    log: (await bench.arm(token, 'GET', `${job}/log?offset=0`)).text,
  };
}

test(
  'a job runs in an image: as it was pushed, with its variables, read-only, and its outputs are taken',
  skip,
  async () => {
    const made = image(
      [
        shell,
        [
          { path: 'opt/data', content: 'one' },
          { path: 'opt/gone', content: 'x' },
        ],
        [{ path: 'opt/.wh.gone' }],
      ],
      { config: { Env: ['FLAVOUR=of the image', 'PATH=/usr/bin:/bin'] } },
    );
    const command =
      'cat /opt/data; echo; ls /opt; echo $FLAVOUR; touch /opt/new || echo kept; pwd; echo model > outputs/m';
    const first = await run(made, command);
    assert.equal(first.status, 'Completed', first.words + first.log);
    assert.match(first.log, /^one\ndata\nof the image\n.*\nkept\n\/job\/code\n$/);
    const again = await run(made, 'cat /opt/data');
    assert.deepEqual([again.status, again.log], ['Completed', 'one']);
  },
);

test(
  'an image that cannot be run is an end of the job in words, and the next job is none the worse',
  skip,
  async () => {
    for (const [made, words] of [
      [image([[{ path: 'only', content: 'x' }]]), /no \/bin\/sh/],
      [image([shell], { architecture: 's390x' }), /linux\/s390x and this node is/],
      [image([shell, [{ path: 'dev/kmsg', type: '3' }]]), /neither a file, a folder nor a link/],
      [image([shell, [{ path: '../../etc/cron.d/x', content: 'x' }]]), /bad path/],
      [image(Array(129).fill([])), /1 to 128 layers/],
    ] as const) {
      const refused = await run(made, 'true');
      assert.equal(refused.status, 'Failed', String(words));
      assert.match(refused.words, words);
    }
    assert.equal((await run(image([shell]), 'true')).status, 'Completed');
  },
);
