import assert from 'node:assert/strict';
import { request } from 'node:https';
import { networkInterfaces } from 'node:os';
import { after, test } from 'node:test';
import { connect } from 'node:tls';
import { createAuthority, issueLeaf, namesOf, originHere } from '#kernel/http/certificates';
import { mount } from '#kernel/http/mount';
import { json, open, route, unrecorded } from '#kernel/http/route';
import { listen } from '#kernel/http/server';
import { silentLog } from '#kernel/log/log';
import { testAudit, testAuthority } from '#kernel/testing/authority';

const authority = await createAuthority('test', new Date());
const { names, addresses } = namesOf('localhost');
const leaf = await issueLeaf(authority, names, addresses, new Date());
const door = mount({
  surfaces: [
    {
      name: 't',
      ignoresCase: true,
      collapsesSlashes: true,
      recognise: (target) => target.segments,
      schemes: [],
      render: (failure) => ({ status: failure.status, body: { error: { code: failure.code } } }),
    },
  ],
  routes: [
    route({
      operation: 'Echo',
      surface: 't',
      method: 'GET',
      path: '/echo/{word}',
      summary: 'echo',
      access: open('an echo for this test'),
      audit: unrecorded('test'),
      handle: (_grant, { params, exchange }) => json(200, { word: params['word'], host: exchange.target.host }),
    }),
  ],
  ports: { authorizer: testAuthority().authorizer, audit: testAudit() },
  log: silentLog,
});
const waiting = Promise.withResolvers<void>();
let waitedFor = '';
const patient = mount({
  surfaces: [
    {
      name: 't',
      ignoresCase: true,
      collapsesSlashes: true,
      recognise: (target) => target.segments,
      schemes: [],
      render: (failure) => ({ status: failure.status, body: {} }),
    },
  ],
  routes: [
    route({
      operation: 'Wait',
      surface: 't',
      method: 'GET',
      path: '/wait',
      summary: 'waits until the client goes',
      access: open('a long poll for this test'),
      audit: unrecorded('test'),
      async handle(_grant, { exchange }) {
        waiting.resolve();
        await new Promise((resolve) => exchange.signal.addEventListener('abort', resolve));
        waitedFor = 'the end';
        return json(200, {});
      },
    }),
  ],
  ports: { authorizer: testAuthority().authorizer, audit: testAudit() },
  log: silentLog,
});
const listener = await listen({ door, host: '127.0.0.1', port: 0, leaf, log: silentLog });
after(() => listener.close());

const get = (path: string, options: { host?: string; address?: string } = {}) =>
  new Promise<{ status: number; body: string }>((resolve, reject) => {
    request(
      {
        host: options.address ?? '127.0.0.1',
        port: listener.port,
        path,
        ca: authority.certificatePem,
        servername: options.host ?? 'localhost',
        headers: { host: `${options.host ?? 'localhost'}:${listener.port}` },
      },
      (answer) => {
        let body = '';
        answer
          .on('data', (chunk) => (body += chunk))
          .on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
      },
    )
      .on('error', reject)
      .end();
  });

test('the leaf is trusted through the root for localhost and for virtual hosts', async () => {
  assert.equal((await get('/echo/a')).status, 200);
  assert.match((await get('/echo/a', { host: 'v1.vault.localhost' })).body, /v1\.vault\.localhost/);
  await assert.rejects(get('/echo/a', { host: 'other.example' }), /altnames/i);
});

test('errors of the transport come in the same envelope as any other', async () => {
  for (const path of ['/%zz', '/echo/%2e%2e', '//echo//x'])
    assert.ok([200, 400].includes((await get(path)).status), path);
  assert.equal(JSON.parse((await get('/%zz')).body).error.code, 'InvalidRequestUri');
});

/** Bytes as they are, on a connection of their own; answers everything that came back. */
const bytes = (host: string, text: string) =>
  new Promise<string>((resolve, reject) => {
    let answer = '';
    const socket = connect({ host, port: listener.port, ca: authority.certificatePem, servername: 'localhost' });
    socket
      .on('secureConnect', () => socket.write(text))
      .on('data', (chunk) => (answer += chunk))
      .on('error', reject)
      .on('close', () => resolve(answer));
  });

const hasSecond = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));
const loopback = ['127.0.0.1', ...(hasSecond ? ['::1'] : [])];

test('a request that two readers could read differently is refused, on each loopback address', async () => {
  const head = `Host: localhost:${listener.port}\r\nConnection: close\r\n`;
  const refused = {
    'two hosts': `GET /echo/a HTTP/1.1\r\n${head}Host: v.vault.localhost\r\n\r\n`,
    'two credentials': `GET /echo/a HTTP/1.1\r\n${head}Authorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n`,
    'another host in the request line': `GET https://v.vault.localhost/echo/a HTTP/1.1\r\n${head}\r\n`,
    'two lengths': `GET /echo/a HTTP/1.1\r\n${head}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`,
    'a length and chunks': `GET /echo/a HTTP/1.1\r\n${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'a folded header': `GET /echo/a HTTP/1.1\r\n${head}X-A: b\r\n c\r\n\r\n`,
    'no HTTP at all': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  };
  for (const host of loopback)
    for (const [name, text] of Object.entries(refused)) {
      const answer = await bytes(host, text);
      assert.match(answer, /^HTTP\/1\.1 400 /, `${name} at ${host}: ${answer}`);
      assert.ok(JSON.parse(answer.split('\r\n\r\n')[1] ?? '').error.code, name);
    }
  const long = await bytes(loopback.at(-1) ?? '', `GET /echo/a HTTP/1.1\r\n${head}X-A: ${'a'.repeat(40_000)}\r\n\r\n`);
  assert.match(long, /^HTTP\/1\.1 431 [\s\S]*RequestHeaderTooLarge/);
});

test('TLS 1.1 is not spoken', async () => {
  await assert.rejects(
    new Promise((resolve, reject) => {
      const socket = connect(
        {
          host: '127.0.0.1',
          port: listener.port,
          ca: authority.certificatePem,
          servername: 'localhost',
          maxVersion: 'TLSv1.1',
          minVersion: 'TLSv1',
        },
        () => resolve(socket.end()),
      );
      socket.on('error', reject);
    }),
  );
});

test('a certificate is replaced without a restart', async () => {
  const next = await issueLeaf(authority, ['localhost', 'next.example'], addresses, new Date());
  listener.replaceCertificate(next);
  assert.equal((await get('/echo/a', { host: 'next.example' })).status, 200);
});

test('a long poll does not hold up a stop: it is cut off, and its handler has ended before close resolves', async () => {
  const stopping = await listen({ door: patient, host: '127.0.0.1', port: 0, leaf, log: silentLog });
  const polling = request({
    host: '127.0.0.1',
    port: stopping.port,
    path: '/wait',
    ca: authority.certificatePem,
    servername: 'localhost',
    headers: { host: `localhost:${stopping.port}` },
  });
  const cut = new Promise((resolve) => polling.on('error', resolve));
  polling.end();
  await waiting.promise;
  await stopping.close();
  await cut;
  assert.equal(waitedFor, 'the end');
});

test('wherever it listens, a process beside it reaches it by a name or address that its certificate holds', async () => {
  for (const host of ['127.0.0.1', '127.0.0.2', '0.0.0.0']) {
    const named = namesOf('ml.example.org', host);
    const own = await issueLeaf(authority, named.names, named.addresses, new Date());
    const there = await listen({ door, host, port: 0, leaf: own, log: silentLog });
    try {
      const status = await new Promise((resolve, reject) =>
        request(`${originHere(host, there.port)}/echo/a`, { ca: authority.certificatePem, agent: false }, (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        })
          .on('error', reject)
          .end(),
      );
      assert.equal(status, 200, host);
    } finally {
      await there.close();
    }
  }
  assert.equal(originHere('fd00::2', 8443), 'https://[fd00::2]:8443');
});
