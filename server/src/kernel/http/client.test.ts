// The client against real servers on Unix sockets.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { createSocketClient, type SocketAnswer } from './client.ts';

async function listen(t: TestContext, listener: RequestListener) {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-client-'));
  const socketPath = join(folder, 's.sock');
  const sockets = new Set<Socket>();
  const server = createServer(listener);
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  const client = createSocketClient({ connectionsMax: 4, idleMs: 60_000 });
  t.after(async () => {
    client.close();
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });
  const request = { socketPath, method: 'POST', path: '/', headers: {}, signal: new AbortController().signal };
  return { client, request, sockets };
}
const textOf = async ({ body }: SocketAnswer) => {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
};
const echo: RequestListener = (incoming, response) => {
  response.setHeader('x-length', String(incoming.headers['content-length']));
  incoming.pipe(response);
};

test('one connection carries one request after the other', async (t) => {
  const { client, request, sockets } = await listen(t, echo);
  for (let at = 0; at < 30; at++)
    assert.equal(await textOf(await client.send({ ...request, body: Buffer.from(`n${at}`) })), `n${at}`);
  assert.equal(sockets.size, 1);
});

test('bodies stream in both directions, and no body is no body', async (t) => {
  const { client, request } = await listen(t, echo);
  const body = Readable.from([Buffer.from('one '), Buffer.from('two')]);
  const answer = await client.send({ ...request, headers: { 'content-length': '7' }, body });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['x-length'], '7');
  assert.equal(await textOf(answer), 'one two');
  assert.equal(await textOf(await client.send({ ...request, method: 'GET' })), '');
});

test("a body that fails ends the request with the body's own error", async (t) => {
  const { client, request } = await listen(t, (incoming) => incoming.resume());
  const failing = new Readable({
    read() {
      this.destroy(new Error('the caller stopped'));
    },
  });
  const sent = client.send({ ...request, headers: { 'content-length': '9' }, body: failing });
  await assert.rejects(sent, /the caller stopped/);
});

test('a signal cuts a request off before its head and in the middle of its body', async (t) => {
  const { client, request } = await listen(t, (incoming, response) => {
    if (incoming.url === '/half') response.write('half');
  });
  const waiting = new AbortController();
  const never = client.send({ ...request, signal: waiting.signal });
  waiting.abort();
  await assert.rejects(never, { name: 'AbortError' });
  const reading = new AbortController();
  const answer = await client.send({ ...request, path: '/half', signal: reading.signal });
  answer.body.once('data', () => reading.abort());
  await assert.rejects(textOf(answer));
});

test('a socket that is not there says so', async (t) => {
  const { client, request } = await listen(t, echo);
  await assert.rejects(client.send({ ...request, socketPath: `${request.socketPath}.gone` }), { code: 'ENOENT' });
});
