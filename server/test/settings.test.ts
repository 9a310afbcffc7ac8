// Every setting is declared by the module that it is of, and is refused with what to write.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { type SettingList, variableOf, wantedOf } from '#kernel/config/setting';
import { composedRoutes } from '../../scripts/openapi/routes.ts';
import { everySetting } from '../../scripts/pages/pages.ts';
import { readConfig, settingLists } from '../src/settings.ts';

let modules: Awaited<ReturnType<typeof composedRoutes>>['modules'];

before(async () => {
  modules = (await composedRoutes()).modules;
});

test('what is read is what the kernel and the modules declare, and nothing else', () => {
  const ofModules = modules.flatMap(({ settings }) => (settings ? [settings as SettingList] : []));
  assert.deepEqual(new Set(settingLists.slice(1)), new Set(ofModules));
});

test('without a word every setting has a value, and by its variable each refuses what it may not be, by name', () => {
  assert.doesNotThrow(() => readConfig({ environment: {} }));
  for (const [path, setting] of everySetting)
    assert.throws(
      () => readConfig({ environment: { [variableOf(path)]: '\0' } }),
      (thrown: Error) =>
        thrown.message.includes(`${path} is `) && thrown.message.includes(`write ${wantedOf(setting)}`),
      path,
    );
});

test('what the command line says of a setting is what is declared', () => {
  const help = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
  const { 'http.host': host, 'http.port': port } = settingLists[0]?.settings ?? {};
  for (const [option, setting] of [
    ['--host', host],
    ['--port', port],
  ] as const)
    assert.match(help, new RegExp(`${option} <[^\\n]*\\(${setting?.standard}\\)`), option);
});

test('the audit log is kept for ever, or for at least as long as Azure keeps its own', () => {
  const daysOf = (text: string) =>
    readConfig({ environment: { STRONGROOM_AUDIT_RETENTION_DAYS: text } }).audit.retentionDays;
  assert.equal(readConfig({ environment: {} }).audit.retentionDays, 0);
  assert.deepEqual(['0', '90', '3650'].map(daysOf), [0, 90, 3650]);
  for (const text of ['1', '89', '-1', '90.5', '36501', ''])
    assert.throws(() => daysOf(text), /audit\.retentionDays .*; write 0, or a whole number from 90 to 36500/);
});
