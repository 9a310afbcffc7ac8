// What a build says it has installed, held to what it was given: the bill of materials is made of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLock, type Lock } from './bill.rules.ts';

const entry = (more: object = {}) => ({
  name: 'Ruamel.Yaml',
  version: '0.17',
  file: 'ruamel_yaml-0.17.tar.gz',
  sha256: 'a'.repeat(64),
  ...more,
});
const pip = { name: 'pip', version: '24.0', file: 'pip-24.0-py3-none-any.whl', sha256: 'b'.repeat(64) };
const given = new Map([entry(), pip].map(({ sha256, file }) => [sha256, file]));
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
  ])
    assert.throws(() => checkLock(lock({ packages: [entry(), wrong] }), given), /was not given/, JSON.stringify(wrong));
  assert.throws(() => checkLock(lock({ pip }), new Map()), /'pip' that this build was not given/);
});
