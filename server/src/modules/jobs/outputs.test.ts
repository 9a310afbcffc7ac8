// Outputs that have a place of their own: who may have one where, what a run may write there, and what an attacker tries.

import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { exited, jobIn, openBench, running } from '../../../test/lab/jobs.fixture.ts';

after(() => closeScanPool());

const scientistRole = '/providers/Microsoft.Authorization/roleDefinitions/f6c7c914-8db3-469d-8ca1-694a8f32e121';

async function openDesk(t: TestContext) {
  const bench = await openBench(t);
  const { lab, workspaceId, jobId } = bench;
  const workspace = await lab.now().workspaces.get(lab.now().system, workspaceId);
  const at = lab.now().workspaces.container(workspace, 'workspaceblobstore');
  const read = async (name: string) => {
    const { blobs, system } = lab.now();
    if ((await blobs.find(system, { ...at, name })) === undefined) return undefined;
    const { stream } = await blobs.open(system, { ...at, name });
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part as Buffer);
    return Buffer.concat(parts).toString();
  };
  const keep = (name: string, content: string) =>
    lab.now().blobs.put(lab.now().system, { ...at, name }, Buffer.from(content), { maxBytes: 1000 });
  /** Submits, has a node take it, and answers what the run can do. */
  const taken = async (name: string, outputs: object, who = lab.owner, more: object = {}) => {
    const made = await bench.put(name, { outputs, ...more }, who);
    assert.equal(made.status, 201, made.bytes.toString());
    const document = jobIn(await lab.work.take(bench.of(name)));
    await bench.tell(name, running);
    const write = (output: string, path: string, content: string, as = document.token, job = name) =>
      lab.call(as, 'PUT', `${jobId(job)}/outputs/${output}/files/${path}`, {
        body: Buffer.from(content),
        headers: { 'content-type': 'application/octet-stream' },
      });
    return { document, write };
  };
  const refused = async (output: object, pattern: RegExp, status = 400, who = lab.owner) => {
    const answer = await bench.put('never', { outputs: { x: { jobOutputType: 'uri_folder', ...output } } }, who);
    assert.equal(answer.status, status, answer.bytes.toString());
    assert.match(answer.body.error.message, pattern);
  };
  return { ...bench, at, read, keep, taken, refused };
}

const place = (path: string, datastore = 'workspaceblobstore') => `azureml://datastores/${datastore}/paths/${path}`;
const folder = (path: string, more: object = {}) => ({ jobOutputType: 'uri_folder', uri: place(path), ...more });

test('an output is written where it says, its words filled in, over what has the name of a file and beside the rest', async (t) => {
  const { lab, workspaceId, taken, tell, job, read, keep } = await openDesk(t);
  await keep('results/first/x/old.csv', 'old');
  await keep('results/first/x/other.csv', 'stays');
  const uri = `azureml://datastores/\${{default_datastore}}/paths/results/\${{name}}/\${{output_name}}/`;
  const long = `azureml://${workspaceId.slice(1).replace('/providers/Microsoft.MachineLearningServices', '')}/datastores/workspaceblobstore/paths/long/`;
  const { document, write } = await taken(
    'first',
    {
      x: { jobOutputType: 'uri_folder', mode: 'ReadWriteMount', uri },
      report: { jobOutputType: 'uri_file', mode: 'Upload', uri: place(`reports/\${{name}}.txt`) },
      far: { jobOutputType: 'uri_folder', uri: long },
      plain: { jobOutputType: 'uri_folder' },
    },
    lab.owner,
    { command: `echo \${{outputs.x}} \${{outputs.report}} \${{outputs.plain}}` },
  );
  assert.equal(document.command, 'echo /job/outputs/x /job/outputs/report/first.txt /job/code/outputs/plain');
  assert.deepEqual(document.outputs, ['plain']);
  assert.deepEqual(document.required, ['report']);
  assert.deepEqual(
    Object.entries(document.placed).map(([name, { file }]) => [name, file]),
    [
      ['x', undefined],
      ['report', 'first.txt'],
      ['far', undefined],
    ],
  );
  for (const [output, path] of [
    ['x', 'old.csv'],
    ['x', 'deep/new%20one.csv'],
    ['report', 'first.txt'],
  ] as const)
    assert.equal((await write(output, path, `new ${path}`)).status, 201, path);
  assert.equal(await read('results/first/x/old.csv'), 'new old.csv');
  assert.equal(await read('results/first/x/other.csv'), 'stays');
  assert.equal(await read('results/first/x/deep/new one.csv'), 'new deep/new%20one.csv');
  assert.equal(await read('reports/first.txt'), 'new first.txt');
  await tell('first', exited(0));
  const shown = await job('first');
  assert.equal(shown.outputs.x.uri, place('results/first/x'));
  assert.equal(shown.outputs.report.uri, place('reports/first.txt'));
  assert.equal(shown.outputs.far.uri, place('long'));
  assert.match(shown.outputs.plain.uri, /workspaceartifactstore/);
  // What a client has read it may send back.
  const again = await lab.call(lab.owner, 'PUT', `${workspaceId}/jobs/first`, { body: { properties: shown } });
  assert.equal(again.status, 200, again.bytes.toString());
  const records = lab.now().audit.entries.filter(({ intent }) => intent.operation === 'Jobs_PutOutputFile');
  assert.deepEqual(
    records.map(({ intent }) => intent.actor.objectId),
    [lab.owner, lab.owner, lab.owner],
  );
  assert.match(JSON.stringify(records[0]), /old\.csv/);
});

test('what is no place of this workspace is refused by name before there is a job', async (t) => {
  const { lab, refused, workspaceId } = await openDesk(t);
  const other = await lab.workspace('Other');
  const short = (id: string) => id.slice(1).replace('/providers/Microsoft.MachineLearningServices', '');
  for (const [uri, pattern] of [
    [place('../x'), /dot-dot/],
    [place('a/../../x'), /dot-dot/],
    [place('a/./x'), /dot/],
    [place('a//x'), /empty/],
    [place('a\\..\\x'), /backslash/],
    [place('/etc'), /empty/],
    [place('x?sv=2021&sp=rw'), /with a query or a signature/],
    [place('x#y'), /with a query/],
    ['https://account.blob.core.windows.net/c/x', /is not azureml:\/\/datastores/],
    ['/etc/passwd', /is not azureml/],
    ['azureml://jobs/j/outputs/o/paths/', /is not azureml/],
    [`azureml://${short(other)}/datastores/workspaceblobstore/paths/x`, /in another workspace/],
    [`azureml:/${other}/datastores/workspaceblobstore/paths/x`, /is not azureml|another workspace/],
    [place(`\${{inputs.secret}}/x`), /holds \$\{\{inputs\.secret\}\}/],
    [place('x', `\${{name}}`), /is not azureml/],
    [place('x', 'nowhere'), /no datastore 'nowhere'/],
    [place('x', 'constructor'), /no datastore 'constructor'/],
    [place('x', 'a'.repeat(1000)), /is not azureml/],
    [place('a'.repeat(1025)), /longer than 1024/],
    [place('x', 'workspaceartifactstore'), /platform keeps its own content/],
    [place('', 'workspaceartifactstore'), /platform keeps its own content/],
    [place('snapshots'), /platform keeps its own content/],
    [place('snapshots/'), /platform keeps its own content/],
    [place('snapshots/7/x'), /platform keeps its own content/],
  ] as const)
    await refused({ uri }, pattern);
  await refused({ uri: place('x/'), jobOutputType: 'uri_file' }, /is a uri_file/);
  await refused({ uri: place('x'), mode: 'Direct' }, /The mode 'Direct'/);
  // As everywhere in a job.
  const secret = `AKIA${'A1B2C3D4E5F6G7H8'}`;
  await refused({ uri: place(`keys/${secret}`) }, /credential|secret|key/i);
  assert.equal((await lab.call(lab.owner, 'GET', `${workspaceId}/jobs/never`)).status, 404);
  // Two outputs that would be written over each other.
  for (const [a, b] of [
    ['x', 'x'],
    ['x', 'x/y'],
    ['', 'x'],
    [`\${{name}}`, `\${{name}}/y`],
  ] as const) {
    const outputs = { a: folder(a), b: folder(b) };
    const answer = await lab.call(lab.owner, 'PUT', `${workspaceId}/jobs/never`, {
      body: { properties: { jobType: 'Command', command: 'true', computeId: `${workspaceId}/computes/cpu`, outputs } },
    });
    assert.match(answer.body.error.message, /over the output 'a'/, `${a} ${b}`);
  }
});

test('only the run itself writes, below its own places and while it runs', async (t) => {
  const { lab, taken, read, tell } = await openDesk(t);
  const { write, document } = await taken('one', {
    x: folder('mine'),
    f: { jobOutputType: 'uri_file', uri: place('f/a.txt') },
  });
  const other = await taken('two', { x: folder('theirs') });
  const is = async (answer: Promise<{ status: number; bytes: Buffer }>, status: number) => {
    const { status: said, bytes } = await answer;
    assert.equal(said, status, bytes.toString());
  };
  await is(write('x', 'a', 'as its owner', lab.owner), 403);
  await is(write('x', 'a', 'as another run', other.document.token), 403);
  await is(write('x', 'a', 'another job', document.token, 'two'), 403);
  await is(write('y', 'a', 'no such output'), 403);
  await is(write('constructor', 'a', 'no such output'), 403);
  await is(write('f', 'b.txt', 'another file'), 403);
  await is(write('f', 'a.txt/b', 'below the file'), 403);
  for (const path of ['%2e%2e/x', 'a/%2e%2e/%2e%2e/x', '..%2fx', 'a%5c..%5c..%5cx', '%00', 'a'.repeat(1100)]) {
    const { status } = await write('x', path, 'out');
    assert.ok(status >= 400 && status < 500, `${path}: ${status}`);
  }
  assert.equal(await read('x'), undefined);
  await is(write('x', 'a', 'its own'), 201);
  await tell('one', exited(0));
  const { status } = await write('x', 'late', 'late');
  assert.equal(status, 401);
  assert.equal(await read('mine/late'), undefined);
});

test('a reserved folder is out of reach also of who writes at the root', async (t) => {
  const { taken, read, keep } = await openDesk(t);
  await keep('snapshots/1/0', 'ours');
  const { write } = await taken('root', { x: folder('') });
  assert.equal((await write('x', 'snapshots/1/0', 'theirs')).status, 409);
  assert.equal((await write('x', 'fine', 'theirs')).status, 201);
  assert.equal(await read('snapshots/1/0'), 'ours');
});

test('the right is decided when the job is submitted and again with each file', async (t) => {
  const { lab, workspaceId, taken, refused } = await openDesk(t);
  const operator = await lab.person(['AzureML Compute Operator', 'Reader'], workspaceId);
  await refused({ uri: place('x') }, /authorization|permission/i, 403, operator);
  const scientist = await lab.person([]);
  const assignment = `${workspaceId}/providers/Microsoft.Authorization/roleAssignments/cccccccc-0000-4000-8000-00000000da7a`;
  const properties = {
    roleDefinitionId: `${lab.subscription}${scientistRole}`,
    principalId: scientist,
    principalType: 'ServicePrincipal',
  };
  await lab.must(lab.owner, 'PUT', assignment, { body: { properties } });
  const { write } = await taken('unbacked', { x: folder('x') }, scientist);
  assert.equal((await write('x', 'a', '1')).status, 201);
  await lab.must(lab.owner, 'DELETE', assignment);
  assert.equal((await write('x', 'b', '2')).status, 403);
});

test('a datastore of another container is written by his own role there, and none of another workspace is', async (t) => {
  const { lab, workspaceId, taken, refused, at } = await openDesk(t);
  const scientist = await lab.person(['AzureML Data Scientist'], workspaceId);
  const { blobs, system } = lab.now();
  await blobs.ensureContainer(system, at.account, 'lake');
  const register = (name: string, container: string, accountName = at.account.split('/').at(-1)) =>
    lab.must(lab.owner, 'PUT', `${workspaceId}/datastores/${name}`, {
      body: { properties: { datastoreType: 'AzureBlob', accountName, containerName: container } },
    });
  await register('lake', 'lake');
  const uri = place('out', 'lake');
  await refused({ uri }, /authorization|permission/i, 403, scientist);
  await lab
    .now()
    .assign(scientist, 'Storage Blob Data Contributor', `${at.account}/blobServices/default/containers/lake`);
  const { write } = await taken('laked', { x: { jobOutputType: 'uri_folder', uri } }, scientist);
  assert.equal((await write('x', 'a', '1')).status, 201);
  assert.equal((await blobs.find(system, { ...at, container: 'lake', name: 'out/a' }))?.size, 1);
  // Deleted meanwhile.
  await lab.must(lab.owner, 'DELETE', `${workspaceId}/datastores/lake`);
  const gone = await write('x', 'b', '2');
  assert.match(gone.body.error.message, /no datastore 'lake'/);
  // A name that a user gave to a container of another workspace opens nothing of it.
  const other = await lab.workspace('Other');
  const theirs = lab
    .now()
    .workspaces.container(await lab.now().workspaces.get(lab.now().system, other), 'workspaceblobstore');
  await register('theirs', theirs.container, theirs.account.split('/').at(-1));
  await refused({ uri: place('x', 'theirs') }, /authorization|permission/i, 403, scientist);
});

test('an asset that is registered of it refers to its place, and is read with a right to that place alone', async (t) => {
  const { lab, workspaceId, taken, tell, job, put } = await openDesk(t);
  const { write } = await taken('makes', {
    d: folder('features', { assetName: 'features' }),
    m: folder('iris', { jobOutputType: 'custom_model', assetName: 'iris' }),
  });
  assert.equal((await write('d', 'a.csv', '1,2')).status, 201);
  assert.equal((await write('m', 'm.json', '{}')).status, 201);
  await tell('makes', exited(0));
  const done = await job('makes');
  assert.equal(done.status, 'Completed', JSON.stringify(done.error));
  const data = (await lab.must(lab.owner, 'GET', `${workspaceId}/data/features/versions/1`)).body.properties;
  assert.equal(data.dataUri, place('features'));
  const model = (await lab.must(lab.owner, 'GET', `${workspaceId}/models/iris/versions/1`)).body.properties;
  assert.deepEqual([model.modelUri, model.properties['strongroom.files']], [place('iris'), '1']);
  // By the name of the output too.
  const named = `azureml://jobs/makes/outputs/d/paths/`;
  const byName = await lab.must(lab.owner, 'PUT', `${workspaceId}/data/again/versions/1`, {
    body: { properties: { dataType: 'uri_folder', dataUri: named } },
  });
  assert.equal(byName.body.properties.dataUri, place('features'));
  assert.equal(byName.body.properties.jobName, 'makes');
  const inputs = { x: { jobInputType: 'uri_folder', uri: named } };
  assert.equal((await put('reads', { inputs, command: `ls \${{inputs.x}}` })).status, 201);
  const reader = await lab.person(['AzureML Compute Operator', 'Reader'], workspaceId);
  assert.equal((await put('steals', { inputs, command: 'ls' }, reader)).status, 403);
});

test('a job that writes where it reads has read what was there before', async (t) => {
  const { lab, taken, keep, read, workspaceId } = await openDesk(t);
  await keep('same/a', 'before');
  const inputs = { i: { jobInputType: 'uri_folder', uri: place('same') } };
  const { document, write } = await taken('circle', { o: folder('same') }, lab.owner, { inputs });
  assert.equal((await write('o', 'a', 'after')).status, 201);
  assert.equal(await read('same/a'), 'after');
  const [file] = document.inputs['i'] ?? [];
  const digest = /snapshots\/(sha256:[0-9a-f]{64})/.exec(file?.url ?? '')?.[1];
  const content = await lab.call(document.token, 'GET', `${workspaceId}/snapshots/${digest}/files/a`);
  assert.equal(content.bytes.toString(), 'before');
});

test('two jobs that write the same place: the last file stands, each is whole', async (t) => {
  const { taken, read } = await openDesk(t);
  const a = await taken('a', { x: folder('shared') });
  const b = await taken('b', { x: folder('shared') });
  const answers = await Promise.all([a.write('x', 'f', 'a'.repeat(500)), b.write('x', 'f', 'b'.repeat(500))]);
  assert.deepEqual(
    answers.map(({ status }) => status),
    [201, 201],
  );
  assert.match((await read('shared/f')) ?? '', /^(a{500}|b{500})$/);
});
