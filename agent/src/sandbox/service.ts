// The agent's way to a scoring server inside a sandbox: the socket that it opened in the shared folder.
//
// The folder is writable for user code, which could leave a link to some other socket of this host in the place of its own and have
// the agent speak to that. Promises: the connection goes to a socket that lies in this very folder, or fails.
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { join } from 'node:path';

/** The name of the socket that a scoring server listens on, below the shared folder. */
export const SERVICE_SOCKET = 'score.sock';

/** O_PATH of Linux: names a file without opening it. Node has no constant for it. */
const O_PATH = 0o10000000;

/** Connects to the scoring server of a sandbox. Rejects when there is none yet, or when what is there is not a socket. */
export async function connectToService(socketFolder: string): Promise<Socket> {
  // order matters: the descriptor pins what was looked at, and the connection goes through the descriptor.
  const pinned = await open(join(socketFolder, SERVICE_SOCKET), O_PATH | constants.O_NOFOLLOW);
  try {
    if (!(await pinned.stat()).isSocket())
      throw new Error('The scoring socket is not a socket; the connection was refused.');
    const socket = connect({ path: `/proc/self/fd/${pinned.fd}` });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve).once('error', reject);
    });
    return socket;
  } finally {
    await pinned.close();
  }
}
