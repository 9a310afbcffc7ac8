// The agent as a process: what it does with its standard input, and what it never says.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { selfSigned } from './sandbox/testing.ts';

const main = fileURLToPath(new URL('main.ts', import.meta.url));

function startAgent() {
  const child = spawn(process.execPath, [main], { stdio: ['pipe', 'pipe', 'pipe'], env: { PATH: '/usr/bin:/bin' } });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  const ended = new Promise<number | null>((resolve) => void child.once('close', resolve));
  return { child, ended, said: () => said };
}

describe('the agent process', () => {
  it('ends when its first line is not an enrolment, and does not repeat it', async () => {
    for (const line of ['secret-canary\n', '{"token":"secret-canary"}\n', `${'x'.repeat(300_000)}`]) {
      const { child, ended, said } = startAgent();
      child.stdin.on('error', () => undefined);
      child.stdin.write(line);
      assert.equal(await ended, 1);
      assert.match(said(), /not an enrolment/);
      assert.ok(!said().includes('canary') && !said().includes('xxxx'));
    }
  });

  it('ends when its standard input ends, and at SIGTERM, wherever it is', async () => {
    // A server that takes connections and never answers.
    const server = createServer((socket) => socket.on('error', () => undefined));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    const enrolment = {
      agent: 'local',
      url: `https://127.0.0.1:${address.port}`,
      caPem: selfSigned().certificate,
      token: 'secret-canary',
      tokenSeconds: 3600,
      hostNames: [],
      reach: 'unix',
    };
    for (const leave of ['stdin', 'SIGTERM'] as const) {
      const connected = new Promise((resolve) => server.once('connection', resolve));
      const { child, ended, said } = startAgent();
      child.stdin.write(`${JSON.stringify(enrolment)}\n`);
      await connected;
      if (leave === 'stdin') child.stdin.end();
      else child.kill(leave);
      assert.equal(await ended, 0);
      assert.equal(said(), '');
    }
    server.close();
  });

  it('trusts no server but that of its enrolment', async () => {
    const { key, certificate } = selfSigned();
    const { createServer: createTlsServer } = await import('node:https');
    let requests = 0;
    const server = createTlsServer({ key, cert: certificate }, (_, response) => {
      requests += 1;
      response.end('{}');
    });
    const refused = new Promise((resolve) => server.once('tlsClientError', resolve));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    const { child, ended, said } = startAgent();
    const enrolment = {
      agent: 'local',
      url: `https://localhost:${address.port}`,
      caPem: selfSigned().certificate,
      token: 'secret-canary',
      tokenSeconds: 3600,
      hostNames: [],
      reach: 'unix',
    };
    child.stdin.write(`${JSON.stringify(enrolment)}\n`);
    await refused;
    // Why no work runs is told, once for each reason and without the token.
    while (!said().includes('\n')) await once(child.stderr, 'data');
    child.stdin.end();
    assert.equal(await ended, 0);
    assert.equal(requests, 0);
    assert.match(said(), /^No session with https:\/\/localhost:\d+ yet: .+\n/);
    assert.ok(!said().includes('canary'));
    server.closeAllConnections();
    server.close();
  });
});
