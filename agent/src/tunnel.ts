// The one way out of a sandbox: a Unix socket that leads, as bytes, to Strongroom's own port and nowhere else. TLS is between
// the code inside and the server; nothing is read here. One tunnel for each sandbox, closed with it.

import { mkdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createSandboxFolder } from './sandbox/sandbox.ts';

export interface Tunnel {
  readonly socketPath: string;
  close(): void;
}

/** Connections of one sandbox at once; user code can open as many as it likes. */
const CONNECTIONS_MAX = 128;

/** What one read takes of what the server sent, and how many of them are on their way at once. */
const PIECE_BYTES = 128 * 1024;
const PIECES = 2;

/**
 * Hands on what comes from the server, in memory that takes turns: inputs and images are gigabytes, and a piece of new memory for each
 * read cost more than the reading. What is read goes on at once, or waits where it is and nothing more is read.
 */
function comesInto(near: Socket, far: () => Socket) {
  const pieces: Uint8Array[] = [];
  const busy = new Set<number>();
  let at = 0;
  let waits = false;
  return {
    buffer: () => {
      pieces[at] ??= Buffer.allocUnsafeSlow(PIECE_BYTES);
      return pieces[at] as Uint8Array;
    },
    callback(bytes: number, memory: Uint8Array): boolean {
      const sent = at;
      busy.add(sent);
      at = (at + 1) % PIECES;
      near.write(memory.subarray(0, bytes), () => {
        busy.delete(sent);
        if (waits && sent === at) {
          waits = false;
          far().resume();
        }
      });
      waits = busy.has(at);
      return !waits;
    },
  };
}

/** Listens in a folder of its own. `host` and `port` are the server's; what is inside can choose neither. */
export async function openTunnel(prefix: string, host: string, port: number): Promise<Tunnel> {
  const folder = createSandboxFolder(prefix);
  const socketPath = join(folder, 'tunnel', 'server.sock');
  // Below the shared folder, and not writable for what runs inside: the socket cannot be replaced.
  mkdirSync(join(folder, 'tunnel'), { mode: 0o755 });
  const open = new Set<Socket>();
  const server = createServer({ pauseOnConnect: true }, (near) => {
    const far: Socket = connect({ host, port, noDelay: true, onread: comesInto(near, () => far) });
    open.add(near);
    // An error breaks both off; an end lets what was said before it arrive, however slowly it is read.
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
    near.on('close', () => {
      open.delete(near);
      far.destroySoon();
    });
    far.on('close', () => near.destroySoon());
    near.pipe(far);
    far.on('end', () => near.end());
  });
  server.maxConnections = CONNECTIONS_MAX;
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(socketPath, resolve);
    });
  } catch (error) {
    remove();
    throw error;
  }
  // A connection that cannot be taken is that connection's loss, not the agent's.
  server.on('error', () => undefined);
  return {
    socketPath,
    close() {
      server.close();
      for (const socket of open) socket.destroy();
      remove();
    },
  };
}
