// What a build says it has installed, held to what it was given: the bill of materials is made of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { billOf, checkLock, givenKey, type Lock } from './bill.rules.ts';

const entry = (more: object = {}) => ({
  name: 'Ruamel.Yaml',
  version: '0.17',
  file: 'ruamel_yaml-0.17.tar.gz',
  sha256: 'a'.repeat(64),
  ...more,
});
const pip = { name: 'pip', version: '24.0', file: 'pip-24.0-py3-none-any.whl', sha256: 'b'.repeat(64) };
const given = new Map(
  [entry(), pip].map(({ name, sha256, file }) => [
    givenKey(name, sha256),
    { file, page: `https://index.example/simple/${name.toLowerCase()}/` },
  ]),
);
const lock = (more: Partial<Lock>): Lock => ({ python: '3.11', builder: '1', packages: [], ...more });

test('a lock names what the build was given, under any spelling of a name', () => {
  checkLock(lock({}), new Map());
  checkLock(lock({ pip, packages: [entry(), entry({ name: 'ruamel-yaml' })] }), given);
});

test('a lock that names anything else is refused, pip itself included', () => {
  for (const wrong of [
    entry({ sha256: 'c'.repeat(64) }),
    entry({ sha256: pip.sha256 }),
    entry({ file: 'ruamel_yaml-0.18.tar.gz' }),
    entry({ name: 'yaml' }),
    entry({ name: 'ruamel-yam' }),
    // Another project, whose name the file begins with too.
    entry({ name: 'ruamel' }),
  ])
    assert.throws(() => checkLock(lock({ packages: [entry(), wrong] }), given), /was not given/, JSON.stringify(wrong));
  assert.throws(() => checkLock(lock({ pip }), new Map()), /'pip' that this build was not given/);
});

test('a bill of materials says of each package what it is, and the page of the index that it came from', () => {
  const image = { repository: 'environments/one', digest: `sha256:${'d'.repeat(64)}` };
  const one = JSON.parse(billOf(lock({ pip, packages: [entry()] }), given, image).toString('utf8'));
  assert.equal(one.components.length, 1);
  const [{ name, purl, hashes, externalReferences }] = one.components;
  assert.deepEqual([name, purl], ['Ruamel.Yaml', 'pkg:pypi/ruamel-yaml@0.17']);
  assert.deepEqual(hashes, [{ alg: 'SHA-256', content: 'a'.repeat(64) }]);
  assert.deepEqual(externalReferences, [{ type: 'distribution', url: 'https://index.example/simple/ruamel.yaml/' }]);
});
