// A certificate from files: what is refused by name, what is shown to whom, and that a change is taken without a restart.

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { createTestClock } from '#kernel/clock/test-clock';
import { Failure } from '#kernel/errors/failure';
import { silentLog } from '#kernel/log/log';
import { keepReloaded, type OutsideLeaf, readCertificateFiles } from './certificate-files.ts';
import { createAuthority, issueLeaf } from './certificates.ts';
import { listen } from './server.ts';

const folder = mkdtempSync(join(tmpdir(), 'certificate-files-'));
after(() => rmSync(folder, { recursive: true }));
const file = (name: string) => join(folder, name);
const files = { certificateFile: file('tls.crt'), keyFile: file('tls.key'), authorityFile: file('ca.crt') };
const named = { domain: 'ml.example.org', agentHost: 'localhost' };
const now = new Date();
const corporate = await createAuthority('Corporate', now);
const issue = (names: readonly string[], at = now) => issueLeaf(corporate, names, [], at);
const good = await issue(['ml.example.org']);

function put(
  leaf: { readonly certificatePem: string; readonly privateKeyPem: string },
  authorityPem = corporate.certificatePem,
): void {
  writeFileSync(files.certificateFile, leaf.certificatePem);
  writeFileSync(files.keyFile, leaf.privateKeyPem, { mode: 0o600 });
  writeFileSync(files.authorityFile, authorityPem);
}
const read = (names = named, at = now) => readCertificateFiles(files, names, at);
const refusal = async (act: Promise<unknown>): Promise<string> => {
  const thrown = await act.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(thrown instanceof Failure && thrown.code === 'InvalidCertificate');
  return thrown.message;
};

test('what fits is taken: issuer, end, names', async () => {
  put(good);
  const leaf = await read();
  assert.equal(leaf.issuer, 'Corporate');
  assert.equal(leaf.covers('ml.example.org'), true);
  for (const host of [
    'x.vault.ml.example.org',
    '1.2.3',
    '127.0.0.1',
    '::1',
    'a:b',
    '',
    'ml.example.org\0',
    '*',
    '*.example.org',
  ])
    assert.equal(leaf.covers(host), false, host);
  put(await issue(['ml.example.org', '*.vault.ml.example.org']));
  assert.equal((await read()).covers('x.vault.ml.example.org'), true);
  assert.equal((await read()).covers('a.b.vault.ml.example.org'), false, 'a wildcard is one label');
});

test('everything that is wrong is named at once, with the file that it is wrong in', async (t: TestContext) => {
  const cases: readonly (readonly [string, () => Promise<void> | void, RegExp, typeof named?, Date?])[] = [
    [
      'another key',
      async () => put({ ...good, privateKeyPem: (await issue(['x'])).privateKeyPem }),
      /the key in .*tls\.key is not the key of the certificate 'ml\.example\.org'/,
    ],
    ['no key', () => put({ ...good, privateKeyPem: 'nothing' }), /is not the key/],
    [
      'no certificate',
      () => put({ ...good, certificatePem: good.privateKeyPem }),
      /http\.tls\.certificateFile \(.*\) holds no certificate/,
    ],
    [
      'half a certificate',
      () => put({ ...good, certificatePem: good.certificatePem.replace(/\n[^-]{60}/, '\n') }),
      /cannot be read/,
    ],
    ['another name', async () => put(await issue(['other.example.org'])), /is not for http\.domain, ml\.example\.org/],
    ['ended', () => put(good), /ended at/, named, new Date(now.getTime() + 31 * 86_400_000)],
    ['not begun', () => put(good), /begins at/, named, new Date(now.getTime() - 86_400_000)],
    ['a leaf as an authority', () => put(good, good.certificatePem), /is no certificate of an authority/],
    [
      'a key that everybody reads',
      () => {
        put(good);
        chmodSync(files.keyFile, 0o644);
      },
      /http\.tls\.keyFile .*everybody on this machine may read it/,
    ],
    [
      'a file that is not there',
      () => {
        put(good);
        rmSync(files.certificateFile);
      },
      /http\.tls\.certificateFile .* cannot be used: ENOENT/,
    ],
  ];
  for (const [title, prepare, expected, names, at] of cases)
    await t.test(title, async () => {
      chmodSync(files.keyFile, 0o600);
      await prepare();
      assert.match(await refusal(read(names, at)), expected);
    });
  chmodSync(files.keyFile, 0o600);
  put(await issue(['other.example.org']), good.certificatePem);
  assert.equal((await refusal(read())).split('\n- ').length, 3, 'two mistakes, two lines');
});

test("where the certificate is for what this machine's agent calls, its authority must be named", async () => {
  put(await issue(['ml.example.org', 'localhost']));
  await read();
  const unnamed = { ...files, authorityFile: '' };
  assert.match(await refusal(readCertificateFiles(unnamed, named, now)), /http\.tls\.authorityFile/);
  put(good);
  assert.equal((await readCertificateFiles(unnamed, named, now)).authorityPem, undefined);
});

test('a change is taken; what is half written or wrong is not, is told once, and leaves the one before', async () => {
  put(good);
  const clock = createTestClock();
  const used: OutsideLeaf[] = [];
  const told: string[] = [];
  const stop = new AbortController();
  const looks: Promise<OutsideLeaf>[] = [];
  const running = keepReloaded({
    present: await read(),
    read() {
      const look = read();
      looks.push(look);
      return look;
    },
    use: (leaf) => void used.push(leaf),
    clock,
    log: { info: () => undefined, error: ({ reason }) => void told.push(String(reason)) },
    signal: stop.signal,
  });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  async function look(): Promise<void> {
    const before = looks.length;
    await clock.advance(10_000);
    while (looks.length === before) await turn();
    await looks.at(-1)?.catch(() => undefined);
    await turn(); // what follows from it
  }
  await look();
  assert.deepEqual(used, [], 'nothing changed');
  const next = await issue(['ml.example.org', 'also.example.org']);
  writeFileSync(files.certificateFile, next.certificatePem);
  await look();
  assert.deepEqual([used.length, told.length], [0, 0], 'the key is still the old one, and there is time to replace it');
  put(next);
  await look();
  assert.deepEqual([used.length, told.length], [1, 0]);
  assert.deepEqual(
    used.map(({ certificatePem }) => certificatePem),
    [next.certificatePem],
  );
  put(await issue(['other.example.org']));
  for (let times = 0; times < 4; times++) await look();
  assert.equal(used.length, 1);
  assert.equal(told.length, 1);
  assert.match(told[0] ?? '', /is not for http\.domain/);
  put(good);
  await look();
  assert.equal(used.length, 2);
  stop.abort();
  await running;
});

test('it is shown to whoever asks for its names, our own to everybody else, and a new one without a restart', async (t) => {
  put(good);
  const own = await createAuthority('Own', now);
  const leaf = await issueLeaf(own, ['ml.example.org', 'localhost', '*.vault.ml.example.org'], ['127.0.0.1'], now);
  const listener = await listen({
    door: { handle: async () => undefined, routes: [] },
    host: '127.0.0.1',
    port: 0,
    leaf,
    outside: await read(),
    log: silentLog,
  });
  t.after(() => listener.close());
  const issuerFor = (servername: string, host = '127.0.0.1') =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(
        {
          host,
          port: listener.port,
          ...(servername === '' ? {} : { servername }),
          ca: [own.certificatePem, corporate.certificatePem],
        },
        () => {
          resolve(String(socket.getPeerCertificate().issuer.CN));
          socket.destroy();
        },
      ).once('error', reject);
    });
  for (const host of ['127.0.0.1', '::1']) assert.equal(await issuerFor('ML.example.org', host), 'Corporate');
  assert.equal(await issuerFor('localhost'), 'Own');
  assert.equal(await issuerFor('a.vault.ml.example.org'), 'Own');
  assert.equal(await issuerFor(''), 'Own');
  put(await issue(['ml.example.org', '*.vault.ml.example.org']));
  listener.replaceOutside(await read());
  assert.equal(await issuerFor('a.vault.ml.example.org'), 'Corporate');
});
