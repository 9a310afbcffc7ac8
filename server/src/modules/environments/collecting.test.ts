// Images of environments that go, and those that stay: named by a version, used, waited for, run in, of a build that still runs, of a
// workspace that is gone. Everything is real but the node.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { testGrant } from '#kernel/testing/authority';
import { openEnvironments } from '../../../test/lab/environments.fixture.ts';
import { exited, lost, running } from '../../../test/lab/jobs.fixture.ts';
import { addName, builtEnvironments } from './environments.store.ts';

after(() => closeScanPool());

const dayMs = 86_400_000;

async function openCollecting(t: Parameters<typeof openEnvironments>[0]) {
  const bench = await openEnvironments(t);
  const { lab } = bench;
  /** A job in the environment that has run to its end; answers where its image is. */
  const used = async (name: string, environmentId = bench.environmentId) => {
    await bench.put(name, { environmentId });
    if ((await bench.status(name)) === 'Preparing') {
      const build = await bench.buildOf(name);
      const { status, bytes } = await bench.make(build);
      assert.equal(status, 201, bytes.toString());
      await bench.tell(build, exited(0));
    }
    return String((await bench.job(name)).properties['strongroom.environment.image']);
  };
  const finish = (name: string) => bench.tell(name, running, exited(0));
  return {
    ...bench,
    used,
    finish,
    collect: () => lab.now().environments.collect(new AbortController().signal),
    async isThere(image: string): Promise<boolean> {
      const [repository = '', digest = ''] = image.split('@');
      const registryId = String(
        (await lab.must(lab.owner, 'GET', bench.workspaceId)).body.properties.containerRegistry,
      );
      const read = lab.now().registry.getManifest(testGrant({ scope: registryId }), registryId, repository, digest);
      return read.then(
        () => true,
        () => false,
      );
    },
    removeVersion: async (id = bench.environmentId) => {
      await lab.must(lab.owner, 'DELETE', id);
      await lab.now().tasks.drain();
    },
    reasons: () =>
      lab
        .now()
        .audit.entries.filter(({ intent }) => intent.operation === 'Environments_RemoveImage')
        .map(({ intent }) => intent.parameters['reason']),
  };
}

test('an image that a version names stays while it is used, and goes when nobody has used it for as long as the setting says', async (t) => {
  const bench = await openCollecting(t);
  const image = await bench.used('a');
  await bench.finish('a');
  bench.lab.clock.jump(60 * dayMs);
  assert.deepEqual([await bench.collect(), await bench.isThere(image)], [0, true]);
  assert.equal(await bench.used('b'), image, 'it is found, and that counts as use');
  await bench.finish('b');
  bench.lab.clock.jump(60 * dayMs);
  assert.deepEqual([await bench.collect(), await bench.isThere(image)], [0, true]);
  bench.lab.clock.jump(31 * dayMs);
  assert.deepEqual([await bench.collect(), await bench.isThere(image)], [1, false]);
  assert.equal(await bench.collect(), 0);
  assert.notEqual(await bench.used('c'), image, 'it is built again when it is needed');
});

test('an image that no version names any more goes a day after its last use, by a duty with its record', async (t) => {
  const bench = await openCollecting(t);
  const image = await bench.used('a');
  await bench.finish('a');
  const again = await bench.environment('again', 'dependencies: [python=3.11, six]');
  await bench.put('b', { environmentId: again });
  await bench.finish('b');
  bench.lab.clock.jump(2 * dayMs);
  await bench.removeVersion();
  assert.deepEqual(
    [await bench.collect(), await bench.isThere(image)],
    [0, true],
    'another version is made of the same',
  );
  await bench.removeVersion(again);
  assert.deepEqual([await bench.collect(), await bench.isThere(image)], [1, false]);
  assert.deepEqual(bench.reasons(), ['unnamed']);
});

test('an image stays while any version names it, behind however many that are gone', async (t) => {
  const bench = await openCollecting(t);
  const { lab, workspaceId } = bench;
  const image = await bench.used('a');
  await bench.finish('a');
  const own = await lab.now().workspaces.database(testGrant({ scope: workspaceId }), workspaceId);
  const { recipe } = (await builtEnvironments(own.read, '', 1))[0] ?? { recipe: '' };
  await own.write(async (tx) => {
    for (let gone = 0; gone < 450; gone++) await addName(tx, recipe, `${workspaceId}/environments/a${gone}/versions/1`);
  });
  bench.lab.clock.jump(2 * dayMs);
  assert.deepEqual([await bench.collect(), await bench.isThere(image)], [0, true]);
  await bench.removeVersion();
  assert.deepEqual([await bench.collect(), await bench.isThere(image)], [1, false]);
});

test('no image goes that a job runs in or will, whatever is gone and however long ago', async (t) => {
  const bench = await openCollecting(t);
  const image = await bench.used('queued');
  await bench.removeVersion();
  bench.lab.clock.jump(400 * dayMs);
  assert.deepEqual([await bench.collect(), await bench.isThere(image)], [0, true]);
  await bench.tell('queued', running);
  assert.deepEqual([await bench.collect(), await bench.isThere(image)], [0, true]);
  await bench.tell('queued', exited(0));
  assert.deepEqual([await bench.collect(), await bench.isThere(image)], [1, false]);
});

test('what a build pushed that then failed goes a day later, and none of one that still runs', async (t) => {
  const bench = await openCollecting(t);
  await bench.put('a', { environmentId: bench.environmentId });
  const build = await bench.buildOf('a');
  const { digest } = (await bench.make(build)).body;
  const image = `environments/${build.slice('prepare-image-'.length)}@${digest}`;
  bench.lab.clock.jump(2 * dayMs);
  assert.deepEqual([await bench.collect(), await bench.isThere(image)], [0, true]);
  await bench.tell(build, lost);
  await bench.put('b', { environmentId: bench.environmentId });
  assert.notEqual(await bench.buildOf('b'), build);
  assert.deepEqual([await bench.collect(), await bench.isThere(image)], [1, false]);
  assert.deepEqual(bench.reasons(), ['replaced']);
  assert.equal((await bench.make(await bench.buildOf('b'))).status, 201, 'and the next build is not held up');
});

test('what the server dies over is removed at the next time', async (t) => {
  const bench = await openCollecting(t);
  const image = await bench.used('a');
  await bench.finish('a');
  bench.lab.clock.jump(100 * dayMs);
  const registryId = String(
    (await bench.lab.must(bench.lab.owner, 'GET', bench.workspaceId)).body.properties.containerRegistry,
  );
  const [repository = ''] = image.split('@');
  // Removed, and the server died before it was noted.
  await bench.lab.now().registry.keepOnly(testGrant({ scope: registryId }), registryId, repository, undefined);
  await bench.lab.restart();
  assert.deepEqual([await bench.collect(), await bench.collect()], [1, 0]);
  assert.notEqual(await bench.used('b'), image);
});

test('a workspace leaves nothing in a registry that was given to it', async (t) => {
  const bench = await openCollecting(t);
  const { lab } = bench;
  const registryId = String((await lab.must(lab.owner, 'GET', bench.workspaceId)).body.properties.containerRegistry);
  const borrowing = await lab.workspace('Borrowing', { containerRegistry: registryId });
  const environmentId = `${borrowing}/environments/six/versions/1`;
  await lab.must(lab.owner, 'PUT', environmentId, {
    body: { properties: { image: 'strongroom/node-python', condaFile: 'six' } },
  });
  const computeId = await bench.cluster(borrowing);
  const job = `${borrowing}/jobs/there`;
  const properties = { jobType: 'Command', command: 'true', computeId, environmentId };
  await lab.must(lab.owner, 'PUT', job, { body: { properties } });
  const told = async () => (await lab.must(lab.owner, 'GET', job)).body.properties.properties;
  const build = String((await told())['strongroom.environment.build']);
  const item = lab.work.latest(`${borrowing}/jobs/${build}`);
  assert.equal((await bench.make(build, undefined, item)).status, 201);
  await lab.work.tell(item, exited(0));
  const image = String((await told())['strongroom.environment.image']);
  assert.equal(await bench.isThere(image), true);
  await lab.must(lab.owner, 'DELETE', borrowing);
  await lab.now().tasks.drain();
  assert.deepEqual([await bench.collect(), await bench.isThere(image)], [0, true], 'it is of today');
  lab.clock.jump(2 * dayMs);
  assert.deepEqual([await bench.collect(), await bench.isThere(image)], [1, false]);
  assert.deepEqual(bench.reasons(), ['workspace gone']);
});
