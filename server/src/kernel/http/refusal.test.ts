// A refusal in the middle of a body arrives, at clients that read nothing before they have sent everything.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { createHosts } from '#kernel/http/hosts';
import { createProxies } from '#kernel/http/proxies';
import { activity, json, needs, open, route, unrecorded, whole } from '#kernel/http/route';
import type { Surface } from '#kernel/http/surface';
import { testActor, testAudit, testAuthority } from '#kernel/testing/authority';
import { openTestDoor } from '#kernel/testing/door';

const surface: Surface = {
  name: 'test',
  ignoresCase: true,
  collapsesSlashes: true,
  recognise: (target) => target.segments,
  schemes: [
    { name: 'bearer', authenticate: ({ header }) => (header('authorization') === undefined ? undefined : testActor) },
  ],
  render: (failure) => ({ status: failure.status, body: { error: { code: failure.code, message: failure.message } } }),
};
const seen: (string | undefined)[] = [];
const audit = testAudit();
const door = await openTestDoor({
  surfaces: [surface],
  routes: [
    route({
      operation: 'Put',
      surface: 'test',
      method: 'PUT',
      path: '/things/{name}',
      summary: 'takes a little',
      access: needs({ name: 'Test/write', plane: 'data' }, ({ name }) => `/things/${name}`, whole),
      audit: activity(),
      body: { kind: 'stream', maxBytes: 1_000_000 },
      handle: async (_grant, { body }) => {
        for await (const _chunk of body);
        return json(200, {});
      },
    }),
    route({
      operation: 'Health',
      surface: 'test',
      method: 'GET',
      path: '/health',
      summary: 'health',
      access: open('health is for probes without a credential'),
      audit: unrecorded('probes'),
      handle: (_grant, { exchange }) => {
        seen.push(exchange.address);
        return json(200, {});
      },
    }),
  ],
  ports: { authorizer: testAuthority().authorizer, audit },
  hosts: createHosts({ domain: 'localhost', listensOn: '127.0.0.1', aliases: [] }),
  clientOf: createProxies(['127.0.0.0/8']),
});
after(() => door.close());
const { port } = new URL(door.url);

/** Sends all of the body, and only then reads. */
async function sendThenRead(head: string, bytes: number, chunked: boolean): Promise<string> {
  const socket = connect(Number(port), '127.0.0.1');
  socket.pause();
  const chunk = Buffer.alloc(65_536);
  const write = (data: Buffer | string) =>
    new Promise<void>((resolve, reject) => socket.write(data, (error) => (error ? reject(error) : resolve())));
  await write(head);
  for (let at = 0; at < bytes; at += chunk.length) {
    if (chunked) await write(`${chunk.length.toString(16)}\r\n`);
    await write(chunk);
    if (chunked) await write('\r\n');
  }
  await write(`${chunked ? '0\r\n\r\n' : ''}GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
  return await text(socket);
}

const megabytes = 1_048_576;
for (const [what, size, credential, status] of [
  ['too much, by somebody known', 48 * megabytes, 'authorization: x\r\n', 413],
  ['anything, by nobody known', 8 * megabytes, '', 401],
] as const)
  for (const chunked of [false, true])
    test(`${what}${chunked ? ', of a length that is not said' : ''}: ${status}, and the connection goes on`, async () => {
      const length = chunked ? 'transfer-encoding: chunked' : `content-length: ${size}`;
      const head = `PUT /things/a HTTP/1.1\r\nhost: localhost\r\n${credential}${length}\r\n\r\n`;
      const answers = await sendThenRead(head, size, chunked);
      assert.deepEqual(
        [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, code]) => Number(code)),
        [status, 200],
      );
    });

test('Python reads a 413 after it has sent 64 MB', async () => {
  const script = `
import http.client
connection = http.client.HTTPConnection('127.0.0.1', ${port}, timeout=60)
connection.request('PUT', '/things/a', body=bytes(${64 * megabytes}), headers={'Authorization': 'x', 'Host': 'localhost'})
answer = connection.getresponse()
print(answer.status, answer.read().decode())
`;
  const python = spawn('python3', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  assert.match(await text(python.stdout), /^413 .*RequestEntityTooLarge/);
});

test('whoever goes on for ever is cut off', async () => {
  const socket = connect(Number(port), '127.0.0.1');
  socket.on('error', () => {});
  socket.write('PUT /things/a HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n');
  const chunk = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(megabytes), Buffer.from('\r\n')]);
  let sent = 0;
  while (!socket.destroyed && sent < 64) {
    await new Promise<void>((resolve) => socket.write(chunk, () => resolve()));
    sent += 1;
  }
  assert.ok(sent < 64, `${sent} MB were taken from a stranger`);
});

test('a name that is not ours is answered 421 and is nowhere in the answer', async () => {
  const answer = await sendThenRead('GET /health HTTP/1.1\r\nhost: evil.example\r\n\r\n', 0, false);
  assert.match(answer, /^HTTP\/1\.1 421 .*MisdirectedRequest/s);
  assert.ok(!answer.includes('evil'));
});

test('the client behind a trusted proxy is who is recorded', async () => {
  await fetch(`${door.url}/health`, { headers: { 'x-forwarded-for': 'forged, 203.0.113.7' } });
  assert.equal(seen.at(-1), '203.0.113.7');
  await fetch(`${door.url}/things/a`, { method: 'PUT', headers: { 'x-forwarded-for': '203.0.113.8' } });
  assert.equal(audit.entries.at(-1)?.intent.address, '203.0.113.8');
});
