// The way out of a sandbox, before a server of its own: what was said before either side went still arrives.
import assert from 'node:assert/strict';
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
    const closed = new Promise<void>((resolve) => {
      greet = (socket) => void socket.on('close', () => resolve()).end(Buffer.alloc(BYTES));
    });
    const near = connect(tunnel.socketPath);
    let received = 0;
    // A little at each turn, so that the tunnel is always ahead of it.
    const read = (): void => {
      received += (near.read(Math.min(512, near.readableLength)) as Buffer | null)?.length ?? 0;
      if (!near.destroyed) setImmediate(read);
    };
    near.once('readable', read);
    await Promise.all([closed, new Promise((resolve) => near.once('end', resolve))]);
    assert.equal(received, BYTES);
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
