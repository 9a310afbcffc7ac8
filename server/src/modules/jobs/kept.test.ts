// Inputs that a node keeps: which they are, what a job may read beyond the memory of its node, and that each use is decided by its token.

import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { digestOfFiles } from '../../../test/kept.fixture.ts';
import { ended, jobIn, openBench, running } from '../../../test/lab/jobs.fixture.ts';

after(() => closeScanPool());

const mebibyte = 1024 ** 2;
/** Of the lab: 16 MiB of inputs in memory, and each of 4 MiB and more may be kept. */
const inputAt = (path: string, more: object = {}) => ({
  jobInputType: 'uri_folder',
  uri: `azureml://datastores/workspaceblobstore/paths/${path}`,
  ...more,
});

async function openDesk(t: TestContext) {
  const bench = await openBench(t);
  const { lab, workspaceId } = bench;
  async function store(path: string, mib: number, workspace = workspaceId) {
    const { blobs, system, workspaces } = lab.now();
    const at = workspaces.container(await workspaces.get(system, workspace), 'workspaceblobstore');
    await blobs.put(system, { ...at, name: `${path}/file.bin` }, Buffer.alloc(mib * mebibyte, path), {
      maxBytes: 2 ** 26,
    });
  }
  await store('large', 9);
  await store('other', 8);
  await store('small', 3);
  await store('third', 4);
  const taken = async (name: string) => lab.work.take(bench.of(name));
  const refused = async (name: string, inputs: object) => {
    const answer = await bench.put(name, { inputs });
    assert.deepEqual([answer.status, answer.body.error.code], [413, answer.body.error.code], answer.bytes.toString());
    assert.equal((await lab.call(lab.owner, 'GET', bench.jobId(name))).status, 404);
    return String(answer.body.error.message);
  };
  return { ...bench, store, taken, refused };
}

test('what is large and mounted may be kept; what is small, the own copy of a job, or an address, is as it was', async (t) => {
  const { submit, taken } = await openDesk(t);
  await submit('reads', {
    inputs: {
      plain: inputAt('large'),
      mounted: inputAt('third', { mode: 'ReadOnlyMount' }),
      small: inputAt('small'),
    },
  });
  const { document, scratchBytes } = await taken('reads');
  assert.deepEqual(
    document.kept?.inputs.map(({ name }) => name),
    ['plain', 'mounted'],
  );
  assert.equal(document.kept?.isNeeded, false, 'a node without the room has them in memory');
  const { inputs } = jobIn({ document, scratchBytes } as never);
  assert.deepEqual(Object.keys(inputs), ['plain', 'mounted', 'small']);
  await submit('none', {});
  assert.equal(scratchBytes - (await taken('none')).scratchBytes, 16 * mebibyte, 'as if all were in memory');
  await submit('copies', {
    inputs: { own: inputAt('large', { mode: 'Download' }), at: inputAt('other', { mode: 'Direct' }) },
  });
  assert.equal((await taken('copies')).document.kept, undefined);
});

test('a workspace with high business impact has nothing on a disk of a node', async (t) => {
  const { lab, cluster, store, codeUri } = await openDesk(t);
  const workspace = await lab.workspace('Secret', { hbiWorkspace: true });
  const computeId = await cluster(workspace);
  await store('large', 9, workspace);
  lab.work.keeps.bytes = 2 ** 40;
  const put = (name: string, inputs: object) =>
    lab.call(lab.owner, 'PUT', `${workspace}/jobs/${name}`, {
      body: { properties: { jobType: 'Command', command: 'true', computeId, inputs } },
    });
  assert.ok(codeUri);
  assert.equal((await put('reads', { a: inputAt('large') })).status, 201);
  assert.equal((await lab.work.take(lab.work.latest(`${workspace}/jobs/reads`))).document.kept, undefined);
  const answer = await put('more', { a: inputAt('large'), b: inputAt('large') });
  assert.equal(answer.body.error.code, 'InputsTooLarge');
  assert.match(answer.body.error.message, /18 MiB together, and may have 16.*high business impact/);
});

test('a job reads more than memory has where a node keeps as much, and waits for such a node', async (t) => {
  const { lab, submit, taken, refused, of, store, log } = await openDesk(t);
  const both = { a: inputAt('large'), b: inputAt('other'), c: inputAt('small') };
  assert.match(
    await refused('nowhere', both),
    /^The inputs of the job have 20 MiB together, and may have 16: they lie in the memory of its node\. .*jobs\.inputBytes, or have the nodes keep inputs/,
  );
  lab.work.keeps.bytes = 16 * mebibyte;
  assert.match(await refused('toomuch', both), /17 MiB of them could be kept.*has 16 for that/);
  lab.work.keeps.bytes = 17 * mebibyte;
  await submit('fits', { inputs: both });
  assert.equal(of('fits').spec.keptBytes, 17 * mebibyte);
  // Whoever follows it sees what it waits for.
  assert.match(
    (await log('fits')).bytes.toString(),
    /keeps 17 MiB of inputs on its disk, and waits while there is none/,
  );
  const { document } = await taken('fits');
  assert.deepEqual([document.kept?.isNeeded, document.kept?.inputs.length], [true, 2]);
  const copies = { a: inputAt('large', { mode: 'Download' }), b: inputAt('other', { mode: 'Download' }) };
  assert.match(await refused('copies', copies), /17 MiB together.*of these 17 MiB are small, downloads.*ro_mount/);
  // What fits into memory needs no such node.
  await submit('small', { inputs: { a: inputAt('small') } });
  assert.equal(of('small').spec.keptBytes, undefined);
  assert.equal((await log('small')).bytes.length, 0);
  // One input that alone is more than memory has.
  await store('huge', 18);
  lab.work.keeps.bytes = 2 ** 30;
  await submit('huge', { inputs: { a: inputAt('huge') } });
  assert.equal(of('huge').spec.keptBytes, 18 * mebibyte);
  lab.work.keeps.bytes = 17 * mebibyte;
  assert.match(await refused('huger', { a: inputAt('huge') }), /more than 17 MiB/);
  assert.match(await refused('own', { a: inputAt('huge', { mode: 'Download' }) }), /more than 16 MiB/);
});

test('the server decides for the token of each job whether it may read what a node keeps, until that job has ended', async (t) => {
  const { lab, submit, taken, tell, workspaceId } = await openDesk(t);
  await submit('one', { inputs: { a: inputAt('large') } });
  await submit('two', { inputs: { a: inputAt('other') } });
  const [one, two] = [await taken('one'), await taken('two')] as const;
  const urls = [one, two].map(({ document }) => new URL(document.kept?.inputs[0]?.url ?? ''));
  const ask = async (document: typeof one, url = urls[0]) =>
    lab.call(jobIn(document).token, 'GET', `${url?.pathname}${url?.search}`);
  const mine = await ask(one);
  assert.equal(mine.status, 200);
  // What a node computes of the files that it was told is what the server calls them.
  const files = jobIn(one).inputs['a'] as unknown as Parameters<typeof digestOfFiles>[0];
  assert.deepEqual([mine.body.snapshotId, mine.body.files, mine.body.bytes], [digestOfFiles(files), 1, 9 * mebibyte]);
  assert.equal((await ask(two)).status, 403);
  assert.equal((await ask(one, urls[1])).status, 403);
  assert.equal((await ask(two, urls[1])).status, 200);
  const unknown = new URL(`${workspaceId}/snapshots/sha256:${'0'.repeat(64)}?api-version=2024-10-01`, urls[0]);
  assert.equal((await ask(one, unknown)).status, 403, 'it is not told whether there is one');
  await tell('one', running, ended('exited'));
  assert.equal((await ask(one)).status, 401);
});
