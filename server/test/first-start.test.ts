// The first start tells how to sign in exactly once, and never to nobody.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { silentLog } from '#kernel/log/log';
import { startServer } from '../src/main.ts';
import { readConfig } from '../src/settings.ts';

test('credentials that could not be told are renewed at the next start, told once, and hold', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'first-start-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const config = readConfig({
    flags: { dataDir: join(folder, 'data'), http: { port: 0 }, log: { level: 'silent' }, agent: { embedded: false } },
    environment: {},
  });
  const start = (bootstrapFile: string) =>
    startServer({ config, bootstrapFile, log: silentLog, print: () => undefined });

  // The directory is made and committed; the file that tells of it cannot be written.
  await assert.rejects(start(join(folder, 'absent', 'bootstrap.json')));

  const file = join(folder, 'bootstrap.json');
  const server = await start(file);
  const { application } = JSON.parse(readFileSync(file, 'utf8')) as {
    application: { clientId: string; clientSecret: string };
  };
  const { directory } = server.composed.identity;
  const ownerOf = async (secret: string) =>
    (await directory.findBySecret(application.clientId, secret))?.principal.clientId;
  assert.equal(await ownerOf(application.clientSecret), application.clientId);
  assert.equal(await ownerOf(`${application.clientSecret}x`), undefined);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  await server.stop();

  const later = join(folder, 'later.json');
  const again = await start(later);
  assert.ok(!existsSync(later), 'a later start tells nobody');
  const { directory: restarted } = again.composed.identity;
  assert.ok(await restarted.findBySecret(application.clientId, application.clientSecret));
  await again.stop();
});

test('where nobody reads along, the first start tells nothing and says what to give; then it goes on as if nothing was', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'first-start-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const dataDir = join(folder, 'data');
  const command = fileURLToPath(new URL('../../bin/strongroom', import.meta.url));
  const { status, stdout, stderr } = spawnSync(command, ['server', 'start', '--data-dir', dataDir, '--port', '0'], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.equal(status, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /^error: .*Give --bootstrap-file FILE.*\n$/);

  const config = readConfig({
    flags: { dataDir, http: { port: 0 }, log: { level: 'silent' }, agent: { embedded: false } },
    environment: {},
  });
  const told: string[] = [];
  const server = await startServer({ config, log: silentLog, print: (line) => void told.push(line) });
  assert.match(told.join('\n'), /password {5}\S{12,}/, 'a person who reads along is told');
  await server.stop();
  // Nothing is left to tell: now a journal may listen.
  const again = await startServer({ config, log: silentLog });
  await again.stop();
});
