// The reach of agents that connect out and cannot be connected to: they ask for requests, one connection each, and begin the
// answer to each at once on another. So every request has a stream of its own in each direction, with the pressure and the end
// that a connection has, and needs no frames: a connection that breaks is a request that is broken off. What an agent says here
// is believed as little as anybody's: a call belongs to the session that it was given to, and an answer has the length it names.

import { PassThrough, type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { agentLimits, type CallAnswerHead, type CallHead, callAnswerHead } from '@strongroom/contract/agent';
import { Compile } from '@strongroom/contract/schema';
import type { Clock } from '#kernel/clock/clock';
import { randomUuid } from '#kernel/crypto/random';
import { Failure } from '#kernel/errors/failure';
import { computeFailures } from './compute.errors.ts';
import type { ComputeReach, ReachAnswer, ReachRequest, ReachSession } from './reach.types.ts';

export type TunnelReach = ComputeReach & {
  /** The next request of this session, head in base64url; undefined when there was none for as long as a poll waits. */
  take(
    session: ReachSession,
    signal: AbortSignal,
  ): Promise<{ readonly head: string; readonly body: Readable } | undefined>;
  /** Resolves when the whole answer was taken. Throws `CallOver` for a call that is not this session's or that nobody waits for. */
  answer(session: ReachSession, id: string, stream: Readable): Promise<void>;
  /** Lets every waiting agent go: the server stops. */
  release(): void;
};

type Call = {
  readonly id: string;
  readonly session: ReachSession;
  readonly workId: string;
  readonly request: ReachRequest;
  readonly answered: (answer: ReachAnswer) => void;
  /** Broken off, wherever it is. Only the first word counts, and none after its end. */
  readonly fail: (reason: unknown) => void;
  /** Its answer was read, or is wanted no more. */
  readonly end: () => void;
  /** Aborted when it is broken off. */
  readonly broken: AbortController;
  /** Aborted when its answer has begun, or nobody waits for that any more. */
  readonly over: AbortController;
  /** Its request, once an agent has taken it. */
  out: PassThrough | undefined;
  /** The agent has all of its request. */
  isWhole: boolean;
  isAnswering: boolean;
};
type Line = { readonly waiting: Call[]; readonly takers: Set<(call: Call | undefined) => void>; open: number };

const answerHead = Compile(callAnswerHead);
const newLine = 10;
/** An agent begins its answer as soon as it has the head of a request, and speaks in it later. */
const beginMs = 10_000;

export function createTunnelReach({ clock }: { readonly clock: Clock }): TunnelReach {
  const calls = new Map<string, Call>();
  const lines = new WeakMap<ReachSession, Line>();
  const stopping = new AbortController();

  function lineOf(session: ReachSession): Line {
    const line = lines.get(session) ?? { waiting: [], takers: new Set(), open: 0 };
    lines.set(session, line);
    return line;
  }

  function open(session: ReachSession, workId: string, request: ReachRequest) {
    const { promise, resolve, reject } = Promise.withResolvers<ReachAnswer>();
    const line = lineOf(session);
    const broken = new AbortController();
    const abort = () => call.fail(request.signal.reason);
    const call: Call = {
      id: randomUuid(),
      session,
      workId,
      request,
      broken,
      over: new AbortController(),
      answered: resolve,
      fail(reason) {
        if (!calls.has(call.id)) return;
        call.end();
        broken.abort(reason);
        reject(reason);
        call.out?.destroy();
      },
      end() {
        if (!calls.delete(call.id)) return;
        line.open -= 1;
        const at = line.waiting.indexOf(call);
        if (at >= 0) line.waiting.splice(at, 1);
        request.signal.removeEventListener('abort', abort);
        call.over.abort();
      },
      out: undefined,
      isWhole: false,
      isAnswering: false,
    };
    calls.set(call.id, call);
    line.open += 1;
    request.signal.addEventListener('abort', abort, { once: true });
    // Also while it waits. Its own error is what its sender is told.
    if (request.body !== undefined && !(request.body instanceof Uint8Array)) request.body.once('error', call.fail);
    return { call, line, answer: promise };
  }

  /** Waits for a call, as long as a poll may take, its connection lasts and the server runs. */
  async function next(line: Line, signal: AbortSignal): Promise<Call | undefined> {
    const { promise, resolve } = Promise.withResolvers<Call | undefined>();
    const ended = AbortSignal.any([signal, stopping.signal]);
    line.takers.add(resolve);
    const waking = new AbortController();
    void clock
      .sleep(agentLimits.pollSeconds * 1000, AbortSignal.any([ended, waking.signal]))
      .catch(() => undefined)
      .then(() => line.takers.delete(resolve) && resolve(undefined));
    const call = await promise;
    waking.abort();
    return call;
  }

  /** The request on its way to whoever took it. */
  function send(call: Call): Readable {
    const out = new PassThrough();
    const { body } = call.request;
    call.out = out;
    out.on('end', () => {
      call.isWhole = true;
    });
    out.on('close', () => {
      if (!call.isWhole && !call.isAnswering) call.fail(computeFailures.NodeUnreachable());
    });
    if (body === undefined || body instanceof Uint8Array) out.end(body);
    else {
      pipeline(body, out).catch((error: unknown) => {
        if (!call.isAnswering) call.fail(error);
      });
    }
    return out;
  }

  return {
    call({ session, workId }, request) {
      if (request.signal.aborted) return refused(request.signal.reason);
      if (lineOf(session).open >= agentLimits.calls) return refused(computeFailures.NodeBusy());
      const { call, line, answer } = open(session, workId, request);
      const [taker] = line.takers;
      if (taker === undefined) line.waiting.push(call);
      else {
        line.takers.delete(taker);
        taker(call);
      }
      return { answer, isWithTheOther: () => call.isWhole || call.out?.writableNeedDrain === true };
    },
    async take(session, signal) {
      const line = lineOf(session);
      if (stopping.signal.aborted) return undefined;
      const call = line.waiting.shift() ?? (await next(line, signal));
      // Given up between two turns.
      if (call === undefined || call.broken.signal.aborted) return undefined;
      if (signal.aborted) {
        line.waiting.unshift(call);
        return undefined;
      }
      // An agent that has died since says nothing more, and its session ends much later.
      void clock
        .sleep(beginMs, AbortSignal.any([call.over.signal, stopping.signal]))
        .then(() => call.isAnswering || call.fail(computeFailures.NodeUnreachable()))
        .catch(() => undefined);
      const { method, path, headers } = call.request;
      const head: CallHead = { call: call.id, work: call.workId, method, path, headers };
      return { head: Buffer.from(JSON.stringify(head)).toString('base64url'), body: send(call) };
    },
    async answer(session, id, stream) {
      const call = calls.get(id);
      if (call?.session !== session || call.out === undefined || call.isAnswering) throw computeFailures.CallOver();
      call.isAnswering = true;
      call.over.abort();
      const cut = () => stream.destroy();
      call.broken.signal.addEventListener('abort', cut, { once: true });
      try {
        const { status, headers } = await readHead(stream);
        const body = lengthChecked(call.request.method, status, headers['content-length']);
        call.broken.signal.addEventListener('abort', () => body.destroy(asError(call.broken.signal.reason)), {
          once: true,
        });
        // Until it is read to its end: whoever asked may break it off until then.
        body.once('close', call.end);
        call.answered({ status, headers, body });
        await pipeline(stream, body);
      } catch (thrown) {
        if (call.broken.signal.aborted) throw computeFailures.CallOver();
        const isOfAgent = thrown instanceof Failure && thrown.code === 'CallAnswerInvalid';
        call.fail(computeFailures.NodeUnreachable({ cause: thrown }));
        throw isOfAgent ? thrown : computeFailures.CallOver();
      }
    },
    release: () => stopping.abort(),
    close() {
      stopping.abort();
      for (const call of [...calls.values()]) call.fail(computeFailures.NodeUnreachable());
    },
  };
}

function refused(reason: unknown) {
  const answer = Promise.reject<ReachAnswer>(reason);
  return { answer, isWithTheOther: () => false };
}

const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error('broken off'));

/** The first line, in at most as many bytes as it may have; what follows it stays in the stream. */
async function readHead(stream: Readable): Promise<CallAnswerHead> {
  let line = Buffer.alloc(0);
  for (;;) {
    const chunk = stream.read() as Buffer | null; // no encoding is set: bytes
    if (chunk === null) {
      await readable(stream);
      continue;
    }
    const end = chunk.indexOf(newLine);
    line = Buffer.concat([line, end < 0 ? chunk : chunk.subarray(0, end)]);
    if (line.length > agentLimits.answerHeadBytes)
      throw computeFailures.CallAnswerInvalid('its first line is too long');
    if (end < 0) continue;
    if (end + 1 < chunk.length) stream.unshift(chunk.subarray(end + 1));
    return parsed(line.toString('utf8'));
  }
}

/** Rejects at the end and at the failure of the stream: both come before there is a line. */
function readable(stream: Readable): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => () => {
      for (const [event, listener] of Object.entries(listeners)) stream.off(event, listener);
      act();
    };
    const broken = settle(() => reject(new Error('the answer ended before it began')));
    const listeners = { readable: settle(resolve), end: broken, close: broken, error: broken };
    for (const [event, listener] of Object.entries(listeners)) stream.on(event, listener);
    if (stream.destroyed || stream.readableEnded) broken();
  });
}

function parsed(line: string): CallAnswerHead {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw computeFailures.CallAnswerInvalid('its first line is no JSON');
  }
  if (!answerHead.Check(value)) throw computeFailures.CallAnswerInvalid('its first line is no head of an answer');
  return value as CallAnswerHead; // checked on the line above
}

/** A length that is told goes on to whoever asked: an answer that has another would be taken for a part of the next one. */
function lengthChecked(method: string, status: number, told: string | undefined): Transform {
  const has = method !== 'HEAD' && status !== 204 && status !== 304;
  const length = told === undefined || !has ? undefined : Number(told);
  const wrong = () => computeFailures.CallAnswerInvalid('it is not as long as it says');
  let size = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      if (length !== undefined && !(size <= length)) done(wrong());
      else done(null, chunk);
    },
    flush: (done) => (length === undefined || size === length ? done() : done(wrong())),
  });
}
