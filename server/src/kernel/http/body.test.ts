// Reading a body by events: whole, too long, and broken off before and while it is read.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import { readBytes } from '#kernel/http/body';

/** What reading answers of the one request that `send` makes. */
async function read(
  send: (socket: ReturnType<typeof connect>) => void,
  before: (request: IncomingMessage) => Promise<unknown> = async () => {},
): Promise<string> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => {});
  send(socket);
  const [request, response] = (await once(server, 'request')) as [IncomingMessage, { end(): void }];
  await before(request);
  try {
    return String(await readBytes(request, 10));
  } catch (thrown) {
    return thrown instanceof Failure ? thrown.code : String(thrown);
  } finally {
    response.end();
    socket.destroy();
    server.close();
  }
}
const head = (length: number) => `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${length}\r\n\r\n`;
const chunked = 'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n';

test('a body is read whole, in however many pieces it comes', async () => {
  assert.equal(await read((socket) => socket.write(`${head(5)}12345`)), '12345');
  assert.equal(await read((socket) => socket.write(`${chunked}2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n`)), 'abcde');
  assert.equal(await read((socket) => socket.write(head(0))), '');
  assert.equal(await read((socket) => socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')), '');
});

test('a body that is longer than it may be is refused by its length, and as soon as there is more', async () => {
  assert.equal(await read((socket) => socket.write(`${head(11)}12345`)), 'RequestEntityTooLarge');
  assert.equal(await read((socket) => socket.write(`${chunked}b\r\n12345678901\r\n`)), 'RequestEntityTooLarge');
});

test('a body that breaks off is told as one, also where it broke before anybody read it', async () => {
  const sent = (socket: ReturnType<typeof connect>) => socket.write(`${head(9)}123`);
  assert.equal(
    await read((socket) => {
      sent(socket);
      socket.end();
    }),
    'IncompleteBody',
  );
  let client: ReturnType<typeof connect> | undefined;
  const gone = async (request: IncomingMessage) => {
    const closed = once(request, 'close').catch(() => {});
    request.on('error', () => {});
    client?.destroy();
    await closed;
  };
  assert.equal(
    await read((socket) => {
      client = socket;
      sent(socket);
    }, gone),
    'IncompleteBody',
  );
});
