// Secrets of a vault in a job: who may put one there, when that is decided, and that no value of one is anywhere but in the
// document of one taking.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { findInBytes, findInFolder } from '../../../test/canary.fixture.ts';
import { ended, exited, jobIn, lost, openBench, output, running } from '../../../test/lab/jobs.fixture.ts';
import { redactedOf, secretsIn } from './secrets.rules.ts';

after(() => closeScanPool());

/** The role that submits jobs, and the one that reads secrets. */
const [submits, reads] = ['AzureML Data Scientist', 'Key Vault Secrets User'];

async function openVault(t: Parameters<typeof openBench>[0]) {
  const bench = await openBench(t);
  const { lab, workspaceId } = bench;
  const { keyVault } = (await lab.must(lab.owner, 'GET', workspaceId)).body.properties;
  const vaultName = String(keyVault).split('/').at(-1) ?? '';
  await lab.now().assign(lab.owner, 'Key Vault Secrets Officer', keyVault);
  const address = `https://${vaultName}.vault.localhost:8443/secrets`;
  const value = `kanarie${randomBytes(8).toString('hex')}`;
  const set = async (name: string, text: string): Promise<string> =>
    (await lab.must(lab.owner, 'PUT', `${address}/${name}`, { body: { value: text } })).body.id.split('/').at(-1);
  await set('db-password', value);
  const readings = () => lab.now().audit.entries.filter(({ intent }) => intent.operation === 'Secrets_Get');
  const inWorkspace = { secretsConfiguration: { DB_PASSWORD: { workspaceSecretName: 'db-password' } } };
  const as = async (who: string, name: string, more: object = inWorkspace) => {
    const made = await bench.put(name, more, who);
    assert.equal(made.status, 201, made.bytes.toString());
    return bench.of(name);
  };
  return { ...bench, keyVault: String(keyVault), address, value, set, readings, inWorkspace, as };
}

test('a secret is in the environment of the command and nowhere else, and its reading is on record with the job', async (t) => {
  const { lab, workspaceId, jobId, value, readings, as, tell, keyVault, log } = await openVault(t);
  const scientist = await lab.person([submits, reads]);
  const item = await as(scientist, 'uses');
  assert.equal(readings().length, 0, 'submitting reads none');
  const { environment, redact } = jobIn(await lab.work.take(item));
  assert.equal(environment['DB_PASSWORD'], value);
  assert.ok(redact.includes(value));
  const [reading, ...more] = readings();
  assert.equal(more.length, 0);
  assert.equal(reading?.intent.actor.objectId, scientist);
  assert.equal(reading?.intent.scope, `${keyVault}/secrets/db-password`);
  assert.equal(reading?.intent.decision, 'allowed');
  assert.deepEqual(
    [reading?.intent.parameters['job'], reading?.intent.parameters['variable']],
    [jobId('uses'), 'DB_PASSWORD'],
  );
  await tell('uses', running, output('it prints [redacted]\n'), exited(0));
  for (const path of [jobId('uses'), `${workspaceId}/jobs`])
    assert.deepEqual(findInBytes((await lab.must(lab.owner, 'GET', path)).bytes, value, path), []);
  assert.deepEqual(findInBytes((await log('uses')).bytes, value, 'the log'), []);
  const said = JSON.stringify(lab.now().audit.entries.map(({ intent, outcome }) => ({ intent, outcome })));
  assert.deepEqual(findInBytes(Buffer.from(said), value, 'the record'), []);
  const seen = await findInFolder(lab.folder, value);
  assert.ok(seen.files.length > 3);
  assert.deepEqual(seen.found, []);
  const shown = (await lab.must(lab.owner, 'GET', jobId('uses'))).body.properties;
  assert.deepEqual(shown.secretsConfiguration, { DB_PASSWORD: { workspaceSecretName: 'db-password' } });
});

test('a variable whose value is the address of a secret gets it, the latest or one version', async (t) => {
  const { lab, address, value, set, as } = await openVault(t);
  const scientist = await lab.person([submits, reads]);
  const first = await set('api-token', 'first');
  await set('api-token', 'second');
  const whole = await as(scientist, 'whole', {
    environmentVariables: {
      PLAIN: 'text',
      API_TOKEN: `\${{keyvault:${address}/api-token}}`,
      OLD_TOKEN: ` \${{ keyvault:${address}/api-token/${first} }} `,
    },
    secretsConfiguration: { DB_PASSWORD: { uri: `${address}/db-password`, workspaceSecretName: null } },
  });
  const { environment } = jobIn(await lab.work.take(whole));
  const { PLAIN, API_TOKEN, OLD_TOKEN, DB_PASSWORD } = environment;
  assert.deepEqual([PLAIN, API_TOKEN, OLD_TOKEN, DB_PASSWORD], ['text', 'second', 'first', value]);
});

test('who may not read a secret cannot have a job read it, and learns nothing of it', async (t) => {
  const { lab, put, jobId, inWorkspace, address, readings, keyVault } = await openVault(t);
  const without = await lab.person([submits]);
  const there = await put('taken', inWorkspace, without);
  const missing = await put(
    'taken',
    { secretsConfiguration: { DB_PASSWORD: { workspaceSecretName: 'no-such' } } },
    without,
  );
  assert.deepEqual([there.status, missing.status], [403, 403]);
  assert.equal(
    there.body.error.message.replaceAll('db-password', 'no-such'),
    missing.body.error.message,
    'what is there and what is not look the same',
  );
  const elsewhere = address.replace(/\/\/[^.]+/, '//nobodys');
  const unknown = await put('taken', { secretsConfiguration: { X: { uri: `${elsewhere}/x` } } }, without);
  assert.equal(unknown.status, 403);
  // An owner of everything reads no secret by that.
  const owner = await lab.person(['Owner']);
  assert.equal((await put('taken', inWorkspace, owner)).status, 403);
  const one = await lab.person([submits]);
  await lab.now().assign(one, reads, `${keyVault}/secrets/other`);
  assert.equal((await put('taken', inWorkspace, one)).status, 403);
  assert.equal((await lab.call(lab.owner, 'GET', jobId('taken'))).status, 404);
  assert.equal(readings().length, 0);
});

test('a right that is withdrawn while the job waits fails the job in true words, and is on record', async (t) => {
  const { lab, value, as, tell, job, readings, keyVault } = await openVault(t);
  const scientist = await lab.person([submits]);
  await lab.now().assign(scientist, reads, keyVault);
  const item = await as(scientist, 'withdrawn');
  const { value: roles } = (
    await lab.must(lab.owner, 'GET', `${keyVault}/providers/Microsoft.Authorization/roleAssignments`)
  ).body;
  const mine = roles.find(
    ({ properties }: { properties: { principalId: string; scope: string } }) =>
      properties.principalId === scientist && properties.scope.toLowerCase() === keyVault.toLowerCase(),
  );
  await lab.must(lab.owner, 'DELETE', mine.id);
  const refused = await lab.work.take(item).then(
    () => assert.fail('it was given out'),
    (error: Error) => error,
  );
  assert.match(refused.message, /get a secret in DB_PASSWORD/);
  assert.match(refused.message, /does not have authorization/);
  assert.ok(!refused.message.includes(value));
  const [reading] = readings();
  assert.equal(reading?.intent.decision, 'refused');
  assert.equal(reading?.intent.actor.objectId, scientist);
  // As compute tells it then.
  await tell('withdrawn', ended('setup_failed', refused.message));
  const { status, error } = await job('withdrawn');
  assert.equal(status, 'Failed');
  assert.match(error.message, /could not be set up.*DB_PASSWORD/);
});

test('a secret that is gone, disabled or no text of a variable when the job is taken fails it by name', async (t) => {
  const { lab, address, set, as, inWorkspace, put } = await openVault(t);
  const scientist = await lab.person([submits, reads]);
  const waiting = await as(scientist, 'waiting');
  await lab.must(lab.owner, 'PATCH', `${address}/db-password`, { body: { attributes: { enabled: false } } });
  await assert.rejects(lab.work.take(waiting), /DB_PASSWORD.*disabled secret/s);
  assert.equal((await put('late', inWorkspace, scientist)).status, 403);
  await lab.must(lab.owner, 'DELETE', `${address}/db-password`);
  await assert.rejects(lab.work.take(waiting), /DB_PASSWORD.*was not found/s);
  assert.equal((await put('late', inWorkspace, scientist)).status, 404);
  await set('cut', 'a\0b');
  const cut = await as(scientist, 'cut', { secretsConfiguration: { CUT: { workspaceSecretName: 'cut' } } });
  await assert.rejects(lab.work.take(cut), /CUT.*NUL/s);
});

test('each taking reads anew, so that what was rotated is what the next one gets', async (t) => {
  const { lab, set, as, of, tell, readings, value } = await openVault(t);
  const scientist = await lab.person([submits, reads]);
  const item = await as(scientist, 'rotates');
  assert.equal(jobIn(await lab.work.take(item)).environment['DB_PASSWORD'], value);
  await set('db-password', 'rotated');
  await tell('rotates', lost);
  assert.equal(jobIn(await lab.work.take(of('rotates'))).environment['DB_PASSWORD'], 'rotated');
  assert.equal(readings().length, 2);
});

test('what is written wrongly is refused before anything is made, and never handed on as a text', async (t) => {
  const { lab, put, jobId, address } = await openVault(t);
  const scientist = await lab.person([submits, reads]);
  const configured = (secret: object) => ({ secretsConfiguration: { X: secret } });
  const variable = (text: string) => ({ environmentVariables: { X: text } });
  const cases: readonly (readonly [object, RegExp])[] = [
    [configured({}), /needs either uri/],
    [configured({ uri: `${address}/a`, workspaceSecretName: 'a' }), /needs either uri/],
    [configured({ workspaceSecretName: '../keys/a' }), /letters, digits and hyphens/],
    [configured({ workspaceSecretName: 'a', value: 'b' }), /value/],
    [configured({ uri: 'https://v.vault.azure.net/secrets/a' }), /no key vault of this server/],
    [configured({ uri: `${address}/a?api-version=7.4` }), /user, a query or a fragment/],
    [configured({ uri: address.replace('/secrets', '/keys/a') }), /not \/secrets\//],
    [{ secretsConfiguration: { 'A B': { workspaceSecretName: 'a' } } }, /no name of an environment variable/],
    [{ secretsConfiguration: { MLFLOW_X: { workspaceSecretName: 'a' } } }, /set by the service/],
    [{ ...configured({ workspaceSecretName: 'a' }), ...variable('1') }, /among environmentVariables too/],
    [variable(`postgres://u@\${{keyvault:${address}/a}}/db`), /The whole value is/],
    [variable(`\${{azureml://connections/a/credentials/b}}`), /connections are not read by jobs/],
    [
      { secretsConfiguration: Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`X${i}`, { uri: address }])) },
      /at most 20 secrets/,
    ],
  ];
  for (const [more, said] of cases) {
    const refused = await put('wrong', more, scientist);
    assert.equal(refused.status, 400, `${JSON.stringify(more)}: ${refused.bytes}`);
    assert.match(refused.body.error.message, said);
  }
  assert.equal((await lab.call(lab.owner, 'GET', jobId('wrong'))).status, 404);
});

test('whoever writes a credential into a variable is shown this way', async (t) => {
  const { put } = await openVault(t);
  const { body } = await put('shown', { environmentVariables: { KEY: `AKIA${'A'.repeat(16)}` } });
  assert.equal(body.error.code, 'CredentialVisible');
  assert.match(body.error.message, /secretsConfiguration \{NAME: .*\$\{\{keyvault:.*Key Vault Secrets User/);
});

test('which secrets a job gets never changes', async (t) => {
  const { lab, put, as, inWorkspace } = await openVault(t);
  const scientist = await lab.person([submits, reads]);
  await as(scientist, 'fixed');
  const other = { secretsConfiguration: { DB_PASSWORD: { workspaceSecretName: 'other' } } };
  assert.equal((await put('fixed', other, scientist)).status, 409);
  assert.equal((await put('fixed', inWorkspace, scientist)).status, 200);
});

test('a hostile reference is read in no time', () => {
  const started = process.cpuUsage();
  for (const text of ['${{'.repeat(2_700), `\${{${' '.repeat(8_000)}`, `\${{keyvault:${'a'.repeat(8_000)}`])
    try {
      secretsIn({ environmentVariables: Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`X${i}`, text])) });
    } catch {}
  assert.ok(process.cpuUsage(started).user < 2_000_000);
});

test('of a value of several lines each long line is kept out of the log, within a bound', () => {
  assert.deepEqual(redactedOf(['short', 'with end\n']), ['short', 'with end\n', 'with end']);
  const key = `-----BEGIN-----\n${'q'.repeat(64)}\nx\n-----END-----\n`;
  assert.deepEqual(redactedOf([key]), [key, key.trim(), '-----BEGIN-----', 'q'.repeat(64), '-----END-----']);
  assert.ok(redactedOf([Array.from({ length: 1_000 }, (_, i) => `line ${i} of it`).join('\n')]).length <= 302);
});
