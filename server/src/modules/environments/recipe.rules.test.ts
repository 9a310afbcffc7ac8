// From a conda file or a list of requirements to a recipe: what means the same has one digest, and what would be something else than
// was asked for is refused by its name.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import { readRecipe as recipeIn } from './recipe.rules.ts';
import { yamlFrom, yamlToJson } from './yaml.rules.ts';

const offered = ['3.11', '3.12', '3.9'];
const conda = (...dependencies: readonly string[]) =>
  `name: mine\nchannels: [conda-forge]\ndependencies:\n${dependencies.map((one) => `  - ${one}\n`).join('')}`;
const pip = (...lines: readonly string[]) =>
  conda('pip', `pip:\n${lines.map((one) => `      - ${JSON.stringify(one)}\n`).join('')}`);
const readRecipe = (text: string, of: readonly string[]) =>
  recipeIn({ text, yaml: yamlFrom(yamlToJson(text, {})) }, of);
const wanted = (text: string) => readRecipe(text, offered).recipe.requirements;

test('packages of conda channels that are the same project on the index come from there, at the version that conda means', () => {
  const found = readRecipe(
    conda(
      'python=3.9',
      'numpy',
      'scipy=1.10',
      'pandas=1.5.3',
      'pandas==1.5.3',
      'scikit-learn>=1.2,<2',
      'conda-forge::joblib',
      'pytorch=2.1.*',
      '"matplotlib 3.8"',
      'pip=23',
    ),
    offered,
  );
  assert.equal(found.recipe.python, '3.9');
  assert.deepEqual(found.recipe.requirements, [
    'joblib',
    'matplotlib==3.8.*',
    'numpy',
    'numpy<2',
    'pandas==1.5.3',
    'pip==23.*',
    'scikit-learn<2,>=1.2',
    'scipy==1.10.*',
    'torch==2.1.*',
  ]);
  assert.ok(found.remarks.some((remark) => remark.includes('not from a conda channel')));
});

test('what was built for NumPy 1 gets it, as from its channel, unless the file says which NumPy or is a list of pip', () => {
  const bounded = (text: string) => wanted(text).includes('numpy<2');
  for (const old of [
    'scikit-learn=1.2.2',
    'scikit-learn=1.3',
    'pandas==2.2.1',
    'pandas=1',
    'scipy=1.12.*',
    'pyarrow=15.0.2',
  ])
    assert.ok(bounded(conda(old, 'numpy')), old);
  for (const enough of [
    'scikit-learn=1.4.2',
    'scikit-learn=1.4',
    'scikit-learn=1.5.1',
    'pandas=2.2',
    'scipy=1.13.0',
    'scipy',
    'joblib=0.1',
    'pandas>=1',
  ])
    assert.ok(!bounded(conda(enough, 'numpy')), enough);
  assert.ok(!bounded(conda('scikit-learn=1.2.2', 'numpy=1.26')));
  assert.ok(!bounded(pip('scikit-learn==1.2.2')));
  const { remarks } = readRecipe(conda('scikit-learn=1.2.2'), offered);
  assert.ok(
    remarks.includes(
      'numpy<2: added, because scikit-learn==1.2.2 was built for NumPy 1, which its package of a conda channel says',
    ),
  );
});

test('what means the same is one recipe: order, spelling, spaces and comments do not count', () => {
  const one = readRecipe(
    pip('Scikit_Learn >= 1.2, < 2  # the model', 'mlflow[Extras, db]==2.9', 'numpy ; python_version>"3.8"'),
    offered,
  );
  const other = readRecipe(
    pip('numpy; python_version>"3.8"', 'mlflow[db,extras]==2.9', 'scikit-learn<2,>=1.2'),
    offered,
  );
  assert.equal(one.digest, other.digest);
  assert.match(one.digest, /^sha256:[0-9a-f]{64}$/);
  assert.notEqual(one.digest, readRecipe(pip('numpy'), offered).digest);
  assert.notEqual(
    readRecipe(conda('python=3.12', 'numpy'), offered).digest,
    readRecipe(conda('python=3.9', 'numpy'), offered).digest,
  );
});

test('a list of requirements is read as pip reads it', () => {
  assert.deepEqual(wanted('numpy==1.26.4\n\n# a comment\npandas>=2  # why\n--pre\n'), ['numpy==1.26.4', 'pandas>=2']);
  assert.deepEqual(readRecipe('numpy\n--pre\n--only-binary :all:', offered).recipe.options, [
    '--only-binary=:all:',
    '--pre',
  ]);
  const hash = `--hash=sha256:${'a'.repeat(64)}`;
  assert.deepEqual(wanted(`six==1.17.0 ${hash}`), [`six==1.17.0 ${hash}`]);
  assert.deepEqual(wanted('-i https://pypi.org/simple\nsix'), ['six']);
});

test('the Python is one that the nodes have, and else the list of them is told', () => {
  const pythonOf = (text: string) =>
    readRecipe(conda(...(text === '' ? [] : [JSON.stringify(text)]), 'numpy'), offered).recipe.python;
  for (const [text, version] of [
    ['', '3.11'],
    ['python', '3.11'],
    ['python=3.9', '3.9'],
    ['python=3.9.18', '3.9'],
    ['python==3.12.1', '3.12'],
    ['python>=3.12', '3.12'],
    ['python>=3.8,<3.11', '3.9'],
    ['python=3', '3.11'],
    ['python<3.12', '3.11'],
    ['python=3.9.*', '3.9'],
    ['python 3.9.*', '3.9'],
    ['python>=3.9,<3.12', '3.11'],
    ['python>3.11', '3.12'],
    ['python!=3.11.*', '3.12'],
    ['python~=3.9', '3.11'],
    ['python~=3.9.2', '3.9'],
    ['conda-forge::python=3.12', '3.12'],
  ] as const)
    assert.equal(pythonOf(text), version, text);
  for (const text of ['python=3.8', 'python=2.7', 'python>=3.13', 'python<3.9', 'python=4'])
    assert.throws(() => pythonOf(text), /the nodes here have 3\.11, 3\.12, 3\.9/, text);
  for (const text of [
    'python=3.10; rm -rf',
    'python=3.10 && x',
    'python=3.10`id`',
    'python=$(id)',
    'python=3.10\n--pre',
  ])
    assert.throws(() => pythonOf(text), /The environment cannot be made/, text);
});

test('all that is asked of the version of Python holds, and a list of requirements is for the node that has it', () => {
  const pythonIn = (...entries: readonly string[]) => readRecipe(conda(...entries, 'numpy'), offered).recipe.python;
  assert.equal(pythonIn('python>=3.9', 'python<3.10'), '3.9');
  assert.equal(pythonIn('python', 'python=3.12'), '3.12');
  assert.throws(
    () => pythonIn('python=3.12', 'python=3.9'),
    /asks for Python 3\.12\.\*,==3\.9, and the nodes here have/,
  );
  assert.equal(readRecipe('numpy\n', offered).recipe.python, '3.11');
  assert.throws(() => readRecipe('numpy\n', []), /No compute agent has reported yet/);
});

test('whatever is no package of the index is refused by its name', () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    [conda('cudatoolkit=11.3'), /'cudatoolkit=11.3' is a package of a conda channel/],
    [conda('nvidia::numpy'), /channel 'nvidia'/],
    [conda('numpy=1.26=py311_0'), /names a build/],
    [conda('"numpy[version=\'>=1\']"'), /is not written as NAME/],
    [conda('{conda: [numpy]}'), /neither the name of a package nor a list of pip/],
    [pip('-e .'), /installs a folder/],
    [pip('-r requirements.txt'), /names another file/],
    [pip('-c constraints.txt'), /names another file/],
    [pip('--index-url https://evil.example/simple'), /another package index/],
    [pip('--index-url=https://evil.example/simple'), /another package index/],
    [pip('--extra-index-url https://download.pytorch.org/whl/cpu'), /another package index/],
    [pip('--find-links https://evil.example'), /another package index/],
    [pip('--trusted-host evil.example'), /another package index/],
    [pip('--config-settings x=y'), /option of pip that is not served/],
    [pip('--pre --index-url https://evil.example'), /not served/],
    [pip('--no-binary :all: --index-url https://evil.example'), /./],
    [pip('git+https://github.com/a/b'), /fetched from an address/],
    [pip('b @ https://evil.example/b.whl'), /fetched from an address/],
    [pip('b@file:///etc/passwd'), /fetched from an address/],
    [pip('https://evil.example/b.whl'), /fetched from an address/],
    [pip('./wheels/b.whl'), /is a path/],
    [pip('../b'), /is a path/],
    [pip('/etc/passwd'), /is a path/],
    [pip('b.whl'), /is a path/],
    [pip('numpy=1.2'), /pip writes numpy==1.2/],
    [pip('numpy --global-option=x'), /version that pip does not read/],
    [pip('numpy ; python_version > "3" \n--index-url https://evil.example'), /./],
    [pip('numpy; `id`'), /marker that pip does not read/],
    [pip('$HOME'), /does not begin with the name/],
    [pip('numpy --hash=md5:abc'), /hash/],
    [pip('x'.repeat(2000)), /too long/],
    ['dependencies: 3', /no list of dependencies/],
    ['name: x', /no list of dependencies/],
    ['dependencies: []\nvariables: {A: b}', /holds 'variables'/],
    ['dependencies: [*a]', /cannot be read/],
    [conda(...Array.from({ length: 501 }, () => 'numpy')), /more than 500/],
  ];
  for (const [text, said] of refused)
    assert.throws(
      () => readRecipe(text, offered),
      (thrown) => thrown instanceof Failure && thrown.kind === 'invalid' && said.test(thrown.message),
      text.slice(0, 200),
    );
});

test('a hostile file is read in no time', () => {
  const bomb = `a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\ndependencies: [*c,*c]`;
  const started = process.cpuUsage();
  for (const text of [
    bomb,
    `${'['.repeat(20_000)}`,
    conda(`numpy${'='.repeat(900)}`),
    conda(`numpy${' '.repeat(900)}x`),
    pip(`a${'['.repeat(900)}`),
    `${'a,'.repeat(30_000)}`,
    pip(`n${'>=1,'.repeat(240)}`),
  ])
    try {
      readRecipe(text, offered);
    } catch (thrown) {
      assert.ok(thrown instanceof Failure, String(thrown));
    }
  assert.ok(process.cpuUsage(started).user < 4_000_000);
});
