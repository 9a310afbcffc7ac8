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

/** Listens in a folder of its own. `host` and `port` are the server's; what is inside can choose neither. */
export async function openTunnel(prefix: string, host: string, port: number): Promise<Tunnel> {
  const folder = createSandboxFolder(prefix);
  const socketPath = join(folder, 'tunnel', 'server.sock');
  // Below the shared folder, and not writable for what runs inside: the socket cannot be replaced.
  mkdirSync(join(folder, 'tunnel'), { mode: 0o755 });
  const open = new Set<Socket>();
  const server = createServer({ pauseOnConnect: true }, (near) => {
    const far = connect({ host, port, noDelay: true });
    open.add(near);
    // An error breaks both off; an end lets what was said before it arrive, however slowly it is read.
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
    near.on('close', () => {
      open.delete(near);
      far.destroySoon();
    });
    far.on('close', () => near.destroySoon());
    near.pipe(far).pipe(near);
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
