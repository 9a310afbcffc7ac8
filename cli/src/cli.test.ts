// The command line against a whole server, as a person uses it: from an empty folder to a finished job and a verified record.

import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { openServed } from './served.fixture.ts';

const example = fileURLToPath(new URL('../../examples/breast-cancer/', import.meta.url));
const { folder, cli, server } = await openServed();

test('a group, a vault, a key, a workspace under it, a cluster, a job to its end, a model', async () => {
  await cli.json('group', 'create', 'demo');
  assert.deepEqual(
    (await cli.json<{ name: string }[]>('group', 'list')).map(({ name }) => name),
    ['demo'],
  );
  // Once -g without a remembered group listed the whole subscription.
  assert.equal((await cli.run('workspace', 'list', '-g', 'absent')).code, 5);
  assert.deepEqual(await cli.json('workspace', 'list', '-g', 'demo'), []);
  await cli.run('config', 'set', 'resource-group', 'demo');
  const vault = await cli.json('vault', 'create', 'cli-vault');
  assert.equal((vault['properties'] as Record<string, unknown>)['enablePurgeProtection'], true);

  const refused = await cli.run('vault', 'key', 'create', 'main', '--vault', 'cli-vault');
  assert.equal(refused.code, 4, 'an Owner has no data role');
  assert.match(refused.err, /request [0-9a-f-]{36}/);
  await cli.json(
    'role',
    'assignment',
    'create',
    '--assignee',
    server.bootstrap.application.objectId,
    '--role',
    'Key Vault Administrator',
    '--scope',
    String(vault['id']),
  );
  const inVault = ['--vault', 'cli-vault'];
  type Key = { readonly key: { readonly kid: string } };
  const first = await cli.json<Key>('vault', 'key', 'create', 'main', ...inVault, '--size', '2048');
  const rotated = await cli.run('vault', 'key', 'rotate', 'main', ...inVault);
  assert.match(rotated.out, /^The key 'main' is rotated: https:\/\/\S+\/keys\/main\/\w+\n$/);
  const key = await cli.json<Key>('vault', 'key', 'show', 'main', ...inVault);
  assert.notEqual(key.key.kid, first.key.kid);
  assert.equal((await cli.json<unknown[]>('vault', 'key', 'list-versions', 'main', ...inVault)).length, 2);
  assert.equal(
    (await cli.run('vault', 'key', 'list', ...inVault, '--query', '[].kid', '-o', 'tsv')).out.split('\n').length,
    2,
  );
  await cli.json('vault', 'key', 'create', 'spare', ...inVault, '--size', '2048');
  assert.equal((await cli.run('vault', 'key', 'delete', 'spare', ...inVault, '--yes')).code, 0);
  assert.equal((await cli.run('vault', 'key', 'show', 'spare', ...inVault)).code, 5);

  const secretFile = join(folder, 'value');
  writeFileSync(secretFile, 'a value that is secret\n');
  const set = await cli.run('vault', 'secret', 'set', 'token', '--vault', 'cli-vault', '--value-file', secretFile);
  assert.equal(set.code, 0, set.err);
  assert.ok(!set.out.includes('a value that is secret'));
  assert.ok(
    !(await cli.run('vault', 'secret', 'show', 'token', '--vault', 'cli-vault')).out.includes('a value that is secret'),
  );
  assert.equal(
    (await cli.json('vault', 'secret', 'show', 'token', '--vault', 'cli-vault', '--show-value'))['value'],
    'a value that is secret',
  );
  const secrets = await cli.run('vault', 'secret', 'list', ...inVault);
  assert.match(secrets.out, /token +true/);
  assert.ok(!secrets.out.includes('a value that is secret'));

  // By their names: the newest version of the key is what the workspace keeps to.
  const workspace = await cli.json<{
    properties: { encryption: { status: string; keyVaultProperties: { keyIdentifier: string } } };
  }>('workspace', 'create', 'lab', '--customer-key', 'main', '--customer-vault', 'cli-vault');
  assert.equal(workspace.properties.encryption.status, 'Enabled');
  assert.equal(workspace.properties.encryption.keyVaultProperties.keyIdentifier, key.key.kid);
  const mistyped = await cli.run('compute', 'list', '-w', 'lap');
  assert.equal(mistyped.code, 5);
  assert.match(mistyped.err, /There is no workspace 'lap' in the resource group 'demo'\. Did you mean 'lab'\?/);
  assert.match(
    (await cli.run('compute', 'list', '-g', 'absent', '-w', 'lab')).err,
    /There is no resource group 'absent'\. There are: demo\./,
  );
  await cli.run('config', 'set', 'workspace', 'lab');
  const elsewhere = await cli.run('workspace', 'update', 'lab', '--image-registry', 'ghcr.io/team/*');
  assert.match(
    elsewhere.err,
    /No image comes from 'ghcr\.io\/team\/\*' here: .*environments\.registries, which is empty/,
  );
  assert.equal((await cli.run('workspace', 'update', 'lab', '--image-registry', 'none')).code, 0);
  assert.equal((await cli.run('workspace', 'update', 'lab')).code, 2, 'nothing is to be changed');
  const clusterFile = join(folder, 'cluster.yml');
  writeFileSync(clusterFile, 'name: cpu-cluster\ntype: amlcompute\nmax_instances: 8\n');
  assert.equal(
    (await cli.run('compute', 'create', '-f', clusterFile, '--max-instances', '1')).out,
    "The cluster 'cpu-cluster' is made.\n",
  );
  assert.match(
    (await cli.run('compute', 'show', 'cpu-clustr')).err,
    /There is no cluster 'cpu-clustr' in the workspace 'lab'\. Did you mean 'cpu-cluster'\?/,
  );
  assert.match((await cli.run('compute', 'list')).out, /cpu-cluster +AmlCompute/);

  const project = join(folder, 'project');
  cpSync(example, project, { recursive: true });
  const ran = await cli.run(
    'job',
    'create',
    '-f',
    join(project, 'job.yml'),
    '--name',
    'first',
    '--set',
    'inputs.epochs=10',
    '--stream',
  );
  assert.equal(ran.code, 0, ran.err);
  assert.match(ran.err, /wrote outputs\/model\.json/);
  assert.match(ran.err, /first: Completed/);
  const jobs = await cli.run('job', 'list');
  assert.match(jobs.out, /first +Completed +breast-cancer .*strongroom-automation$/m, 'who, by name');
  const fetched = join(folder, 'fetched');
  assert.equal((await cli.run('job', 'download', 'first', '-p', fetched)).code, 0);
  assert.ok(existsSync(join(fetched, 'outputs', 'model.json')));
  assert.equal((await cli.run('job', 'download', 'first', '-p', fetched)).code, 1, 'nothing is written over');
  assert.equal((await cli.run('job', 'download', 'first', '--output-name', 'nope')).code, 5);
  const plainJob = join(folder, 'plain.yml');
  writeFileSync(
    plainJob,
    `command: echo hi > \${{outputs.res}}/a.txt\nenvironment: { image: strongroom/node-python }\ncompute: cpu-cluster\noutputs: { res: }\n`,
  );
  assert.equal((await cli.run('job', 'create', '-f', plainJob, '-n', 'plain', '--stream')).code, 0);
  const result = join(folder, 'result');
  const named = await cli.run('job', 'download', 'plain', '--output-name', 'res', '-p', result);
  assert.equal(named.code, 0, named.err);
  assert.equal(readFileSync(join(result, 'a.txt'), 'utf8'), 'hi\n');
  assert.match((await cli.run('environment', 'list', 'CliV2AnonymousEnvironment')).out, /strongroom\/node-python/);
  const componentFile = join(folder, 'count.yml');
  writeFileSync(
    componentFile,
    `type: command\ninputs: { data: { type: uri_folder } }\noutputs: { counted: { type: uri_folder } }\nenvironment: { image: strongroom/node-python }\ncommand: wc -c < \${{inputs.data}}/a.txt > \${{outputs.counted}}/b.txt\n`,
  );
  const pipelineJob = join(folder, 'pipeline.yml');
  writeFileSync(
    pipelineJob,
    `type: pipeline
settings: { default_compute: cpu-cluster }
outputs: { all: { type: uri_folder } }
jobs:
  write:
    command: echo four > \${{outputs.res}}/a.txt
    environment: { image: strongroom/node-python }
    outputs: { res: }
  count:
    component: ./count.yml
    inputs: { data: '\${{parent.jobs.write.outputs.res}}' }
    outputs: { counted: '\${{parent.outputs.all}}' }
`,
  );
  const piped = await cli.run('job', 'create', '-f', pipelineJob, '-n', 'piped', '--stream');
  assert.equal(piped.code, 0, piped.err);
  assert.match(
    (await cli.run('job', 'list', '--parent', 'piped')).out,
    /piped_count +Completed[\s\S]*piped_write +Completed/,
  );
  const counted = join(folder, 'counted');
  assert.equal((await cli.run('job', 'download', 'piped', '--output-name', 'all', '-p', counted)).code, 0);
  assert.equal(readFileSync(join(counted, 'b.txt'), 'utf8').trim(), '5');
  const again = await cli.run('job', 'stream', 'first');
  assert.equal(again.code, 0);
  assert.match(again.err, /wrote outputs\/model\.json/, 'the log can be read again after the job has ended');

  const failing = await cli.run(
    'job',
    'create',
    '-f',
    join(project, 'job.yml'),
    '--name',
    'second',
    '--set',
    'command=exit 7',
    '--stream',
  );
  assert.equal(failing.code, 1);
  assert.match(failing.err, /second: Failed/);

  const model = await cli.json(
    'model',
    'create',
    'cancer',
    '--path',
    'azureml://jobs/first/outputs/artifacts/paths/outputs/model.json',
  );
  assert.equal(model['name'], '1');
  writeFileSync(join(project, 'local.json'), '{}');
  assert.equal(
    (await cli.json('model', 'create', 'cancer', '--path', join(project, 'local.json')))['name'],
    '2',
    'the next version',
  );
  assert.match((await cli.run('model', 'list')).out, /cancer +2/);
  assert.equal((await cli.json('model', 'show', 'cancer'))['name'], '2', 'the latest, where no version is named');
  const modelFile = join(project, 'model.yml');
  writeFileSync(modelFile, 'name: from-file\npath: local.json\n');
  assert.equal((await cli.run('model', 'create', '-f', modelFile)).out, "The model 'from-file:1' is registered.\n");
  assert.match((await cli.run('datastore', 'list')).out, /workspaceblobstore +AzureBlob/);
});

test('people are made, given a role by name, listed by name, disabled and removed', async () => {
  const [one, two] = [join(folder, 'one'), join(folder, 'two')];
  writeFileSync(one, 'correct horse battery staple\n');
  writeFileSync(two, 'another horse, another staple\n');
  const ada = 'ada@strongroom.local';
  const made = await cli.run('user', 'create', ada, '--display-name', 'Ada Lovelace', '--password-file', one);
  assert.equal(made.code, 0, made.err);
  assert.ok(!(made.out + made.err).includes('battery'));
  assert.match((await cli.run('user', 'list')).out, /ada@strongroom\.local +Ada Lovelace +true/);
  const role = ['--assignee', ada, '--role', 'azureml data scientist', '-g', 'demo', '-w', 'lab'];
  const given = await cli.run('role', 'assignment', 'create', ...role);
  assert.equal(given.code, 0, given.err);
  assert.match(given.out, /^ada@strongroom\.local has the role .* at \/subscriptions\/\S+\/workspaces\/lab\n$/);
  const listed = (await cli.run('role', 'assignment', 'list')).out.split('\n');
  const hers = listed.findIndex((line) => line.includes(ada));
  assert.match(
    listed[hers] ?? '',
    /^AzureML Data Scientist +ada@strongroom\.local +user +\/subscriptions\/\S+\/workspaces\/lab$/,
  );
  const system = listed.findIndex((line) => line.includes('managed identity'));
  assert.ok(hers > 0 && hers < system, 'people stand before what workspaces were given');
  const explained = [
    'access',
    'explain',
    '--assignee',
    ada,
    '--action',
    'Microsoft.MachineLearningServices/workspaces/jobs/write',
  ];
  assert.equal((await cli.json(...explained, '-g', 'demo', '-w', 'lab'))['allowed'], true);
  assert.equal((await cli.json(...explained, '-g', 'demo'))['allowed'], false);
  assert.equal((await cli.run('role', 'assignment', 'delete', ...role, '--yes')).code, 0);
  assert.equal((await cli.json(...explained, '-g', 'demo', '-w', 'lab'))['allowed'], false);
  assert.equal((await cli.run('role', 'assignment', 'delete', ...role, '--yes')).code, 5, 'it is gone');
  const itself = await cli.json<{ identity: { principalId: string } }>('workspace', 'show', 'lab', '-g', 'demo');
  const { principalId } = itself.identity;
  assert.match(principalId, /^[0-9a-f-]{36}$/, 'a program reads what the service said');
  const person = (await cli.run('workspace', 'show', 'lab', '-g', 'demo')).out;
  assert.match(person, new RegExp(`^identity\\.principalId +\\S.* \\(${principalId}\\)$`, 'm'));
  assert.match(person, /^created +\S+ by \S.* \([0-9a-f-]{36}\)$/m, 'the application has a name, too');
  const updated = await cli.run('user', 'update', ada, '--display-name', 'Ada King', '--password-file', two);
  assert.equal(updated.out, `The user '${ada}' is changed.\n`, updated.err);
  const off = await cli.json('user', 'update', ada, '--enabled', 'false', '--change-password', 'false');
  assert.deepEqual([off['displayName'], off['accountEnabled']], ['Ada King', false], 'and nothing else than was said');
  assert.equal((await cli.json('user', 'update', ada, '--enabled', 'true'))['accountEnabled'], true);
  const nothing = await cli.run('user', 'update', ada);
  assert.equal(nothing.code, 2);
  assert.match(nothing.err, /--display-name, --enabled, --password-file or --change-password/);
  assert.equal((await cli.run('user', 'update', ada, '--enabled', 'perhaps')).code, 2);
  assert.equal((await cli.run('user', 'update', 'nobody@strongroom.local', '--enabled', 'false')).code, 5);
  writeFileSync(one, 'password\n');
  assert.equal((await cli.run('user', 'update', ada, '--password-file', one)).code, 1, 'a weak one is refused');
  for (const words of [
    ['reset-password', ada, '--password-file', two],
    ['disable', ada],
    ['enable', ada],
    ['delete', ada, '--yes'],
  ])
    assert.equal((await cli.run('user', ...words)).code, 0, words.join(' '));
  assert.equal((await cli.run('user', 'show', ada)).code, 5);
});

test('a custom role is made from a file, found by its name, and deleted', async () => {
  const file = join(folder, 'role.json');
  writeFileSync(
    file,
    JSON.stringify({ Name: 'Model reader', Actions: ['Microsoft.MachineLearningServices/workspaces/models/read'] }),
  );
  assert.equal((await cli.run('role', 'definition', 'create', '-f', file)).out, "The role 'Model reader' is made.\n");
  assert.equal(
    (await cli.run('role', 'definition', 'create', '-f', file)).out,
    "The role 'Model reader' is replaced.\n",
  );
  assert.match((await cli.run('role', 'definition', 'list', '--custom')).out, /Model reader +custom/);
  assert.match((await cli.run('role', 'definition', 'show', 'Model readr')).err, /Did you mean 'Model reader'\?/);
  assert.equal((await cli.run('role', 'definition', 'delete', 'Model reader', '--yes')).code, 0);
});

test('--no-wait answers at once, and says that it goes on', async () => {
  const asked = await cli.run('workspace', 'create', 'later', '--no-wait');
  assert.equal(asked.out, "The workspace 'later' is being made.\n");
  assert.equal((await cli.run('workspace', 'show', 'later')).code, 0);
});

test('an endpoint and its deployment: made, asked, read, given a new key, taken away', async () => {
  const project = join(folder, 'project');
  await cli.json('online-endpoint', 'create', '-f', join(project, 'endpoint.yml'), '--set', 'name=cancer-check');
  const deployment = ['--endpoint-name', 'cancer-check'];
  const made = await cli.json<{ properties: { properties: Record<string, string> } }>(
    ...['online-deployment', 'create', '-f', join(project, 'deployment.yml'), '--set', 'model=azureml:cancer:1'],
    ...['--set', 'code_configuration.code=src', ...deployment, '--all-traffic'],
  );
  assert.match(made.properties.properties['strongroom.image'] ?? '', /@sha256:[0-9a-f]{64}$/);
  const request = join(project, 'request.json');
  const answer = JSON.parse(
    (await cli.run('online-endpoint', 'invoke', 'cancer-check', '--request-file', request)).out,
  );
  assert.equal(answer.benign.length, 2);
  const { primaryKey } = await cli.json<{ primaryKey: string }>('online-endpoint', 'get-credentials', 'cancer-check');
  assert.equal((await cli.run('online-endpoint', 'regenerate-keys', 'cancer-check', '--yes')).code, 0);
  assert.notEqual((await cli.json('online-endpoint', 'get-credentials', 'cancer-check'))['primaryKey'], primaryKey);
  assert.match((await cli.run('online-endpoint', 'list')).out, /cancer-check +Succeeded/);
  assert.match((await cli.run('online-deployment', 'list', ...deployment)).out, /blue +Succeeded +cancer:1/);
  assert.equal((await cli.run('online-deployment', 'get-logs', 'blue', ...deployment)).code, 0);
  const busy = await cli.run('online-deployment', 'delete', 'blue', ...deployment, '--yes');
  assert.notEqual(busy.code, 0, 'it still gets all the traffic');
  assert.equal((await cli.run('online-endpoint', 'update', 'cancer-check', '--traffic', 'blue=0')).code, 0);
  assert.equal((await cli.run('online-deployment', 'delete', 'blue', ...deployment, '--yes')).code, 0);
  assert.equal((await cli.run('online-endpoint', 'delete', 'cancer-check', '--yes')).code, 0);
  assert.equal((await cli.run('online-endpoint', 'show', 'cancer-check')).code, 5);
});

test('blobs go up, are listed and come down as they were', async () => {
  type Lab = { readonly properties: { readonly storageAccount: string; readonly workspaceId: string } };
  const { storageAccount, workspaceId } = (await cli.json<Lab>('workspace', 'show', 'lab')).properties;
  const at = ['--account-name', storageAccount.split('/').at(-1) ?? '', '-c', `azureml-blobstore-${workspaceId}`];
  const large = join(folder, 'large');
  writeFileSync(large, Buffer.alloc(64 * 1024 * 1024));
  const refused = await cli.run('storage', 'blob', 'upload', ...at, '-f', large);
  assert.equal(refused.code, 4, `a refusal that comes before everything was sent is read all the same: ${refused.err}`);
  const { application } = server.bootstrap;
  await cli.json(
    'role',
    'assignment',
    'create',
    '--assignee',
    application.objectId,
    '--role',
    'Storage Blob Data Contributor',
    '--scope',
    storageAccount,
  );
  const source = join(example, 'src', 'data.csv');
  const up = await cli.run('storage', 'blob', 'upload', ...at, '-f', source, '-n', 'a folder/data & more.csv');
  assert.equal(up.code, 0, up.err);
  const listed = await cli.json<{ name: string }[]>('storage', 'blob', 'list', ...at, '--prefix', 'a folder/');
  assert.deepEqual(
    listed.map(({ name }) => name),
    ['a folder/data & more.csv'],
  );
  const target = join(folder, 'back.csv');
  const down = ['storage', 'blob', 'download', ...at, '-n', 'a folder/data & more.csv', '-f', target];
  assert.equal((await cli.run(...down)).code, 0);
  assert.ok(readFileSync(target).equals(readFileSync(source)));
  assert.equal((await cli.run(...down)).code, 1, 'nothing is written over');
});

test('exit codes: 5 for what is not there, 6 for a conflict, 2 for wrong usage, 3 for a server where nobody is signed in', async () => {
  assert.equal((await cli.run('job', 'show', 'never-was')).code, 5);
  const conflict = await cli.run(
    'model',
    'create',
    'cancer',
    '--version',
    '1',
    '--path',
    'azureml://jobs/second/outputs/artifacts/paths/other',
  );
  assert.equal(conflict.code, 6, conflict.err);
  assert.equal((await cli.run('job', 'create')).code, 2);
  assert.equal((await cli.run('group', 'delete', 'demo')).code, 2, 'nobody said yes');
  assert.equal((await cli.run('whoami', '--url', 'https://localhost:1')).code, 3);
});

test('access is explained, and roles are listed by their names', async () => {
  const explained = await cli.json(
    'access',
    'explain',
    '--action',
    'Microsoft.MachineLearningServices/workspaces/jobs/write',
  );
  assert.equal(explained['allowed'], true);
  assert.match((await cli.run('role', 'assignment', 'list')).out, /Owner/);
});

test('the record is listed with who, what and outcome, and verified; offline too once the server is stopped', async () => {
  const listed = await cli.run('audit', 'list', '--max-results', '1000');
  assert.match(listed.out, /strongroom-automation +Keys_Create .*failed 403/);
  assert.match(listed.out, /RoleAssignments_Create/);
  const few = await cli.run('audit', 'list', '--max-results', '5');
  assert.equal(few.out.trimEnd().split('\n').length, 1 + 5, 'what is shown is what is counted');
  const verify = async (...words: readonly string[]) => {
    const { code, out } = await cli.run('audit', 'verify', ...words, '--output', 'json');
    assert.equal(code, 7, 'nothing that was kept elsewhere proves its end');
    const verification = JSON.parse(out) as Record<string, unknown>;
    assert.equal(verification['verified'], true, out);
    return verification;
  };
  const verified = await verify();
  assert.match((await cli.run('audit', 'verify')).out, /entries fit together.*NothingKeptElsewhere/s);
  const [newest] = (await cli.json('audit', 'checkpoints', '--max-results', '1')) as unknown as { note: string }[];
  const kept = join(folder, 'kept.jsonl');
  writeFileSync(kept, `${JSON.stringify({ checkpoint: newest?.note })}\n`);
  const proved = await cli.run('audit', 'verify', '--checkpoints', kept);
  assert.match(proved.out, /NotRead|^Verified/);
  // Archived by nobody who was not given exactly that, Owner or not.
  const archive = join(folder, 'archive');
  assert.equal((await cli.run('audit', 'archive', '--to-folder', archive)).code, 4);
  const { objectId } = await cli.json('whoami');
  const { subscription } = await cli.json('config', 'show');
  const given = ['--assignee', String(objectId), '--role', 'Strongroom Audit Archivist'];
  given.push('--scope', `/subscriptions/${subscription}`);
  const allowed = await cli.run('role', 'assignment', 'create', ...given);
  assert.equal(allowed.code, 0, allowed.err);
  const written = await cli.run('audit', 'archive', '--to-folder', archive, '--gzip');
  assert.equal(written.code, 0, written.err);
  assert.match(written.out, /audit-000000000000-0000\d+\.jsonl\.gz {2}sha256:[0-9a-f]{64}\n\d+ records in 1 segments/);
  const [segment = ''] = readdirSync(archive);
  const again = await cli.run('audit', 'archive', '--to-folder', archive, '--until-record', '256');
  assert.equal(again.code, 0, again.err);
  assert.match((await cli.run('audit', 'segments')).out, /^0 to \d+: here\nRecords are kept for ever/);
  const dropped = await cli.run('audit', 'drop', '--segment', archive, '--yes');
  assert.equal(dropped.code, 6, dropped.err);
  assert.match(dropped.err, /audit\.retentionDays is 0\. Nothing is dropped/);
  const altered = join(folder, 'altered.jsonl');
  const lines = gunzipSync(readFileSync(join(archive, segment))).toString('utf8');
  writeFileSync(altered, lines.replace('strongroom-automation', 'strongroom-innocence'));
  const broken = await cli.run('audit', 'drop', '--segment', altered, '--yes');
  assert.deepEqual([broken.code, /does not verify at line \d+/.test(broken.err)], [1, true], broken.err);
  for (const [file, code] of [
    [archive, 7],
    [altered, 1],
  ] as const)
    assert.equal((await cli.run('audit', 'verify', '--segment', file)).code, code, file);
  const dataDir = join(folder, 'data');
  assert.match((await cli.run('trust', '--data-dir', dataDir)).out, /BEGIN CERTIFICATE/);
  const running = await cli.run('audit', 'verify', '--data-dir', dataDir);
  assert.equal(running.code, 1, 'the files belong to the server while it runs');
  await server.stop();
  const offline = await verify('--data-dir', dataDir);
  const whole = await cli.run('audit', 'verify', '--data-dir', dataDir, '--checkpoints', kept);
  // A segment that was written by the running server is the one that the stopped one holds.
  const offlineArchive = join(folder, 'offline');
  const from = ['--data-dir', dataDir, '--to-folder', offlineArchive];
  const stopped = await cli.run('audit', 'archive', ...from, '--until-record', String(Number(segment.slice(19, 31))));
  assert.equal(stopped.code, 0, stopped.err);
  assert.equal(readFileSync(join(offlineArchive, segment.replace('.gz', '')), 'utf8'), lines);
  const looked = await cli.run('audit', 'verify', '--data-dir', dataDir, '--segment', archive);
  assert.doesNotMatch(looked.out, /NothingKeptElsewhere/, 'the checkpoint of a segment was kept elsewhere');
  assert.equal((await cli.run('audit', 'verify', '--data-dir', dataDir, '--segment', altered)).code, 1);
  const exportFile = join(folder, 'audit.jsonl');
  const exported = await cli.run('audit', 'export', '--data-dir', dataDir, '--to-file', exportFile);
  assert.equal(exported.code, 0, exported.err);
  assert.match(exported.out, /strongroom\/[0-9a-f-]{36}\+/);
  const exportedLines = readFileSync(exportFile, 'utf8').trimEnd().split('\n');
  assert.ok(exportedLines.length > 100 && exportedLines[0]?.includes('strongroom-audit/1'));
  assert.equal(
    (await cli.run('audit', 'export', '--data-dir', dataDir, '--to-file', exportFile)).code,
    1,
    'never over one',
  );
  // All that is left unproved are stores under a customer's key, which nobody opens without the server.
  assert.equal(whole.code, 7, whole.out);
  const left = whole.out.split('\n').slice(1, -1);
  assert.ok(left.length > 0 && left.every((line) => /StoreNotRead: .*customer's key/.test(line)), whole.out);
  assert.ok(Number(offline['entries']) >= Number(verified['entries']));
  const rootKeyFile = join(folder, 'elsewhere.key');
  renameSync(join(dataDir, 'keys', 'root.key'), rootKeyFile);
  const config = join(folder, 'strongroom.yaml');
  writeFileSync(config, `dataDir: ${dataDir}\nkeys: { rootKeyFile: ${rootKeyFile} }\n`);
  for (const words of [
    ['--config', config],
    ['--data-dir', dataDir, '--root-key-file', rootKeyFile],
  ])
    assert.equal((await verify(...words))['entries'], offline['entries'], words.join(' '));
  const keyless = await cli.run('audit', 'verify', '--data-dir', dataDir);
  assert.equal(keyless.code, 1);
  assert.match(keyless.err, /root key file .* is missing/i);
  const mistyped = join(folder, 'dta');
  assert.equal((await cli.run('audit', 'verify', '--data-dir', mistyped)).code, 1);
  assert.ok(!existsSync(mistyped), 'looking makes nothing');
  const gone = await cli.run('whoami');
  assert.equal(gone.code, 0, 'a token in the cache needs no server');
  const unreachable = await cli.run('group', 'list');
  assert.equal(unreachable.code, 1);
  assert.match(unreachable.err, /Nothing listens at/);
});
