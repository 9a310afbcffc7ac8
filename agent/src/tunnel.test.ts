// The way out of a sandbox, before a server of its own: what was said before either side went still arrives.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { openTunnel, type Tunnel } from './tunnel.ts';

const BYTES = 3_000_000;

describe('the tunnel', () => {
  let greet: (socket: Socket) => void = () => undefined;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    greet(socket);
  });
  let tunnel: Tunnel;
  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    // The cast: a TCP server that listens has an address of this form.
    tunnel = await openTunnel('strongroom-test-', '127.0.0.1', (server.address() as AddressInfo).port);
  });
  after(() => {
    tunnel.close();
    server.close();
  });

  it('hands everything to a slow reader, though the server has closed', async () => {
    const sent = randomBytes(BYTES);
    const closed = new Promise<void>((resolve) => {
      greet = (socket) => void socket.on('close', () => resolve()).end(sent);
    });
    const near = connect(tunnel.socketPath);
    const received: Buffer[] = [];
    // A little at each turn, so that the tunnel is always ahead of it.
    const read = (): void => {
      received.push((near.read(Math.min(512, near.readableLength)) as Buffer | null) ?? Buffer.alloc(0));
      if (!near.destroyed) setImmediate(read);
    };
    near.once('readable', read);
    await Promise.all([closed, new Promise((resolve) => near.once('end', resolve))]);
    // To the byte: the memory that it passes through is used again.
    assert.ok(Buffer.concat(received).equals(sent));
  });

  it('keeps what several connections hear apart, however they are cut', async () => {
    greet = (socket) => {
      socket.once('data', (asked: Buffer) => {
        const bytes = Buffer.alloc(BYTES, asked);
        for (let at = 0, size = 1; at < BYTES; at += size, size = (size * 7) % 200_003)
          socket.write(bytes.subarray(at, at + size));
        socket.end();
      });
    };
    await Promise.all(
      ['first ', 'second', 'third!'].map(async (word) => {
        const near = connect(tunnel.socketPath);
        near.write(word);
        const received = Buffer.concat(await near.toArray());
        assert.ok(received.equals(Buffer.alloc(BYTES, word)), word);
      }),
    );
  });

  it('goes on in both directions at once', async () => {
    greet = (socket) => socket.pipe(socket);
    const sent = randomBytes(BYTES);
    const near = connect(tunnel.socketPath);
    near.write(sent);
    const received: Buffer[] = [];
    let bytes = 0;
    for await (const piece of near as AsyncIterable<Buffer>) {
      received.push(piece);
      bytes += piece.length;
      if (bytes >= BYTES) break;
    }
    assert.ok(Buffer.concat(received).equals(sent));
  });

  it('hands everything to the server, though the caller has closed', async () => {
    let received = 0;
    const over = new Promise<void>((resolve) => {
      greet = (socket) => {
        socket.on('data', (chunk: Buffer) => {
          received += chunk.length;
          socket.pause();
          setImmediate(() => socket.resume());
        });
        socket.on('end', resolve);
      };
    });
    connect(tunnel.socketPath).end(Buffer.alloc(BYTES));
    await over;
    assert.equal(received, BYTES);
  });

  it('breaks off both sides when one breaks', async () => {
    greet = (socket) => socket.resetAndDestroy();
    const near = connect(tunnel.socketPath).on('error', () => undefined);
    await new Promise((resolve) => near.resume().once('close', resolve));
  });
});
