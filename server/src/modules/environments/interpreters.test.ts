// The interpreter that an environment was built with, in what work is given: its version and ABI, what becomes of it when the nodes have
// others, and environments from before it was written down.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { houseGrant } from '#kernel/testing/authority';
import { type Opened, openEnvironments } from '../../../test/lab/environments.fixture.ts';
import { exited } from '../../../test/lab/jobs.fixture.ts';
import { offeredPython } from '../../../test/lab/modules.fixture.ts';
import * as store from './environments.store.ts';

after(() => closeScanPool());

const python = offeredPython('3.11');

async function built(bench: Opened, name: string) {
  await bench.put(name, { environmentId: bench.environmentId });
  const build = await bench.buildOf(name);
  const taken = await bench.make(build);
  assert.equal(taken.status, 201, taken.bytes.toString());
  await bench.tell(build, exited(0));
  return { digest: String(taken.body.digest) };
}
const documentOf = async ({ lab, of }: Opened, name: string) =>
  (await lab.work.take(of(name))).document as { python?: string; abi?: string; job: { image: { repository: string } } };

test('work is given the version and the ABI of the interpreter, and so say the image and its lock', async (t) => {
  const bench: Opened = await openEnvironments(t);
  const { lab } = bench;
  const { digest } = await built(bench, 'a');
  const document = await documentOf(bench, 'a');
  assert.deepEqual([document.python, document.abi], [python.version, python.abi]);
  const manifest = await lab.must(lab.owner, 'GET', `/v2/${document.job.image.repository}/manifests/${digest}`);
  assert.equal(manifest.body.annotations['io.strongroom.python'], python.version);
  assert.equal(manifest.body.annotations['io.strongroom.abi'], python.abi);
});

test('a node with another ABI of the same version gets an environment of its own', async (t) => {
  const bench: Opened = await openEnvironments(t);
  const { lab } = bench;
  await built(bench, 'a');
  const musl = { ...python, abi: 'cpython-311-x86_64-linux-musl' };
  lab.seam.pythons = [{ ...python, release: '3.11.9' }];
  await bench.put('patched', { environmentId: bench.environmentId });
  assert.equal(await bench.status('patched'), 'Queued');
  lab.seam.pythons = [musl];
  await bench.put('b', { environmentId: bench.environmentId });
  assert.equal(await bench.status('b'), 'Preparing');
  // The build says what it was, and the node what it has: they must be the same.
  assert.equal((await bench.make(await bench.buildOf('b'))).status, 400);
});

test('a version that no node has any more is refused with those that there are, whatever was built for it', async (t) => {
  const bench: Opened = await openEnvironments(t);
  const { lab } = bench;
  await built(bench, 'a');
  lab.seam.pythons = ['3.12', '3.10'].map(offeredPython);
  const refused = await bench.put('b', { environmentId: bench.environmentId });
  assert.equal(refused.status, 400);
  assert.match(refused.body.error.message, /asks for Python 3\.11, and the nodes here have 3\.12, 3\.10\./);
  // A build that ends now cannot say with what it was made.
  lab.seam.pythons = [python];
  const other = await bench.environment('other', 'dependencies: [python=3.11, six==1.17.0]');
  await bench.put('c', { environmentId: other });
  lab.seam.pythons = [];
  const late = await bench.make(await bench.buildOf('c'));
  assert.equal(late.status, 400);
  assert.match(late.bytes.toString(), /no node has the Python 3\.11 any more/);
});

test('an environment from before the ABI was written down serves as it did, and is not built again', async (t) => {
  const bench: Opened = await openEnvironments(t);
  const { lab, workspaceId } = bench;
  const { digest } = await built(bench, 'a');
  const recipe = String((await bench.job('a')).properties['strongroom.environment.recipe']);
  const database = await lab.now().workspaces.database(houseGrant(), workspaceId);
  await database.write(async (tx) => {
    const row = await store.findEnvironment(tx, recipe);
    assert.ok(row?.lock);
    const { abi: _, ...before } = JSON.parse(row.lock) as Record<string, unknown>;
    await store.setResult(tx, recipe, { ...row, lock: JSON.stringify(before) });
  });
  await bench.put('b', { environmentId: bench.environmentId });
  assert.equal(await bench.status('b'), 'Queued');
  const document = await documentOf(bench, 'b');
  assert.deepEqual([document.python, document.abi], ['3.11', undefined]);
  assert.match((await bench.job('b')).properties['strongroom.environment.image'], new RegExp(`@${digest}$`));
});
