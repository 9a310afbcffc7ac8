// What the server fetches from outside: never from inside by a name that somebody else chose, and no further than was allowed.

import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { createOutgoing, isInside, NotAllowed } from './outgoing.ts';

async function listen(
  t: TestContext,
  answer: Parameters<typeof createServer>[1],
): Promise<{ readonly server: Server; readonly origin: string }> {
  const server = createServer(answer as never);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { server, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}
const asking = () => ({ accept: '*/*', signal: AbortSignal.timeout(10_000) });

test('addresses of this machine and its networks are inside, however they are written', () => {
  for (const address of [
    '127.0.0.1',
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
  ])
    assert.equal(isInside(address), true, address);
  for (const address of ['1.1.1.1', '151.101.0.223', '2606:4700::1111', '172.32.0.1'])
    assert.equal(isInside(address), false, address);
});

test('what was configured may be inside; nothing else may, by address or by name', async (t) => {
  const { origin } = await listen(t, (_request, response) => void response.end('hello'));
  const trusted = createOutgoing({ trusted: [origin], allowed: () => false });
  const answer = await trusted.get(new URL(`${origin}/x`), asking());
  assert.deepEqual([answer.status, await text(answer.body)], [200, 'hello']);
  const stranger = createOutgoing({ trusted: [], allowed: () => true });
  for (const url of [
    `${origin}/x`,
    'https://127.0.0.1/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://169.254.169.254/latest',
    'https://localhost/',
    'https://2130706433/',
    'file:///etc/passwd',
  ])
    await assert.rejects(stranger.get(new URL(url), asking()), /without TLS|of this machine|not supported/, url);
  await assert.rejects(stranger.get(new URL('https://a:b@example.com/'), asking()), /password/);
});

test('a redirect is followed to the same host and to those that were allowed, and not for ever', async (t) => {
  const inside = await listen(t, (_request, response) => void response.end('secret'));
  const { origin } = await listen(t, (request, response) => {
    const to =
      request.url === '/a'
        ? '/b'
        : request.url === '/loop'
          ? '/loop'
          : request.url === '/out'
            ? inside.origin
            : undefined;
    if (to === undefined) return void response.end(`at ${request.url}`);
    response.writeHead(302, { location: to }).end();
  });
  const outgoing = createOutgoing({ trusted: [origin], allowed: () => false });
  const followed = await outgoing.get(new URL(`${origin}/a`), asking());
  assert.deepEqual([await text(followed.body), followed.url.pathname], ['at /b', '/b']);
  await assert.rejects(outgoing.get(new URL(`${origin}/loop`), asking()), /too often/);
  await assert.rejects(outgoing.get(new URL(`${origin}/out`), asking()), /not followed/);
  const lenient = createOutgoing({ trusted: [origin], allowed: () => true });
  await assert.rejects(lenient.get(new URL(`${origin}/out`), asking()), /without TLS/);
});

test('what is sent along goes to the origin that was asked, and not to where that sends on', async (t) => {
  const seen: (string | undefined)[] = [];
  const far = await listen(t, (request, response) => {
    seen.push(request.headers.authorization);
    response.end('far');
  });
  const near = await listen(t, (request, response) => {
    seen.push(request.headers.authorization);
    const to = request.url === '/a' ? '/b' : far.origin;
    response.writeHead(302, { location: to }).end();
  });
  const outgoing = createOutgoing({ trusted: [near.origin, far.origin], allowed: () => true });
  const answer = await outgoing.get(new URL(`${near.origin}/a`), { ...asking(), headers: { authorization: 'x' } });
  assert.equal(await text(answer.body), 'far');
  assert.deepEqual(seen, ['x', 'x', undefined]);
});

test('what is not allowed is told apart from what has failed, so that it is not tried again', async (t) => {
  const { origin } = await listen(t, (_request, response) => response.destroy());
  const outgoing = createOutgoing({ trusted: [origin], allowed: () => false });
  await assert.rejects(outgoing.get(new URL(origin), asking()), (thrown) => !(thrown instanceof NotAllowed));
  for (const url of ['https://127.0.0.1/', 'https://localhost/', 'http://example.com/', 'https://a:b@example.com/'])
    await assert.rejects(outgoing.get(new URL(url), asking()), NotAllowed, url);
});
