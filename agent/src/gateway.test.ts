// The scoring gateway of an agent, before a real HTTP server at a socket in a sandbox folder: who gets through, what is passed on.
import assert from 'node:assert/strict';
import { existsSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, request } from 'node:http';
import { createServer as createSocketServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Gateway, openGateway } from './gateway.ts';
import { createSandboxFolder, SERVICE_SOCKET } from './sandbox/sandbox.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

describe('the scoring gateway', () => {
  let gateway: Gateway;
  const folder = createSandboxFolder('strongroom-test-');
  const served: IncomingMessage[] = [];
  let listener: RequestListener = (_, response) => response.end('ok');
  const service = createServer((incoming, response) => {
    served.push(incoming);
    listener(incoming, response);
  });

  before(async () => {
    gateway = await openGateway('strongroom-test-');
    await new Promise<void>((resolve) => service.listen(join(folder, SERVICE_SOCKET), resolve));
    gateway.open('w1', folder);
  });
  after(() => {
    gateway.close();
    service.close();
    service.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  });

  function ask(
    headers: Readonly<Record<string, string>>,
    options: { readonly method?: string; readonly path?: string; readonly body?: string } = {},
  ): Promise<Answer> {
    const { method = 'POST', path = '/score?x=1', body = '' } = options;
    return new Promise((resolve, reject) => {
      const sent = request({ socketPath: gateway.socketPath, method, path, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
        response.on('error', reject);
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }
  const key = () => ({ 'x-strongroom-work': 'w1', 'x-strongroom-key': gateway.key });

  it('is a socket that only its own user can reach', () => {
    assert.equal(statSync(gateway.socketPath).mode & 0o777, 0o600);
    assert.equal(statSync(join(gateway.socketPath, '..')).mode & 0o777, 0o700);
  });

  it('passes a request on as it is, without its own two headers, and the answer back', async () => {
    listener = (incoming, response) => {
      const parts: Buffer[] = [];
      incoming.on('data', (part: Buffer) => parts.push(part));
      incoming.on('end', () => {
        const body = Buffer.concat(parts).toString();
        response.writeHead(201, {
          'content-length': body.length,
          'x-ms-run-fn-exec-ms': '4',
          connection: 'keep-alive',
        });
        response.end(body.toUpperCase());
      });
    };
    const answer = await ask(
      { ...key(), 'content-length': '5', 'x-other': 'yes', connection: 'x-hop', 'x-hop': 'no' },
      { body: 'hello' },
    );
    assert.equal(answer.status, 201);
    assert.equal(answer.body, 'HELLO');
    assert.equal(answer.headers['x-ms-run-fn-exec-ms'], '4');
    assert.equal(answer.headers['content-length'], '5');
    const seen = served.at(-1);
    assert.equal(seen?.method, 'POST');
    assert.equal(seen?.url, '/score?x=1');
    assert.equal(seen?.headers['content-length'], '5');
    assert.equal(seen?.headers['x-other'], 'yes');
    for (const name of ['x-strongroom-work', 'x-strongroom-key', 'x-hop']) assert.equal(seen?.headers[name], undefined);
  });

  it('streams in both directions', async () => {
    listener = (incoming, response) => {
      response.writeHead(200);
      incoming.pipe(response);
    };
    await new Promise<void>((resolve, reject) => {
      const sent = request(
        { socketPath: gateway.socketPath, method: 'POST', path: '/', headers: key() },
        (response) => {
          response.setEncoding('utf8').on('data', (chunk: string) => {
            // The second part is only sent when the first has come back.
            if (chunk.includes('first')) sent.end('second');
            if (chunk.includes('second')) resolve();
          });
        },
      );
      sent.on('error', reject);
      sent.write('first');
    });
  });

  it('refuses without its key, and knows only the work that is open', async () => {
    const before = served.length;
    assert.equal((await ask({})).status, 403);
    assert.equal((await ask({ ...key(), 'x-strongroom-key': `${gateway.key.slice(0, -1)}_` })).status, 403);
    assert.equal((await ask({ ...key(), 'x-strongroom-work': 'w2' })).status, 404);
    assert.equal(served.length, before);
  });

  it('answers 502 when there is no scoring server, and never follows a link to another socket', async () => {
    const other = createSandboxFolder('strongroom-test-');
    gateway.open('w3', other);
    const before = served.length;
    assert.equal((await ask({ ...key(), 'x-strongroom-work': 'w3' })).status, 502);
    symlinkSync(join(folder, SERVICE_SOCKET), join(other, SERVICE_SOCKET));
    const answer = await ask({ ...key(), 'x-strongroom-work': 'w3' });
    assert.equal(answer.status, 502);
    assert.equal(answer.headers['x-strongroom-gateway'], 'ScoringServerUnreachable');
    assert.equal(served.length, before);
    gateway.shut('w3');
    assert.equal((await ask({ ...key(), 'x-strongroom-work': 'w3' })).status, 404);
    rmSync(other, { recursive: true, force: true });
    assert.ok(existsSync(folder));
  });

  it('breaks off the answer when the scoring server dies in the middle of it', async () => {
    listener = (_, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half');
      setImmediate(() => response.socket?.destroy());
    };
    await assert.rejects(ask(key()));
  });

  it('takes whatever a scoring server says for an answer or for none, and lives', async () => {
    const other = createSandboxFolder('strongroom-test-');
    let said = '';
    const rogue = createSocketServer((socket) => {
      socket.on('error', () => undefined).on('data', () => socket.end(Buffer.from(said, 'latin1')));
    });
    await new Promise<void>((resolve) => rogue.listen(join(other, SERVICE_SOCKET), resolve));
    gateway.open('w4', other);
    const w4 = () => ({ ...key(), 'x-strongroom-work': 'w4' });
    for (const [head, status] of [
      ['HTTP/1.1 200 a\x01b\r\ncontent-length: 2', 200],
      ['HTTP/1.1 200 \xff\r\ncontent-length: 2', 200],
      ['HTTP/1.1 000 no\r\ncontent-length: 2', 502],
      ['HTTP/1.1 099 no\r\ncontent-length: 2', 502],
      ['HTTP/1.1 600 no\r\ncontent-length: 2', 502],
      ['HTTP/1.1 999 no\r\ncontent-length: 2', 502],
      ['HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade', 502],
      ['HTTP/1.1 200 OK\r\nx-bad: \x01\r\ncontent-length: 2', 502],
      ['HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked', 502],
      ['nothing of the kind', 502],
    ] as const) {
      said = `${head}\r\n\r\nok`;
      assert.equal((await ask(w4())).status, status, JSON.stringify(head));
    }
    gateway.shut('w4');
    rogue.close();
    rmSync(other, { recursive: true, force: true });
  });
});
