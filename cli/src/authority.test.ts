// Trust on a fingerprint: what is told is compared before anything is kept or sent, whoever answers.

import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { createAuthority, issueLeaf } from '../../server/src/kernel/http/certificates.ts';
import { readFingerprint } from './authority.ts';
import { createTestShell } from './testing.ts';

const authority = await createAuthority('Strongroom at test', new Date());
const leaf = await issueLeaf(authority, ['localhost'], [], new Date());
const fingerprintOf = (pem: string) =>
  `sha256:${createHash('sha256').update(new X509Certificate(pem).raw).digest('hex')}`;
const fingerprint = fingerprintOf(authority.certificatePem);

/** What the server hands out, and what it was asked. */
let offered = authority.certificatePem;
let status = 200;
const asked: string[] = [];
const server = createServer({ key: leaf.privateKeyPem, cert: leaf.certificatePem }, (request, response) => {
  asked.push(`${request.method} ${request.url} ${request.headers.authorization ?? 'no credential'}`);
  response.statusCode = request.url === '/ca.pem' ? status : 404;
  response.end(request.url === '/ca.pem' ? offered : '{}');
});
let url: string;
const cli = createTestShell();
const homeFiles = () => (existsSync(`${cli.home}/home`) ? readdirSync(`${cli.home}/home`) : []);

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `https://localhost:${(server.address() as AddressInfo).port}`;
});
after(() => {
  server.closeAllConnections();
  server.close();
  cli.close();
});

test('a fingerprint is read as people and other tools write it, and nothing else is', () => {
  const digits = fingerprint.slice('sha256:'.length);
  const colons = (digits.toUpperCase().match(/../g) ?? []).join(':');
  for (const text of [fingerprint, digits, colons, `SHA256:${colons}`, ` sha-256:${digits} `])
    assert.equal(readFingerprint(text), fingerprint);
  for (const text of ['', 'sha256:', digits.slice(1), `${digits}0`, `sha1:${digits}`, digits.replace(/./, 'g')])
    assert.throws(() => readFingerprint(text), /is no fingerprint/);
});

test('another fingerprint than the one that was told: refused with both, nothing kept, nothing sent', async () => {
  asked.length = 0;
  const other = `sha256:${'0'.repeat(64)}`;
  for (const words of [['login'], ['trust'], ['login', '--service-principal', '-u', 'x', '-p', 'secret']]) {
    const { code, err, out } = await cli.run(...words, '--url', url, '--ca-fingerprint', other);
    assert.equal(code, 1);
    assert.ok(err.includes(fingerprint) && err.includes(other), err);
    assert.equal(out, '');
  }
  assert.deepEqual(homeFiles(), []);
  assert.deepEqual(asked, Array(3).fill('GET /ca.pem no credential'));
});

test('the right fingerprint: exactly that certificate is kept, for its owner, and trusted from then on', async () => {
  // Beside it another one, which nobody was told of.
  const stranger = await createAuthority('Stranger', new Date());
  offered = `${stranger.certificatePem}${authority.certificatePem}`;
  const { code, out, err } = await cli.run('trust', '--url', url, '--ca-fingerprint', fingerprint);
  assert.equal(code, 0, err);
  assert.equal(fingerprintOf(out), fingerprint);
  const [name = ''] = homeFiles();
  const file = `${cli.home}/home/${name}`;
  assert.equal(readFileSync(file, 'utf8'), authority.certificatePem);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  // The sign-in itself goes over a verified connection: it reaches the server, which is no more than a stand-in.
  asked.length = 0;
  await cli.run('login', '--url', url, '--ca-fingerprint', fingerprint, '--service-principal', '-u', 'x', '-p', 'y');
  assert.equal(asked[0], 'GET /ca.pem no credential');
  assert.match(asked[1] ?? '', /^POST \/organizations\/oauth2/);
  offered = authority.certificatePem;
});

test('what the server hands out may be the fingerprint that was told while its own certificate is another one: not spoken to', async () => {
  const stranger = await createAuthority('Stranger', new Date());
  offered = stranger.certificatePem;
  asked.length = 0;
  const told = fingerprintOf(stranger.certificatePem);
  const { code, err } = await cli.run(
    'login',
    '--url',
    url,
    '--ca-fingerprint',
    told,
    '--service-principal',
    '-u',
    'x',
    '-p',
    'secret',
  );
  assert.equal(code, 1);
  assert.match(err, /was not issued by the authority/);
  assert.deepEqual(asked, ['GET /ca.pem no credential'], 'the secret was not sent');
  offered = authority.certificatePem;
});

test('without a fingerprint the certificate is printed for comparing, and nothing is trusted or installed', async () => {
  const kept = homeFiles();
  const { code, out, err } = await cli.run('trust', '--url', url);
  assert.equal(code, 0);
  assert.equal(fingerprintOf(out), fingerprint);
  assert.ok(err.includes(fingerprint) && err.includes('compare'), err);
  assert.deepEqual(homeFiles(), kept);
  assert.equal((await cli.run('trust', '--url', url, '--install')).code, 2);
  const installed = await cli.run('trust', '--url', url, '--install', '--ca-fingerprint', fingerprint);
  assert.match(installed.out, /NODE_EXTRA_CA_CERTS=.*\/home\/ca-localhost/);
});

test('an answer that is no authority is told as that', async () => {
  for (const [body, code, expected] of [
    ['x'.repeat(100_000), 200, /too long/],
    ['{}', 404, /hands out no authority \(404\)/],
    ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', 200, /is no certificate/],
    ['nothing', 200, /has the fingerprint none/],
  ] as const) {
    [offered, status] = [body, code];
    const ran = await cli.run('login', '--url', url, '--ca-fingerprint', fingerprint);
    assert.equal(ran.code, 1);
    assert.match(ran.err, expected);
  }
  assert.match((await cli.run('trust', '--url', 'http://localhost:1')).err, /is not https/);
  assert.match((await cli.run('trust', '--url', 'https://localhost:1')).err, /No answer from localhost:1/);
});
