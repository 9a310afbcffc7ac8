// A whole server in a folder of its own, and a shell that is signed in there, for the tests that a person's day is made of.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { type DemoServer, startDemoServer } from '../../scripts/demo/server.ts';
import { createTestShell } from './testing.ts';

/** Ends with the tests of the file that calls it. */
export async function openServed() {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-cli-test-'));
  const cli = createTestShell();
  let server: DemoServer | undefined;
  after(async () => {
    await server?.stop();
    cli.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const bootstrapFile = join(folder, 'bootstrap.json');
  server = await startDemoServer({ dataDir: join(folder, 'data'), logFile: join(folder, 'server.log'), bootstrapFile });
  await cli.json('login', '--bootstrap-file', bootstrapFile);
  return { folder, cli, server };
}
