// The server under test, as a process of its own: the environment that the clients run in must not reach it, and what it
// trusts must not come from the clients. Takes the folder to keep everything in; stops at SIGTERM.

import { join } from 'node:path';
import { runServer } from '../../server/src/main.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('server.ts needs the folder that the server keeps everything in');

process.exitCode = await runServer({
  flags: {
    dataDir: join(folder, 'data'),
    http: { port: 0 },
    log: { level: 'warn' },
    agent: { embedded: true, maxNodes: 2 },
    // Images: as an operator does for the Dockerfiles of Azure's examples.
    environments: { indexForJobs: 'workspaces', images: ['python:*=strongroom/node-python'] },
  },
  bootstrapFile: join(folder, 'bootstrap.json'),
});
