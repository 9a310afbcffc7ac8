// The port as tests. Each reach runs them the whole way, from the work that is asked to a server in the place of the agent's
// gateway and back; what one of them cannot keep is not in the port.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ReachAnswer, ReachCall, ReachRequest } from './reach.types.ts';

export type ReachUnderTest = {
  /** Asks the work that is ready. */
  call(request: ReachRequest): ReachCall;
  readonly workId: string;
  /** What answers at the other end, from now on. */
  serve(handler: (request: IncomingMessage, response: ServerResponse) => void): void;
  /** The server holds the agent for gone. */
  endSession(): Promise<void>;
  /** The agent is gone, and the server has not heard of it. */
  vanish(): Promise<void>;
  close(): Promise<void>;
};

const mebi = 1024 * 1024;
const read = async (answer: ReachAnswer): Promise<Buffer> => {
  const parts: Buffer[] = [];
  for await (const part of answer.body) parts.push(part as Buffer);
  return Buffer.concat(parts);
};
const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
};
const never = () => new AbortController().signal;
const ask = (more: Partial<ReachRequest> = {}): ReachRequest => ({
  method: 'GET',
  path: '/score?a=1&b=%20',
  headers: { host: 'localhost' },
  signal: never(),
  ...more,
});
const posted = (body: Uint8Array | Readable, length: number, more: Partial<ReachRequest> = {}): ReachRequest =>
  ask({ method: 'POST', headers: { host: 'localhost', 'content-length': String(length) }, body, ...more });

/** Everybody who takes part is in this process, so what can move does so in a turn of its loop. */
async function untilStill(progress: () => number): Promise<void> {
  for (let before = progress(), turns = 0; turns < 1_000; turns++) {
    await nextTurn();
    if (progress() !== before) turns = 0;
    before = progress();
  }
}

/** @param open a reach with work that is ready behind it, for one test */
export function reachContract(name: string, open: () => Promise<ReachUnderTest>): void {
  const using = (act: (reached: ReachUnderTest) => Promise<void>) => async () => {
    const reached = await open();
    try {
      await act(reached);
    } finally {
      await reached.close();
    }
  };

  describe(`the reach ${name}`, () => {
    it(
      'carries method, path, headers and body there, and status, headers and body back',
      using(async ({ call, serve, workId }) => {
        serve(async (request, response) => {
          const { method, url, headers } = request;
          const body = (await bodyOf(request)).toString();
          const text = JSON.stringify({
            method,
            url,
            asked: headers['x-asked'],
            work: headers['x-strongroom-work'],
            body,
          });
          response.writeHead(418, { 'x-model': 'mine', 'content-length': Buffer.byteLength(text) }).end(text);
        });
        const answer = await call(
          posted(Buffer.from('{"x":1}'), 7, {
            headers: { host: 'localhost', 'content-length': '7', 'x-asked': 'yes' },
          }),
        ).answer;
        assert.deepEqual([answer.status, answer.headers['x-model']], [418, 'mine']);
        assert.deepEqual(JSON.parse((await read(answer)).toString()), {
          method: 'POST',
          url: '/score?a=1&b=%20',
          asked: 'yes',
          work: workId,
          body: '{"x":1}',
        });
        const plain = await call(ask()).answer;
        assert.equal(JSON.parse((await read(plain)).toString()).body, '');
      }),
    );

    it(
      'streams both ways, byte for byte, with many requests at once, each with its own answer',
      using(async ({ call, serve }) => {
        serve((request, response) => {
          response.writeHead(200, { 'x-of': String(request.headers['x-of']) });
          request.pipe(response);
        });
        const size = 3 * mebi;
        await Promise.all(
          Array.from({ length: 24 }, async (_, at) => {
            const bytes = Buffer.alloc(size, at + 1);
            const pieces = Array.from({ length: 48 }, (_, piece) =>
              bytes.subarray((piece * size) / 48, ((piece + 1) * size) / 48),
            );
            const headers = { host: 'localhost', 'content-length': String(size), 'x-of': String(at) };
            const answer = await call(posted(Readable.from(pieces), size, { headers })).answer;
            const digest = (value: Buffer) => createHash('sha256').update(value).digest('hex');
            assert.equal(answer.headers['x-of'], String(at));
            assert.equal(digest(await read(answer)), digest(bytes));
          }),
        );
      }),
    );

    it(
      'holds the other side back where nobody reads, and loses nothing of it',
      using(async ({ call, serve }) => {
        let sent = 0;
        const total = 64 * mebi;
        serve((_request, response) => {
          response.writeHead(200);
          Readable.from(
            (function* () {
              for (; sent < total; sent += mebi) yield Buffer.alloc(mebi);
            })(),
          ).pipe(response);
        });
        const answer = await call(ask()).answer;
        await once(answer.body, 'readable');
        // It stands still after a while, far from the end: what is on its way is in buffers of fixed size.
        await untilStill(() => sent);
        assert.ok(sent < total / 2, `${sent} bytes were sent to nobody`);
        assert.equal((await read(answer)).length, total);
      }),
    );

    it(
      'is broken off by its signal, before and within the answer, and the other side notices',
      using(async ({ call, serve }) => {
        for (const begins of [false, true]) {
          const there = Promise.withResolvers<ServerResponse>();
          serve((_request, response) => {
            if (begins) response.writeHead(200).write('begun');
            there.resolve(response);
          });
          const cut = new AbortController();
          const { answer } = call(ask({ signal: cut.signal }));
          answer.catch(() => undefined);
          const response = await there.promise;
          const closed = once(response, 'close');
          const body = begins ? (await answer).body : undefined;
          cut.abort();
          if (body === undefined) await assert.rejects(answer);
          else await assert.rejects(read({ status: 200, headers: {}, body }));
          await closed;
          assert.equal(response.writableFinished, false);
        }
        await assert.rejects(call(ask({ signal: AbortSignal.abort() })).answer);
      }),
    );

    it(
      'rejects with the error of the request’s own body, and the other side gets no whole request',
      using(async ({ call, serve }) => {
        const there = Promise.withResolvers<void>();
        const ended = Promise.withResolvers<'broken' | 'whole'>();
        serve((request) => {
          request.on('error', () => ended.resolve('broken')).on('end', () => ended.resolve('whole'));
          request.once('data', () => there.resolve());
        });
        const body = new Readable({ read: () => undefined });
        body.push('half');
        const { answer } = call(posted(body, 8));
        answer.catch(() => undefined);
        await there.promise;
        body.destroy(new Error('the caller went away'));
        await assert.rejects(answer, /the caller went away/);
        assert.equal(await ended.promise, 'broken');
      }),
    );

    it(
      'passes an answer that breaks half-way on as one that breaks',
      using(async ({ call, serve }) => {
        for (const length of [{}, { 'content-length': '1000' }]) {
          const there = Promise.withResolvers<ServerResponse>();
          serve((_request, response) => {
            response.writeHead(200, length).write('half');
            there.resolve(response);
          });
          const answer = await call(ask()).answer;
          (await there.promise).destroy();
          await assert.rejects(read(answer));
        }
      }),
    );

    it(
      'says when the other side has the whole request',
      using(async ({ call, serve }) => {
        const answerIt = Promise.withResolvers<void>();
        const begun = Promise.withResolvers<void>();
        serve(async (request, response) => {
          request.once('data', () => begun.resolve());
          await bodyOf(request);
          await answerIt.promise;
          response.end('done');
        });
        const body = new Readable({ read: () => undefined });
        const asked = call(posted(body, 8));
        body.push('half');
        await begun.promise;
        assert.equal(asked.isWithTheOther(), false);
        body.push('half');
        body.push(null);
        while (!asked.isWithTheOther()) await nextTurn();
        answerIt.resolve();
        assert.equal((await read(await asked.answer)).toString(), 'done');
      }),
    );

    it(
      'ends with its session, whatever is under way',
      using(async ({ call, serve, endSession }) => {
        const there = Promise.withResolvers<void>();
        serve(() => there.resolve());
        const { answer } = call(ask());
        const rejected = assert.rejects(answer, { code: 'NodeUnreachable' });
        await there.promise;
        await endSession();
        await rejected;
      }),
    );

    it(
      'says that nobody is there when the agent breaks off',
      using(async ({ call, serve, vanish }) => {
        const there = Promise.withResolvers<void>();
        serve(() => there.resolve());
        const { answer } = call(ask());
        const rejected = assert.rejects(answer);
        await there.promise;
        await vanish();
        await rejected;
      }),
    );
  });
}
