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
  createLog({ level: 'info', stream }).error(
    {
      requestId: 'r1',
      authorization: 'Bearer secret',
      token: 'secret',
      error: new Error('outer', { cause: new Error('inner') }),
    },
    'failed',
  );
  const line = lines.join('');
  assert.match(line, /"requestId":"r1"/);
  assert.match(line, /outer[\s\S]*caused by[\s\S]*inner/);
  assert.ok(!line.includes('Bearer') && !line.includes('token'));
});
