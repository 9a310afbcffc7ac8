// Bodies that stream, when one side goes away or says no in the middle.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { declaredLength } from '#kernel/bytes/lengths';
import { ownPiece, releasePiece } from '#kernel/bytes/pieces';
import { httpFailures } from '#kernel/http/http.errors';
import { json, open, route, unrecorded } from '#kernel/http/route';
import type { Surface } from '#kernel/http/surface';
import { testAudit, testAuthority } from '#kernel/testing/authority';
import { openTestDoor } from '#kernel/testing/door';

const surface: Surface = {
  name: 'test',
  ignoresCase: true,
  collapsesSlashes: true,
  recognise: (target) => target.segments,
  schemes: [],
  render: (failure) => ({ status: failure.status, body: { error: { code: failure.code } } }),
};
const why = 'nothing is kept of what is sent here';
const common = { surface: 'test', summary: 'streams', access: open(why), audit: unrecorded(why) } as const;
const body = { kind: 'stream', maxBytes: 64_000_000 } as const;
const waiting = {
  began: Promise.withResolvers<void>(),
  gone: Promise.withResolvers<void>(),
  goOn: Promise.withResolvers<void>(),
};
let given: Readable | undefined;
const taken: { left: number; declared: number | undefined } = { left: 0, declared: undefined };
const pieces = {
  owned: ownPiece(Buffer.alloc(300_000, 'a')),
  kept: Buffer.alloc(300_000, 'b'),
  sent: Promise.resolve<unknown>(undefined),
};
const door = await openTestDoor({
  surfaces: [surface],
  routes: [
    route({
      ...common,
      operation: 'Refuse',
      method: 'PUT',
      path: '/refused',
      body,
      handle: async () => {
        throw httpFailures.NotFound('test');
      },
    }),
    route({
      ...common,
      operation: 'Late',
      method: 'PUT',
      path: '/late',
      body,
      async handle(_grant, { exchange }) {
        exchange.raw.response.once('close', () => waiting.gone.resolve());
        waiting.began.resolve();
        await waiting.goOn.promise;
        return json(200, {});
      },
    }),
    route({
      ...common,
      operation: 'Take',
      method: 'PUT',
      path: '/taken',
      body,
      async handle(_grant, { body }) {
        taken.declared = declaredLength(body);
        body.on('data', (piece: Buffer) => {
          releasePiece(piece);
          taken.left += piece.length;
        });
        await once(body, 'end');
        return json(200, {});
      },
    }),
    route({
      ...common,
      operation: 'Broken',
      method: 'GET',
      path: '/broken',
      async handle() {
        const broken = new Readable({ read() {} });
        const over = once(broken, 'close');
        broken.on('error', () => undefined).destroy(new Error('before anybody listened'));
        await over.catch(() => undefined);
        return { status: 200, body: broken };
      },
    }),
    route({
      ...common,
      operation: 'Give',
      method: 'GET',
      path: '/given',
      async handle(_grant, { exchange }) {
        waiting.began.resolve();
        await once(exchange.raw.response, 'close');
        given = Readable.from([Buffer.alloc(100_000), Buffer.alloc(100_000)]);
        return { status: 200, body: given };
      },
    }),
    route({
      ...common,
      operation: 'Pieces',
      method: 'GET',
      path: '/pieces',
      async handle(_grant, { exchange }) {
        pieces.sent = once(exchange.raw.response, 'close');
        // Paused, as one is that somebody looked at before.
        return { status: 200, body: Readable.from([pieces.owned, pieces.kept], { objectMode: false }).pause() };
      },
    }),
    route({
      ...common,
      operation: 'Small',
      method: 'PUT',
      path: '/small',
      body: { kind: 'bytes', maxBytes: 1_000 },
      handle: () => json(200, {}),
    }),
    ...(['activity', 'access'] as const).map((level) =>
      route({
        ...common,
        operation: `Recorded_${level}`,
        method: 'GET',
        path: `/${level}`,
        audit: { level },
        handle: async () => {
          given = Readable.from([Buffer.alloc(100_000)]);
          return { status: 200, body: given };
        },
      }),
    ),
    route({ ...common, operation: 'Health', method: 'GET', path: '/health', handle: () => json(200, {}) }),
  ],
  ports: {
    authorizer: testAuthority().authorizer,
    audit: {
      ...testAudit(),
      begin: async () => ({
        conclude: async () => {
          throw new Error('the log takes no record');
        },
      }),
    },
  },
});
after(() => door.close());
const { port } = new URL(door.url);

test('a body that its handler refuses unread is read to its end, and the connection goes on', async () => {
  const socket = connect(Number(port), '127.0.0.1');
  const size = 8_000_000;
  socket.write(`PUT /refused HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${size}\r\n\r\n`);
  socket.write(Buffer.alloc(size));
  socket.write('GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n');
  const answers = await text(socket);
  assert.deepEqual(
    [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, code]) => Number(code)),
    [404, 200],
  );
});

test('a body that is longer than it may be, and does not say so, is refused, and the connection goes on', async () => {
  const socket = connect(Number(port), '127.0.0.1');
  socket.write('PUT /small HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n');
  for (let at = 0; at < 20; at++) socket.write(`2710\r\n${'x'.repeat(10_000)}\r\n`);
  socket.write('0\r\n\r\nGET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n');
  const answers = await text(socket);
  assert.deepEqual(
    [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, code]) => Number(code)),
    [413, 200],
  );
});

test('who goes away in the middle of a body that was refused takes nothing along', async () => {
  const socket = connect(Number(port), '127.0.0.1');
  socket.write('PUT /refused HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\nbeginning');
  await once(socket, 'data');
  socket.destroy();
  await once(socket, 'close');
  assert.equal((await fetch(`${door.url}/health`)).status, 200);
});

test('who goes away before his body is looked at takes nothing along', async () => {
  const socket = connect(Number(port), '127.0.0.1');
  socket.write('PUT /late HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\nbeginning');
  await waiting.began.promise;
  socket.destroy();
  await waiting.gone.promise;
  waiting.goOn.resolve();
  assert.equal((await fetch(`${door.url}/health`)).status, 200);
});

test('what is streamed to who is gone already is let go', async () => {
  waiting.began = Promise.withResolvers<void>();
  const socket = connect(Number(port), '127.0.0.1');
  socket.write('GET /given HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await waiting.began.promise;
  socket.destroy();
  await once(socket, 'close');
  assert.equal((await fetch(`${door.url}/health`)).status, 200);
  assert.equal(given?.destroyed, true);
});

test('a body that broke before it was sent ends the connection, and nobody waits for it', async () => {
  await assert.rejects(
    fetch(`${door.url}/broken`, { signal: AbortSignal.timeout(20_000) }),
    (thrown: Error) => thrown.name !== 'TimeoutError',
  );
});

test('a piece that is nobody else’s gives its memory back when it was sent, whole, and another one stays', async () => {
  assert.equal(await (await fetch(`${door.url}/pieces`)).text(), 'a'.repeat(300_000) + 'b'.repeat(300_000));
  await pieces.sent;
  assert.deepEqual([pieces.owned.byteLength, pieces.kept.byteLength], [0, 300_000]);
});

test('what was opened for an act whose end cannot be recorded is let go, and nothing of it is sent', async () => {
  for (const path of ['activity', 'access']) {
    given = undefined;
    const answer = await fetch(`${door.url}/${path}`);
    assert.equal(answer.status, 500);
    await answer.text();
    assert.equal((given as Readable | undefined)?.destroyed, true, path);
  }
});

test('pieces of a body are nobody else’s, so that whoever takes them gives their memory back, and its length is known', async () => {
  const size = 1_000_000;
  const answer = await fetch(`${door.url}/taken`, { method: 'PUT', body: Buffer.alloc(size, 'a') });
  assert.equal(answer.status, 200);
  assert.equal(taken.declared, size);
  // What is left are pieces too short to be worth it.
  assert.ok(taken.left < size / 10, `${taken.left} bytes stayed`);
});
