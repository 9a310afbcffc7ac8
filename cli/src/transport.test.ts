// The way to the server: only over TLS, only to the authority that was given, and a refusal is read even when it comes early.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createPlain } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createAuthority, issueLeaf } from '../../server/src/kernel/http/certificates.ts';
import { createTransport } from './transport.ts';

let folder: string;
let caFile: string;
let otherCaFile: string;
let server: ReturnType<typeof createServer>;
let port: number;
let leafOf: Awaited<ReturnType<typeof issueLeaf>>;

const listen = (of: Server) => new Promise<void>((resolve) => of.listen(0, '127.0.0.1', resolve));
const get = (url: string, ca: string | undefined, timeoutMs?: number) =>
  createTransport({ caFile: ca, ...(timeoutMs === undefined ? {} : { timeoutMs }) }).send({
    method: 'GET',
    url,
    headers: {},
  });

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'strongroom-transport-'));
  const authority = await createAuthority('test', new Date());
  caFile = join(folder, 'ca.pem');
  writeFileSync(caFile, authority.certificatePem);
  otherCaFile = join(folder, 'other.pem');
  writeFileSync(otherCaFile, (await createAuthority('other', new Date())).certificatePem);
  leafOf = await issueLeaf(authority, ['localhost', '*.vault.localhost'], [], new Date());
  server = createServer({ key: leafOf.privateKeyPem, cert: leafOf.certificatePem }, (request, response) => {
    if (request.url === '/silent') return;
    response.end(String(request.headers.host));
  });
  await listen(server);
  port = (server.address() as AddressInfo).port;
});
after(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

test('names below .localhost are this machine, without a resolver, and keep their name', async () => {
  for (const host of ['localhost', 'my-vault.vault.localhost'])
    assert.equal(await (await get(`https://${host}:${port}/`, caFile)).text(), `${host}:${port}`);
});

test('a server of another authority, of other names or without a trusted authority is not spoken to, and why is said', async () => {
  await assert.rejects(get(`https://localhost:${port}/`, otherCaFile), /was not issued by the authority in/);
  await assert.rejects(
    get(`https://localhost:${port}/`, undefined),
    /--ca-fingerprint SHA256.*or give its authority with --ca-file/,
  );
  await assert.rejects(get(`https://other.localhost:${port}/`, caFile), /is for other names/);
  assert.throws(() => createTransport({ caFile: join(folder, 'absent.pem') }), /cannot be read/);
});

test('nothing goes over a plain wire to another machine', async () => {
  await assert.rejects(get('http://strongroom.example/', undefined), /over TLS only/);
});

test('nobody there, an unknown name and silence are told apart', async () => {
  await assert.rejects(get('https://localhost:1/', caFile), /Nothing listens at localhost:1/);
  await assert.rejects(get('https://no-such-name.invalid/', caFile), /cannot be resolved/);
  await assert.rejects(get(`https://localhost:${port}/silent`, caFile, 50), /did not answer within/);
});

test('a refusal that comes before everything was sent is read', async () => {
  const early = createPlain((_request, response) => {
    response.writeHead(403, { connection: 'close' });
    response.end('refused');
  });
  await listen(early);
  const url = `http://localhost:${(early.address() as AddressInfo).port}/`;
  const much = async function* () {
    for (let sent = 0; sent < 400; sent++) yield Buffer.alloc(65_536);
  };
  for (let round = 0; round < 5; round++) {
    const answer = await createTransport({}).send({ method: 'POST', url, headers: {}, body: much() });
    assert.deepEqual([answer.status, await answer.text()], [403, 'refused']);
  }
  early.close();
});

test('what changes nothing is asked again when a connection that was kept has ended; what does is not', async () => {
  const served = new Map<unknown, number>();
  let asked = 0;
  const impatient = createServer({ key: leafOf.privateKeyPem, cert: leafOf.certificatePem }, (request, response) => {
    asked += 1;
    const before = served.get(request.socket) ?? 0;
    served.set(request.socket, before + 1);
    // The second request on a connection comes too late.
    if (before > 0) return void request.socket.destroy();
    response.end('here');
  });
  await listen(impatient);
  const url = `https://localhost:${(impatient.address() as AddressInfo).port}/`;
  const { send, close } = createTransport({ caFile });
  const ask = async (method: string) => (await send({ method, url, headers: {} })).text();
  for (let round = 0; round < 3; round++) assert.equal(await ask('GET'), 'here');
  assert.equal(asked, 5);
  await assert.rejects(ask('POST'), /closed the connection before it answered/);
  assert.equal(asked, 6);
  close();
  impatient.close();
});

test('a source that fails while it is sent fails the call', async () => {
  const sink = createPlain((request) => void request.resume());
  await listen(sink);
  const failing = async function* () {
    yield Buffer.alloc(10);
    throw new Error('the file changed');
  };
  const url = `http://localhost:${(sink.address() as AddressInfo).port}/`;
  await assert.rejects(
    createTransport({}).send({ method: 'POST', url, headers: {}, body: failing() }),
    /the file changed/,
  );
  sink.closeAllConnections();
  sink.close();
});
