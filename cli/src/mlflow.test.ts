// What is printed for a shell is data to that shell, and a purge goes through everything that is deleted, in order.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { TransportRequest } from '@strongroom/contract/client';
import { openHome } from './home.ts';
import { createTestShell, type TestShell } from './testing.ts';

const url = 'https://localhost:8443';
const workspace = '/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w';
let cli: TestShell;
let asked: (readonly [string, unknown])[] = [];
let deleted: { kind: string; id: string; experiment_id: string; name: string; deleted_time: number }[] = [];
let refuses: string | undefined;

function answer({ url: target, body }: TransportRequest): readonly [number, unknown] {
  const { pathname, searchParams } = new URL(target);
  if (pathname.includes('/oauth2/')) return [200, { access_token: "h.e30.it's", expires_in: 3600 }];
  assert.ok(pathname.startsWith(`/mlflow/v1.0${workspace}/api/2.0/mlflow/`), pathname);
  assert.ok(!searchParams.has('api-version'));
  const path = pathname.split('/api/2.0/mlflow/')[1] ?? '';
  if (path === 'deleted/list') {
    asked.push([path, searchParams.get('older_than_ms')]);
    return [200, { deleted: deleted.slice(0, 2) }];
  }
  const sent = JSON.parse(Buffer.from(body as Uint8Array).toString()) as Record<string, string>;
  asked.push([path, sent]);
  const [id] = Object.values(sent);
  if (id === refuses) return [400, { error_code: 'INVALID_PARAMETER_VALUE', message: 'is that of a job' }];
  deleted = deleted.filter((one) => one.id !== id);
  return [200, { artifacts: 3 }];
}

before(() => {
  cli = createTestShell({
    connect: () => ({
      async send(request) {
        const [status, value] = answer(request);
        const text = JSON.stringify(value);
        return {
          status,
          header: () => undefined,
          body: (async function* () {
            yield Buffer.from(text);
          })(),
          text: async () => text,
        };
      },
      close: () => undefined,
    }),
  });
  const home = openHome(cli.shell.environment);
  home.saveSession({ url, tenant: 't', kind: 'user', refreshToken: 'r', tokens: {} });
  home.saveSettings({ subscription: 's', 'resource-group': 'g', workspace: 'w' });
});
after(() => cli.close());

test('the variables of MLflow, for a shell and for a program', async () => {
  const { out, code } = await cli.run('mlflow', 'env', '--ca-file', "/tmp/it's $(here)/ca.pem");
  assert.equal(code, 0);
  // A real shell reads it, and nothing in it means anything.
  const read = execFileSync('/bin/sh', ['-c', `${out}env`], { env: {}, encoding: 'utf8' });
  const wanted = {
    MLFLOW_TRACKING_URI: `${url}/mlflow/v1.0${workspace}`,
    MLFLOW_TRACKING_TOKEN: "h.e30.it's",
    MLFLOW_TRACKING_SERVER_CERT_PATH: "/tmp/it's $(here)/ca.pem",
  };
  for (const [name, value] of Object.entries(wanted)) assert.ok(read.split('\n').includes(`${name}=${value}`), read);
  assert.deepEqual(await cli.json('mlflow', 'env', '--ca-file', wanted.MLFLOW_TRACKING_SERVER_CERT_PATH), wanted);
});

test('gc removes everything that is old enough, one by one, goes on after a refusal, and says so', async () => {
  const one = (kind: string, id: string, experiment_id = '1') => ({
    kind,
    id,
    experiment_id,
    name: id,
    deleted_time: 0,
  });
  const all = () => [
    one('run', 'a'),
    one('run', 'job-1'),
    one('model', 'm-1'),
    one('experiment', '1'),
    one('run', 'z', '9'),
  ];
  deleted = all();
  asked = [];
  const dry = await cli.json<unknown[]>('mlflow', 'gc', '--older-than', '30d', '--dry-run');
  assert.equal(dry.length, 2);
  assert.deepEqual(asked, [['deleted/list', String(30 * 86_400_000)]]);

  const unsure = await cli.run('mlflow', 'gc');
  assert.equal(unsure.code, 2, 'nobody was there to say yes');
  assert.equal(deleted.length, 5);

  refuses = 'job-1';
  asked = [];
  // The one that stays is listed again and again, and is not tried again.
  deleted = [one('run', 'a'), one('model', 'm-1'), one('experiment', '1'), one('run', 'job-1')];
  const ran = await cli.run('mlflow', 'gc', '--yes', '--output', 'json');
  assert.equal(ran.code, 1);
  const results = JSON.parse(ran.out) as { id: string; result: string }[];
  assert.deepEqual(
    results.map(({ id, result }) => [id, result]),
    [
      ['a', 'removed, 3 files'],
      ['m-1', 'removed, 3 files'],
      ['1', 'removed, 3 files'],
      ['job-1', 'is that of a job'],
    ],
  );
  assert.deepEqual(
    asked.filter(([path]) => path !== 'deleted/list'),
    [
      ['runs/purge', { run_id: 'a' }],
      ['logged-models/purge', { model_id: 'm-1' }],
      ['experiments/purge', { experiment_id: '1' }],
      ['runs/purge', { run_id: 'job-1' }],
    ],
  );
  refuses = undefined;
  for (const age of ['30', 'd', '-1d', '1y', '1e9d']) {
    const wrong = await cli.run('mlflow', 'gc', '--yes', '--older-than', age);
    assert.equal(wrong.code, 2, age);
  }
});

const python = ['/usr/bin/python3', '/usr/local/bin/python3'].find((path) => existsSync(path));
test('the plugin that renews tokens inside of MLflow passes its own tests', {
  skip: python === undefined && process.env['CI'] !== 'true' && 'no python3 below /usr',
}, async () => {
  assert.ok(python, 'no python3 is installed below /usr');
  const folder = fileURLToPath(new URL('../../python/strongroom_mlflow', import.meta.url));
  const ran = promisify(execFile)(python, ['-B', '-m', 'unittest', '-q', 'test_strongroom_mlflow'], { cwd: folder });
  assert.match((await ran).stderr, /\nOK/);
});
