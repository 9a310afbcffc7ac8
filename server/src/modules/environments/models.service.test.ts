// The environment that a model brings: which of its files decides, what is added to serve it, and what its files may not say. They are
// whatever whoever registered the model has put there.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import { createModelEnvironments } from './models.service.ts';
import { createYamlReader } from './yaml.service.ts';

const yaml = createYamlReader();
const models = createModelEnvironments({ yaml, versions: async () => ['3.11', '3.12'] });

type Files = Readonly<Record<string, string | Buffer>>;
const filesOf = (files: Files) => ({
  sizes: new Map(Object.entries(files).map(([path, content]) => [path, Buffer.byteLength(content)])),
  read: async (path: string) => Buffer.from(files[path] ?? ''),
});
const mlmodel = (pyfunc: string, more = '') =>
  `flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    model_path: model.pkl\n${pyfunc}${more}`;
const both = '    env:\n      conda: conda.yaml\n      virtualenv: python_env.yaml\n';
const conda = (...pip: readonly string[]) =>
  `channels:\n- conda-forge\ndependencies:\n- python=3.12.3\n- pip<=23.2.1\n- pip:\n${pip.map((one) => `  - ${one}\n`).join('')}name: mlflow-env\n`;
/** As mlflow writes one. */
const whole: Files = {
  MLmodel: mlmodel(both, 'mlflow_version: 2.22.0\n'),
  'model.pkl': 'x',
  'conda.yaml': conda('mlflow==2.22.0', 'scikit-learn==1.7.0'),
  'python_env.yaml':
    'python: 3.11.7\nbuild_dependencies:\n- setuptools==65.5.0\ndependencies:\n- -r requirements.txt\n',
  'requirements.txt': 'mlflow==2.22.0\nscikit-learn==1.6.0\n',
};
const recipe = async (files: Files) => (await models.recipe(filesOf(files))).recipe;
const refused = (files: Files, what: RegExp, code = 'ModelNotServed') =>
  assert.rejects(
    models.recipe(filesOf(files)),
    (error) => error instanceof Failure && error.kind === 'invalid' && error.code === code && what.test(error.message),
    String(what),
  );

test('the conda file that MLmodel names decides, then the one for virtualenv, then the list of requirements', async () => {
  const byConda = await recipe(whole);
  assert.deepEqual(
    [byConda.python, byConda.requirements],
    ['3.12', ['mlflow==2.22.0', 'pip<=23.2.1', 'scikit-learn==1.7.0']],
  );
  const byVirtualenv = await recipe({ ...whole, MLmodel: mlmodel('    env: { virtualenv: python_env.yaml }\n') });
  assert.deepEqual(
    [byVirtualenv.python, byVirtualenv.requirements],
    ['3.11', ['mlflow==2.22.0', 'scikit-learn==1.6.0', 'setuptools==65.5.0']],
  );
  const byList = await recipe({ ...whole, MLmodel: mlmodel('    python_version: 3.12.1\n    code: null\n') });
  assert.deepEqual([byList.python, byList.requirements], ['3.12', ['mlflow==2.22.0', 'scikit-learn==1.6.0']]);
  const old = await recipe({ ...whole, MLmodel: mlmodel('    env: conda.yaml\n    python_version: 3.7.11\n') });
  assert.deepEqual(old.python, '3.12', 'the environment, not what the model was made with');
});

test('what serving needs is added where the model does not name it, and the log of the build says so', async () => {
  const found = await models.recipe(filesOf({ ...whole, 'conda.yaml': conda('scikit-learn', 'numpy==2.3.1') }));
  assert.deepEqual(found.recipe.requirements, [
    'mlflow-skinny==2.22.0',
    'numpy==2.3.1',
    'pandas',
    'pip<=23.2.1',
    'scikit-learn',
  ]);
  assert.match(found.remarks.join('\n'), /mlflow-skinny==2\.22\.0: added, because/);
  const skinny = await recipe({ ...whole, 'conda.yaml': conda('mlflow-skinny') });
  assert.deepEqual(skinny.requirements, ['mlflow-skinny', 'numpy', 'pandas', 'pip<=23.2.1']);
  const versionless = mlmodel(both, 'mlflow_version: "2.22.0; import os"\n');
  const plain = await recipe({ ...whole, MLmodel: versionless, 'conda.yaml': conda('joblib') });
  assert.ok(plain.requirements.includes('mlflow-skinny'));
  const fixed = `joblib==1.0 --hash=sha256:${'0'.repeat(64)}`;
  assert.deepEqual((await recipe({ ...whole, 'conda.yaml': `dependencies: [{ pip: ['${fixed}'] }]` })).requirements, [
    fixed,
  ]);
});

test('two models with the same environment have one', async () => {
  const one = await models.recipe(filesOf(whole));
  const other = await models.recipe(filesOf({ ...whole, 'model.pkl': 'y' }));
  assert.equal(one.digest, other.digest);
});

test('what cannot be had is refused with the name of the file and of the entry', async () => {
  const of = (file: string) => ({ ...whole, 'conda.yaml': file });
  const code = 'EnvironmentNotBuildable';
  await refused(
    of(conda('mlflow').replace('3.12.3', '3.7.11')),
    /'conda\.yaml'.*asks for Python 3\.7\.11, and the nodes here have 3\.11, 3\.12/,
    code,
  );
  for (const entry of [
    '-e .',
    'git+https://example.org/x.git',
    'x @ https://example.org/x.whl',
    '--index-url https://evil.example/simple',
    '--extra-index-url https://evil.example/simple',
    '-r ../../etc/passwd',
    '-c constraints.txt',
    '--trusted-host evil.example',
    './wheels/x.whl',
    '--global-option=x',
  ])
    await refused(of(conda(JSON.stringify(entry))), /'conda\.yaml'.*Or name an environment of your own/, code);
  await refused(
    of('dependencies: [{ pip: [mlflow] }]\nvariables: { LD_PRELOAD: /x }\n'),
    /'variables', which is not served/,
    code,
  );
  await refused(of('- just\n- a list: [\n'), /conda\.yaml/, code);
  const pythonEnv = (text: string) => ({
    ...whole,
    MLmodel: mlmodel('    env: { virtualenv: python_env.yaml }\n'),
    'python_env.yaml': text,
  });
  await refused(pythonEnv('python: 3.9.1\n'), /asks for Python 3\.9\.1/, code);
  await refused(pythonEnv('python: [3]\n'), /version of Python that is no text/, code);
  await refused(pythonEnv('dependencies: ["-r other.txt"]\n'), /names another file/, code);
  await refused(pythonEnv('dependencies: { a: b }\n'), /no list/, code);
  await refused(pythonEnv('hooks: [x]\n'), /holds 'hooks'/, code);
  await refused(pythonEnv('text'), /its file is no mapping\. Or/, code);
  await refused(pythonEnv('a: *b\n'), /its file cannot be read: \S.*\. Or/, code);
  // A list of requirements is none of conda's, whatever its lines look like.
  const listed = { 'model.pkl': 'x', MLmodel: mlmodel(''), 'requirements.txt': 'mlflow\nname: x\n' };
  await refused(listed, /'requirements\.txt'\. The environment cannot be made: .*name: x/, code);
});

test('a model that MLflow has not written, or that brings no environment, is told what to do', async () => {
  await refused({ 'model.pkl': 'x' }, /no file MLmodel at its top/);
  await refused({ 'model/MLmodel': 'x' }, /Register the folder that holds MLmodel/);
  await refused({ MLmodel: mlmodel(''), 'model.pkl': 'x' }, /brings no conda\.yaml.*Name an environment/);
  await refused({ MLmodel: 'flavors: { sklearn: { pickled_model: m } }\n' }, /no flavor python_function.*'sklearn'/);
  await refused({ MLmodel: 'run_id: x\n' }, /names no flavors/);
  await refused({ MLmodel: '- flavors\n' }, /names no flavors/);
  await refused({ MLmodel: Buffer.from([0x66, 0xff, 0xfe]) }, /not UTF-8/);
  await models.check(filesOf({ MLmodel: mlmodel(''), 'model.pkl': 'x' }));
});

test('an MLmodel that lies is refused by the name of what it says', async () => {
  const lies = (pyfunc: string, more = '') => ({ ...whole, MLmodel: mlmodel(pyfunc, more) });
  for (const [key, path] of [
    ['code', '../../etc'],
    ['data', '/etc/passwd'],
    ['env', '../conda.yaml'],
    ['python_model', '~/x.pkl'],
    ['code', 's3://bucket/code'],
    ['data', 'a\\..\\..\\b'],
    ['model_code_path', 'x/../../y'],
  ])
    await refused(lies(`    ${key}: '${path}'\n`), /leads out of the model/);
  await refused(
    lies('    artifacts: { weights: { path: ../../x, uri: file:///home/me } }\n'),
    /path is '\.\.\/\.\.\/x'/,
  );
  await refused(
    lies('', '  sklearn:\n    pickled_model: ../../../x.pkl\n'),
    /pickled_model is '\.\.\/\.\.\/\.\.\/x\.pkl'/,
  );
  await refused(lies('    env: other.yaml\n'), /environment is 'other\.yaml', and the model has no such file/);
  await refused(lies('    code: code\n'), /code is 'code', and the model has no such file or folder/);
  await refused({ MLmodel: 'flavors: { python_function: { loader_module: "os; import x" } }\n' }, /no module's name/);
  await refused({ MLmodel: 'flavors: { python_function: {} }\n' }, /names no loader_module/);
  await models.recipe(
    filesOf({
      ...lies(
        `${both}    code: code\n    artifacts: { w: { path: artifacts/w.bin, uri: /home/me/w.bin } }\n`,
        'model_uuid: ../../x\n',
      ),
      'code/mine/__init__.py': '',
    }),
  );
});

test('YAML that is a weapon is read for as long as it may take, off the loop, and no longer', async () => {
  const bombs = [
    'a: &a [x, x]\nb: &b [*a, *a]\nflavors: [*b, *b]\n',
    '['.repeat(60_000),
    'a: '.repeat(20_000),
    `flavors: ${'{python_function: '.repeat(30)}x${'}'.repeat(30)}`,
    '__proto__: { flavors: x }\n',
    'flavors: !!js/function "x"\n',
    '? [a]\n: b\n',
    'flavors: 1\nflavors: 2\n',
  ];
  for (const MLmodel of bombs) await refused({ MLmodel }, /MLmodel/);
  await refused({ MLmodel: 'x'.repeat(1024 ** 2 + 1) }, /more than 1048576 bytes/);
  await refused({ ...whole, 'conda.yaml': `# ${'x'.repeat(65_536)}` }, /more than 65536 bytes/);
  const slow = "'a' ".repeat(16_384);
  const hasty = createYamlReader({ limitMs: 1 });
  const [first, second] = await Promise.all([hasty.read(slow), hasty.read(slow)]);
  assert.deepEqual([first, second], Array(2).fill({ error: 'takes too long to read' }));
  const columns = JSON.stringify(Array.from({ length: 4000 }, (_, at) => ({ name: `column ${at}`, type: 'double' })));
  await models.recipe(filesOf({ ...whole, MLmodel: `${whole['MLmodel']}signature:\n  inputs: '${columns}'\n` }));
});

test('more texts than wait are refused, and none is lost', async () => {
  const reader = createYamlReader({ waitingMax: 2 });
  const reads = [1, 2, 3].map((one) => reader.read(`a: ${one}`));
  assert.throws(
    () => reader.read('a: 4'),
    (error) => error instanceof Failure && error.kind === 'throttled',
  );
  assert.deepEqual(
    await Promise.all(reads),
    [1, 2, 3].map((a) => ({ value: { a } })),
  );
});
