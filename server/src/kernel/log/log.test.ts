import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { createLog } from '#kernel/log/log';

test('only allow-listed fields are logged, errors with their chain', () => {
  const lines: string[] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(String(chunk));
      done();
    },
  });
  // Fields that the compiler does not see one by one.
  const fields = {
    requestId: 'r1',
    authorization: 'Bearer secret',
    token: 'secret',
    error: new Error('outer', { cause: new Error('inner') }),
  };
  createLog({ level: 'info', stream }).error(fields, 'failed');
  const line = lines.join('');
  assert.match(line, /"requestId":"r1"/);
  assert.match(line, /outer[\s\S]*caused by[\s\S]*inner/);
  assert.ok(!line.includes('Bearer') && !line.includes('token'));
});

/** What a process leaves on standard error whose log is used so. */
function linesOf(program: string): readonly string[] {
  const log = JSON.stringify(new URL('./log.ts', import.meta.url));
  const { stderr } = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `const { createLog } = await import(${log}); const log = createLog({ level: 'info' }); ${program}`,
    ],
    { encoding: 'utf8' },
  );
  return [...stderr.matchAll(/"msg":"([^"]*)"/g)].map(([, message]) => message ?? '');
}

test('what was told is written however the process ends, in its order', () => {
  const told = "log.info({}, 'first'); log.info({}, 'second');";
  assert.deepEqual(linesOf(`${told} process.exit(3);`), ['first', 'second']);
  assert.deepEqual(linesOf(`${told} throw new Error('unexpected');`), ['first', 'second']);
  // Nothing runs behind a kill: what went wrong, and all before it, is out by then.
  assert.deepEqual(linesOf(`${told} log.error({}, 'wrong'); process.kill(process.pid, 'SIGKILL');`), [
    'first',
    'second',
    'wrong',
  ]);
});
