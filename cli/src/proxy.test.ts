// A proxy on the way: HTTPS_PROXY names it, NO_PROXY what goes without. It carries bytes of TLS and learns the host and nothing else.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createPlain, type Server as HttpServer } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, connect, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { createAuthority, issueLeaf } from '../../server/src/kernel/http/certificates.ts';
import { offeredAuthorities } from './authority.ts';
import { createTransport } from './transport.ts';

const token = 'a-token-that-no-proxy-may-see';
const host = 'strongroom.example';
let folder: string;
let caFile: string;
let otherCaFile: string;
let server: ReturnType<typeof createServer>;
let proxy: HttpServer;
/** What the proxy was asked for, and every byte that went through it. */
let asked: { readonly target: string; readonly head: string }[] = [];
let through: Buffer[] = [];
let received: (string | undefined)[] = [];
const sockets = new Set<Socket>();

const listen = async (of: Server): Promise<number> => {
  of.listen(0, '127.0.0.1');
  await once(of, 'listening');
  return (of.address() as AddressInfo).port;
};
let port: number;
let proxyUrl: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'strongroom-proxy-'));
  const authority = await createAuthority('test', new Date());
  caFile = join(folder, 'ca.pem');
  writeFileSync(caFile, authority.certificatePem);
  otherCaFile = join(folder, 'other.pem');
  writeFileSync(otherCaFile, (await createAuthority('other', new Date())).certificatePem);
  const leaf = await issueLeaf(authority, [host, 'localhost'], ['127.0.0.1'], new Date());
  server = createServer({ key: leaf.privateKeyPem, cert: leaf.certificatePem }, (request, response) => {
    received.push(request.headers.authorization);
    response.end(request.url === '/ca.pem' ? authority.certificatePem : 'answered');
  });
  port = await listen(server);
  // Every name leads to the one server: no resolver is asked.
  proxy = createPlain((request, response) => {
    asked.push({ target: `not a tunnel: ${request.url}`, head: JSON.stringify(request.rawHeaders) });
    response.writeHead(500).end();
  });
  proxy.on('connect', (request, socket: Socket, rest: Buffer) => {
    asked.push({ target: request.url ?? '', head: JSON.stringify(request.rawHeaders) });
    if (request.url?.startsWith('refused.') === true) return socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    if (request.url?.startsWith('silent.') === true) return sockets.add(socket);
    const onward = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.write(rest);
    });
    for (const [from, to] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      from.on('data', (bytes: Buffer) => through.push(bytes));
      from.on('error', () => to.destroy());
      from.pipe(to);
    }
    return socket;
  });
  proxyUrl = `http://127.0.0.1:${await listen(proxy)}`;
});
beforeEach(() => {
  asked = [];
  through = [];
  received = [];
});
after(() => {
  for (const socket of sockets) socket.destroy();
  for (const each of [server, proxy]) {
    each.closeAllConnections();
    each.close();
  }
  rmSync(folder, { recursive: true, force: true });
});

type Environment = Readonly<Record<string, string>>;
async function get(url: string, environment: Environment, options: { ca?: string; timeoutMs?: number } = {}) {
  const { ca = caFile, ...rest } = options;
  const transport = createTransport({ caFile: ca, environment, ...rest });
  try {
    const answer = await transport.send({ method: 'GET', url, headers: { authorization: `Bearer ${token}` } });
    return await answer.text();
  } finally {
    transport.close();
  }
}

test('a request goes through the proxy in TLS that ends at the server, and the proxy sees no token', async () => {
  assert.equal(await get(`https://${host}:8443/subscriptions`, { HTTPS_PROXY: proxyUrl }), 'answered');
  assert.deepEqual(
    asked.map(({ target }) => target),
    [`${host}:8443`],
  );
  assert.deepEqual(received, [`Bearer ${token}`], 'the server got it');
  const seen = Buffer.concat([...through, ...asked.map(({ head }) => Buffer.from(head))]);
  assert.ok(through.length > 0 && seen.includes(host), 'the proxy saw the connection');
  for (const secret of [token, 'Bearer', 'authorization', '/subscriptions'])
    assert.ok(!seen.toString('latin1').includes(secret), `the proxy saw '${secret}'`);
});

test('the name in small letters counts first, and an empty one is none', async () => {
  await get(`https://${host}:8443/`, { https_proxy: proxyUrl, HTTPS_PROXY: 'http://127.0.0.1:1' });
  await get(`https://${host}:8443/`, { https_proxy: '', HTTPS_PROXY: proxyUrl });
  assert.equal(asked.length, 2);
});

test('a proxy has credentials of its own, and they go to it alone', async () => {
  await get(`https://${host}:8443/`, { HTTPS_PROXY: proxyUrl.replace('//', '//ada:word@') });
  assert.ok(asked[0]?.head.includes(`Basic ${Buffer.from('ada:word').toString('base64')}`));
  assert.deepEqual(received, [`Bearer ${token}`]);
});

test('this machine is reached without a proxy, whatever the environment says', async () => {
  for (const here of ['localhost', '127.0.0.1'])
    for (const NO_PROXY of ['', 'other.example'])
      assert.equal(await get(`https://${here}:${port}/`, { HTTPS_PROXY: proxyUrl, NO_PROXY }), 'answered');
  await assert.rejects(get('https://v.vault.localhost:1/', { HTTPS_PROXY: proxyUrl }), /Nothing listens at v\.vault/);
  assert.deepEqual(asked, []);
});

test('what NO_PROXY names goes without it: a host, what lies below one, everything', async () => {
  const other = 'vault.no-such-name.invalid';
  for (const NO_PROXY of [other, '.no-such-name.invalid', `first.example, ${other}:8443`, '*'])
    for (const name of ['NO_PROXY', 'no_proxy'])
      await assert.rejects(
        get(`https://${other}:8443/`, { HTTPS_PROXY: proxyUrl, [name]: NO_PROXY }),
        /The name vault\.no-such-name\.invalid cannot be resolved/,
        NO_PROXY,
      );
  assert.deepEqual(asked, []);
  await get(`https://${host}:8443/`, { HTTPS_PROXY: proxyUrl, NO_PROXY: 'other.example,strongroom.example.org' });
  assert.equal(asked.length, 1);
});

test('trust is the same through a proxy: another authority and another name are not spoken to', async () => {
  await assert.rejects(
    get(`https://${host}:8443/`, { HTTPS_PROXY: proxyUrl }, { ca: otherCaFile }),
    /was not issued by/,
  );
  await assert.rejects(get('https://another.example:8443/', { HTTPS_PROXY: proxyUrl }), /is for other names/);
  assert.deepEqual(received, [], 'no request was sent');
});

test('a proxy that refuses, is silent, is not there or is none is told apart from the server, without its password', async () => {
  const wrong = async (url: string, proxyAddress: string): Promise<string> =>
    await get(url, { HTTPS_PROXY: proxyAddress }, { timeoutMs: 200 }).then(
      () => assert.fail('answered'),
      (error: Error) => error.message,
    );
  assert.match(
    await wrong('https://refused.example/', proxyUrl.replace('//', '//ada:word@')),
    /^The proxy 127\.0\.0\.1:\d+ does not open a way to refused\.example \(403\)\. .*NO_PROXY=refused\.example/,
  );
  assert.match(
    await wrong('https://silent.example/', proxyUrl),
    /^The proxy \S+ does not open a way to silent\.example\./,
  );
  assert.match(
    await wrong(`https://${host}/`, 'http://ada:word@127.0.0.1:1'),
    /^Nothing listens at the proxy 127\.0\.0\.1:1\./,
  );
  assert.match(
    await wrong(`https://${host}/`, 'http://no-such-name.invalid'),
    /name of the proxy no-such-name\.invalid:80/,
  );
  for (const none of ['socks5://ada:word@127.0.0.1:1080', 'https://ada:word@127.0.0.1:1', 'ada:word', '://word'])
    assert.match(
      await wrong(`https://${host}/`, none),
      /^HTTPS_PROXY is no address of a proxy\. It looks like http:\/\/[^w]*$/,
    );
});

test("the authority of a server that is not trusted yet is fetched through the proxy, and it is the server's", async () => {
  const offered = await offeredAuthorities(`https://${host}:8443`, { HTTPS_PROXY: proxyUrl });
  assert.equal(offered.length, 1);
  assert.deepEqual(
    asked.map(({ target }) => target),
    [`${host}:8443`],
  );
  assert.deepEqual(received, [undefined], 'without a credential');
  await assert.rejects(offeredAuthorities('https://refused.example', { HTTPS_PROXY: proxyUrl }), /does not open a way/);
});
