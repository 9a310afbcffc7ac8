import assert from 'node:assert/strict';
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
