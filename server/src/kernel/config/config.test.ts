import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readConfig } from '#kernel/config/config';

const folder = mkdtempSync(join(tmpdir(), 'config-'));
after(() => rmSync(folder, { recursive: true }));
const file = (text: string) => {
  const path = join(folder, 'strongroom.yaml');
  writeFileSync(path, text);
  return path;
};

test('flags win over the environment, which wins over the file, which wins over the defaults', () => {
  const config = readConfig({
    file: file('http: {port: 1, host: 10.0.0.1}\nlog: {level: warn}'),
    environment: { STRONGROOM_HTTP_PORT: '2', STRONGROOM_AGENT_EMBEDDED: 'false' },
    flags: { http: { port: 3 } },
  });
  assert.equal(config.http.port, 3);
  assert.equal(config.http.host, '10.0.0.1');
  assert.equal(config.log.level, 'warn');
  assert.equal(config.agent.embedded, false);
  assert.equal(config.location, 'local');
});

test('every mistake is named at once, and unknown keys are refused', () => {
  assert.throws(
    () =>
      readConfig({
        file: file('http: {port: 99999, prot: 1}\nlog: {level: loud}'),
        environment: { STRONGROOM_AGENT_EMBEDDED: 'perhaps', STRONGROOM_HTPP_PORT: '1' },
      }),
    (thrown: Error) =>
      ['http.port', "'prot'", 'log.level', 'embedded', 'STRONGROOM_HTPP_PORT'].every((part) =>
        thrown.message.includes(part),
      ) || assert.fail(thrown.message),
  );
});

test('a variable that is set to nothing is a mistake, and no port', () => {
  for (const text of ['', ' ', '1e3', '0x10', '-1', '8443.5'])
    assert.throws(() => readConfig({ environment: { STRONGROOM_HTTP_PORT: text } }), /http\.port/, text);
});

test('a file that cannot be read or is no mapping is a mistake with its name', () => {
  assert.throws(() => readConfig({ file: join(folder, 'absent.yaml'), environment: {} }), /absent.yaml/);
  assert.throws(() => readConfig({ file: file('- a'), environment: {} }), /mapping/);
  assert.throws(() => readConfig({ file: file('a: &x [1]\nb: *x'), environment: {} }), /cannot be read/);
});

test('the audit log is kept for ever, or for at least as long as Azure keeps its own', () => {
  const daysOf = (text: string) =>
    readConfig({ environment: { STRONGROOM_AUDIT_RETENTION_DAYS: text } }).audit.retentionDays;
  assert.equal(readConfig({ environment: {} }).audit.retentionDays, 0);
  assert.deepEqual(['0', '90', '3650'].map(daysOf), [0, 90, 3650]);
  for (const text of ['1', '89']) assert.throws(() => daysOf(text), /audit\.retentionDays .* at least 90/);
  for (const text of ['-1', '90.5', '36501', '']) assert.throws(() => daysOf(text), /retentionDays/);
});
