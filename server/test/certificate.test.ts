// A whole server with certificate files of another authority: what its clients are shown and handed, that its own agent still
// reaches it, and that files which do not fit stop the start before anything listens.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { connect } from 'node:tls';
import { readCertificates } from '#kernel/crypto/certificate';
import { Failure } from '#kernel/errors/failure';
import { createAuthority, issueLeaf } from '#kernel/http/certificates';
import { silentLog } from '#kernel/log/log';
import { startServer } from '../src/main.ts';
import { readConfig } from '../src/settings.ts';
import { worldOf } from './server.fixture.ts';

const folder = mkdtempSync(join(tmpdir(), 'certificate-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const corporate = await createAuthority('Corporate', new Date());
const leaf = await issueLeaf(corporate, ['ml.localhost'], [], new Date());
const tls = {
  certificateFile: join(folder, 'tls.crt'),
  keyFile: join(folder, 'tls.key'),
  authorityFile: join(folder, 'ca.crt'),
};
writeFileSync(tls.certificateFile, leaf.certificatePem);
writeFileSync(tls.keyFile, leaf.privateKeyPem, { mode: 0o600 });
writeFileSync(tls.authorityFile, corporate.certificatePem);

const start = (http: Readonly<Record<string, unknown>>) =>
  startServer({
    config: readConfig({
      flags: {
        dataDir: join(folder, 'data'),
        http: { port: 0, ...http },
        log: { level: 'silent' },
        agent: { embedded: false },
      },
      environment: {},
    }),
    bootstrapFile: join(folder, 'bootstrap.json'),
    log: silentLog,
    print: () => undefined,
  });

test('clients of the name are shown the certificate of the files, everybody else the own one, and both authorities are handed out', async (t) => {
  const server = await start({ domain: 'ml.localhost', tls });
  t.after(() => server.stop());
  const names = readCertificates(readFileSync(server.caFile, 'utf8')).map(({ name }) => name);
  assert.equal(names.length, 2);
  assert.match(names[0] ?? '', /^Strongroom at ml\.localhost:/);
  assert.equal(names[1], 'Corporate');
  const port = Number(new URL(server.url).port);
  const issuer = (servername: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, servername, ca: readFileSync(server.caFile) }, () => {
        resolve(String(socket.getPeerCertificate().issuer.CN));
        socket.destroy();
      }).once('error', reject);
    });
  assert.equal(await issuer('ml.localhost'), 'Corporate');
  for (const name of ['localhost', 'a.vault.ml.localhost', 'b.blob.storage.ml.localhost'])
    assert.match(await issuer(name), /^Strongroom at/);
  // Each of the two has its end on /metrics, so that whoever makes the files is told in time.
  const world = await worldOf(JSON.parse(readFileSync(join(folder, 'bootstrap.json'), 'utf8')));
  t.after(() => world.close());
  const { text } = await world.send('/metrics', { token: await world.ownerToken() });
  const endOf = (certificate: string) =>
    Number(
      new RegExp(
        `^strongroom_certificate_expiry_timestamp_seconds\\{certificate="${certificate}"\\} (\\S+)$`,
        'm',
      ).exec(text)?.[1],
    );
  const [shown] = readCertificates(leaf.certificatePem);
  assert.equal(Math.floor(endOf('files')), Math.floor((shown?.notAfter.getTime() ?? 0) / 1000));
  assert.ok(endOf('own') > endOf('files'), 'made later, for as long');
});

test('files that do not fit stop the start, before anything listens, and the next start with files that do goes on', async () => {
  const wrong = { ...tls, keyFile: join(folder, 'other.key') };
  writeFileSync(wrong.keyFile, (await issueLeaf(corporate, ['x'], [], new Date())).privateKeyPem, { mode: 0o600 });
  for (const http of [
    { domain: 'ml.localhost', tls: wrong },
    { domain: 'other.example.org', tls },
  ])
    await assert.rejects(start(http), (thrown) => thrown instanceof Failure && thrown.code === 'InvalidCertificate');
  const half = { domain: 'ml.localhost', tls: { certificateFile: tls.certificateFile } };
  await assert.rejects(async () => start(half), /are given together or not at all/);
  const server = await start({ domain: 'ml.localhost', tls });
  await server.stop();
});
