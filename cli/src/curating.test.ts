// The curated set: what is registered and built for which Pythons, that a name stands only for what was built, and that the map goes
// into a configuration file without changing what its operator has written there.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { readMapped } from '../../server/src/modules/environments/images.rules.ts';
import { readProjectIndex } from '../../server/src/modules/environments/project-indexes.rules.ts';
import { readRecipe } from '../../server/src/modules/environments/recipe.rules.ts';
import { curatedBases, curatedSets } from './curated.data.ts';
import { writeMap } from './curating.ts';
import { openHome } from './home.ts';
import { createTestShell } from './testing.ts';

const url = 'https://localhost:8443';
const workspace = '/subscriptions/s1/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w';
const folder = mkdtempSync(join(tmpdir(), 'strongroom-curating-'));
let put: { readonly path: string; readonly properties: Record<string, string> }[] = [];
let pythons: readonly string[] = ['3.11', '3.12', '3.8'];
/** Names of environments whose jobs fail. */
let failing: RegExp = /^$/;

const cli = createTestShell({
  sleep: async () => undefined,
  connect: () => ({
    async send({ method, url: target, body }) {
      const path = decodeURIComponent(new URL(target).pathname).slice(workspace.length + 1);
      if (method === 'PUT') put.push({ path, properties: JSON.parse(String(body)).properties });
      const isJob = method === 'GET' && path.startsWith('jobs/');
      const job = isJob ? put.find((each) => each.path === path)?.properties : undefined;
      const failed = failing.test(job?.['environmentId'] ?? '');
      const answer = path.endsWith('pythons')
        ? { value: pythons.map((version) => ({ version })) }
        : { properties: { status: failed ? 'Failed' : 'Completed', error: failed ? { message: 'no wheel' } : null } };
      return {
        status: 200,
        header: () => undefined,
        body: (async function* () {})(),
        text: async () => JSON.stringify(answer),
      };
    },
    close: () => undefined,
  }),
});
beforeEach(() => {
  put = [];
  pythons = ['3.11', '3.12', '3.8'];
  failing = /^$/;
  const home = openHome(cli.shell.environment);
  home.saveSession({
    url,
    tenant: 't',
    kind: 'user',
    refreshToken: 'r',
    tokens: { [url]: { accessToken: 'a', expiresAt: 4e12 } },
  });
  home.saveSettings({ subscription: 's1', 'resource-group': 'g', workspace: 'w' });
});
after(() => {
  cli.close();
  rmSync(folder, { recursive: true, force: true });
});

test('what the sets say is what the server reads: recipes, patterns, indexes', () => {
  for (const set of curatedSets) {
    for (const [python, packages] of Object.entries(set.pythons)) {
      const value = { dependencies: [`python=${python}`, { pip: packages }] };
      const { recipe } = readRecipe({ text: JSON.stringify(value), yaml: { value } }, [python]);
      assert.equal(recipe.python, python);
      assert.ok(
        recipe.requirements.every((line) => /^[a-z0-9-]+==[0-9][\w.+]*$/.test(line)),
        'exact versions alone',
      );
      assert.equal(new Set(recipe.requirements.map((line) => line.split('=')[0])).size, packages.length, 'each once');
    }
    for (const pattern of set.standsFor) assert.equal(typeof readMapped(`${pattern}=azureml:a:1`), 'object');
    for (const value of set.needs?.values ?? []) assert.equal(typeof readProjectIndex(value), 'object');
  }
  for (const pattern of curatedBases) assert.equal(typeof readMapped(`${pattern}=strongroom/node-python`), 'object');
});

test('each set is registered and tried for each Python that it is for, and the first that the nodes offer stands for it', async () => {
  const done = await cli.json<{ images: string[]; environments: { python: string }[] }>(
    ...['environment', 'curate', '--only', 'sklearn-1.5'],
  );
  assert.deepEqual(
    put.map(({ path }) => path.replace(/-[0-9a-f]{8}$/, '')),
    [
      'environments/curated-sklearn-1.5-py311/versions/1',
      'jobs/curated-sklearn-1-5-py311',
      'environments/curated-sklearn-1.5-py312/versions/1',
      'jobs/curated-sklearn-1-5-py312',
    ],
  );
  assert.match(put[1]?.properties['command'] ?? '', /import sklearn, pandas/);
  assert.equal(put[1]?.properties['environmentId'], `${workspace}/environments/curated-sklearn-1.5-py311/versions/1`);
  assert.ok(
    done.images.includes(`AzureML-sklearn-1.5*=${workspace}/environments/curated-sklearn-1.5-py311/versions/1`),
  );
  assert.ok(done.images.every((line) => typeof readMapped(line) === 'object'));
  put = [];
  await cli.run('environment', 'curate', '--only', 'sklearn-1.5', '--python', '3.12');
  assert.deepEqual(
    put.map(({ path }) => path).filter((path) => /py311/.test(path)),
    [],
  );
});

test('what could not be built stands for nothing, is said with what to do, and the command fails', async () => {
  failing = /pytorch|sklearn-1\.5-py311/;
  const { code, out, err } = await cli.run('environment', 'curate');
  assert.equal(code, 1);
  assert.match(err, /curated-pytorch-2\.8-cpu-py311:1: is built for the job curated-pytorch-2-8-cpu-py311-/);
  assert.match(err, /curated-pytorch-2\.8-cpu-py311:1: no wheel/);
  assert.match(err, /environments\.projectIndexes to \[torch=https/);
  assert.doesNotMatch(out, /pytorch/);
  assert.match(out, /AzureML-sklearn-1\.5\*=.*py312/, 'the next Python stands for it');
  assert.match(out, /^environments:\n {2}images:\n {4}- "/);
});

test('a set and a Python that there are not are refused before anything is made; a node without a fitting Python is told', async () => {
  for (const words of [
    ['--only', 'sklearn'],
    ['--python', '3.9'],
  ]) {
    const { code } = await cli.run('environment', 'curate', ...words);
    assert.deepEqual([code, put.length], [2, 0], words.join(' '));
  }
  pythons = ['3.8'];
  const none = await cli.run('environment', 'curate');
  assert.deepEqual([none.code, put.length], [1, 0]);
  assert.match(none.err, /sklearn-1\.5 is for Python 3\.9, /);
});

test('the map goes into a configuration file, and what its operator wrote stays as it is', () => {
  const file = join(folder, 'strongroom.yaml');
  const mine =
    '# mine\nhttp:\n  port: 8443 # the usual one\nenvironments:\n  images:\n    - python*=strongroom/node-python # mine\n';
  writeFileSync(
    file,
    `${mine}    - AzureML-x*=azureml:own:1\n    - AzureML-y*=/subscriptions/s/environments/curated-y-py311/versions/1\n`,
  );
  const left = writeMap(file, ['AzureML-x*=/new', 'azureml-Y*=/newer', 'mcr/*=strongroom/node-python']);
  assert.deepEqual(left, ['AzureML-x*=azureml:own:1']);
  const after = readFileSync(file, 'utf8');
  assert.ok(after.startsWith(mine), after);
  assert.match(after, /- AzureML-x\*=azureml:own:1\n\s+- azureml-Y\*=\/newer\n\s+- mcr\/\*=strongroom\/node-python\n$/);
  assert.deepEqual(writeMap(file, ['mcr/*=strongroom/node-python']), []);
  assert.equal(readFileSync(file, 'utf8'), after, 'and once more changes nothing');
  writeFileSync(file, '');
  writeMap(file, ['a=b']);
  assert.equal(readFileSync(file, 'utf8'), 'environments:\n  images:\n    - a=b\n');
  for (const [text, why] of [
    ['- a list\n', /no configuration/],
    ['environments: { images: none }\n', /no list/],
    ['environments: none\n', /no mapping/],
    ['a: [\n', /no configuration/],
  ] as const) {
    writeFileSync(file, text);
    assert.throws(() => writeMap(file, ['a=b']), why);
    assert.equal(readFileSync(file, 'utf8'), text);
  }
  assert.throws(() => writeMap(join(folder, 'none.yaml'), ['a=b']), /cannot be read/);
});
