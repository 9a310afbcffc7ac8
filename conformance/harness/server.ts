// The server under test, as a process of its own: the environment that the clients run in must not reach it, and what it
// trusts must not come from the clients. Takes the folder to keep everything in; stops at SIGTERM.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAuthority, issueLeaf } from '../../server/src/kernel/http/certificates.ts';
import { freePort } from '../../server/src/kernel/http/server.ts';
import { runServer } from '../../server/src/main.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('server.ts needs the folder that the server keeps everything in');

/** What a registry beside the server needs, which the suite of images starts. */
const elsewhere = join(folder, 'elsewhere');
const host = `127.0.0.1:${await freePort('127.0.0.1')}`;
const now = new Date();
const authority = await createAuthority('Registry elsewhere', now);
const leaf = await issueLeaf(authority, ['localhost'], ['127.0.0.1'], now);
mkdirSync(elsewhere);
for (const [name, content] of [
  ['host', host],
  ['authority.crt', authority.certificatePem],
  ['certificate.pem', leaf.certificatePem],
  ['key.pem', leaf.privateKeyPem],
] as const)
  writeFileSync(join(elsewhere, name), content, { mode: 0o600 });

process.exitCode = await runServer({
  flags: {
    dataDir: join(folder, 'data'),
    http: { port: 0 },
    log: { level: 'warn' },
    agent: { embedded: true, maxNodes: 2 },
    // Images: as an operator does for the Dockerfiles of Azure's examples.
    environments: {
      indexForJobs: 'workspaces',
      images: ['python:*=strongroom/node-python'],
      registries: [host],
      insideRegistries: [host],
      registryAuthorityFile: join(elsewhere, 'authority.crt'),
    },
  },
  bootstrapFile: join(folder, 'bootstrap.json'),
});
