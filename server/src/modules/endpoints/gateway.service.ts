// One scoring request from the door to the model and back: choose the deployment, wait for a place, forward, translate. The
// body streams both ways. What reaches user code is a list of headers, and the caller's key is not on it; what comes back is
// a list too, so that a model cannot speak for the server. No database is read on the way. Who asked is answered in time; the
// place stays taken until the process has answered too, and one that does not is lost to the fleet, which replaces it.

import { PassThrough, type Readable } from 'node:stream';
import { type ReachAnswer, type ReachCall, reachTroubleOf, type Work } from '#compute';
import type { Clock } from '#kernel/clock/clock';
import { asFailure, Failure } from '#kernel/errors/failure';
import type { Exchange } from '#kernel/http/exchange';
import type { Answer } from '#kernel/http/route';
import { chooseDeployment, type ServedEndpoint } from './directory.service.ts';
import { endpointsFailures } from './endpoints.errors.ts';
import type { Fleet, Place, Served } from './fleet.service.ts';
import { answerBytesMax } from './plan.rules.ts';
import type { Traces } from './traces.service.ts';

export type ScoringGateway = {
  /** @param path what the scoring process serves: `/score`, `/swagger.json`, `/` */
  forward(exchange: Exchange, path: string, body: Readable | undefined): Promise<Answer>;
};

/** Besides these, headers that begin with `x-` and are not ours: scripts may ask for headers of their own. */
const towardsModel = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'content-encoding',
  'content-type',
  'traceparent',
  'tracestate',
  'user-agent',
]);
const fromModel = new Set([
  'content-type',
  'content-encoding',
  'content-language',
  'content-disposition',
  'retry-after',
]);
const notPassed =
  /^x-(?:strongroom-|forwarded-|request-id$|ms-request-id$|ms-client-request-id$|content-type-options$|frame-options$|xss-protection$)/;
/** A model's page is no page of this server. */
const answerHeaders = { 'content-security-policy': "default-src 'none'; sandbox" };
/** What proxies commonly write down for a caller that went away. */
const clientGone = 499;
const smallBytes = 64 * 1024;
/** Beyond its time a call may still end by itself for so long; then its process is held to hang. */
export const graceMs = 5_000;
/** An answer that begins is carried to its end, as long as its caller takes it at a mebibyte a second. */
const transferMs = (bytes: number) => 10_000 + (bytes / 1024 ** 2) * 1_000;
/** Codes by which the agent answers in place of a scoring process. */
const gatewayCode = 'x-strongroom-gateway';

export function createScoringGateway(deps: {
  readonly fleet: Fleet;
  readonly work: () => Work;
  readonly traces: Traces;
  readonly clock: Clock;
}): ScoringGateway {
  const { fleet, traces, clock } = deps;

  function deploymentOf(exchange: Exchange, endpoint: ServedEndpoint): Served {
    const asked = exchange.header('azureml-model-deployment');
    const name = asked ?? chooseDeployment(endpoint);
    if (name === undefined) throw endpointsFailures.no_deployment();
    const served = /^[a-zA-Z0-9-]{1,64}$/.test(name) ? fleet.find(`${endpoint.id}/deployments/${name}`) : undefined;
    if (served !== undefined) return served;
    if (asked !== undefined) throw endpointsFailures.deployment_not_found(asked);
    throw endpointsFailures.model_not_ready();
  }

  function send(
    exchange: Exchange,
    place: Place,
    request: { readonly path: string; readonly body: Readable | Uint8Array | undefined; readonly signal: AbortSignal },
  ): ReachCall {
    const call = deps.work().call(place.workId, {
      method: exchange.method,
      path: exchange.target.query.raw === '' ? request.path : `${request.path}?${exchange.target.query.raw}`,
      headers: requestHeaders(exchange, request.body),
      ...(request.body === undefined ? {} : { body: request.body }),
      signal: request.signal,
    });
    if (call === undefined) throw endpointsFailures.model_not_ready();
    return call;
  }

  return {
    async forward(exchange, path, stream) {
      const trace = traces.of(exchange);
      const { endpoint } = trace;
      if (endpoint === undefined) throw endpointsFailures.key_auth_access_denied();
      const { plan, queue, ready } = deploymentOf(exchange, endpoint);
      trace.deployment = plan.name;
      // As many again may wait: Azure bounds the two together by twice what runs.
      const running = plan.maxConcurrent * Math.max(ready, 1);
      const waited = trace.part('queue');
      const leave = await queue.enter({ running, waiting: running, waitMs: plan.queueWaitMs }, exchange.signal);
      waited();
      const answering = trace.part('model');
      // Of what runs now: it may have been replaced while the request waited.
      const place = fleet.take(plan.deploymentId);
      const cut = new AbortController();
      const late = new AbortController();
      const timer = setTimeout(() => late.abort(), plan.timeoutMs);
      const begunMs = performance.now();
      const finish = () => {
        clearTimeout(timer);
        place?.leave();
        leave();
      };
      let call: ReachCall | undefined;
      try {
        if (place === undefined) throw endpointsFailures.model_not_ready();
        const gone = AbortSignal.any([late.signal, exchange.signal]);
        // Whoever sends slowly holds a place no longer than the model may.
        const body = await unless(gone, bodyOf(exchange, stream));
        // The process that has the call may be replaced while it has it.
        call = send(exchange, place, { path, body, signal: AbortSignal.any([cut.signal, place.gone]) });
        const answer = await unless(gone, call.answer);
        clearTimeout(timer);
        answering();
        refuseAgent(answer);
        trace.modelStatus = answer.status;
        return answered(exchange, answer, { deployment: plan.name, cut, finish });
      } catch (thrown) {
        const isOver = late.signal.aborted || exchange.signal.aborted;
        if (isOver && place !== undefined && call?.isWithTheOther())
          void outlive({ place, call, finish, leftMs: plan.timeoutMs - (performance.now() - begunMs) });
        else {
          cut.abort();
          finish();
        }
        // Nobody is there to be answered, and to be told of: the record alone says what happened.
        if (exchange.signal.aborted) traces.conclude(exchange, clientGone);
        if (late.signal.aborted) throw endpointsFailures.request_timeout(plan.timeoutMs / 1000);
        const trouble = reachTroubleOf(thrown);
        if (trouble === 'busy') throw endpointsFailures.machineBusy();
        if (trouble === 'unreachable') throw endpointsFailures.platform_error(thrown);
        if (thrown instanceof Failure) throw thrown;
        throw endpointsFailures.model_unreachable(thrown);
      }
    },
  };

  /**
   * Nobody waits for the answer any more, but the process has the call. The place is free when it has answered; when its time
   * and the grace have passed without, the process is lost, which ends the call too.
   */
  async function outlive(of: {
    readonly place: Place;
    readonly call: ReachCall;
    readonly finish: () => void;
    readonly leftMs: number;
  }): Promise<void> {
    const over = new AbortController();
    const settled = of.call.answer
      .then(
        ({ body }) => void body.destroy(),
        () => undefined,
      )
      .then(() => {
        over.abort();
        of.finish();
      });
    await clock.sleep(Math.max(of.leftMs, 0) + graceMs, over.signal).then(of.place.lose, () => undefined);
    await settled;
  }

  function answered(
    exchange: Exchange,
    answer: ReachAnswer,
    to: { readonly deployment: string; readonly cut: AbortController; readonly finish: () => void },
  ): Answer {
    const trace = traces.of(exchange);
    const length = answer.headers['content-length'];
    if (length !== undefined && !(Number(length) <= answerBytesMax)) {
      answer.body.destroy();
      throw endpointsFailures.model_answer_too_large(answerBytesMax);
    }
    const isGood = answer.status >= 200 && answer.status < 300;
    const status = isGood ? answer.status : 424;
    const { response } = exchange.raw;
    let isLate = false;
    const timer = setTimeout(
      () => {
        isLate = true;
        to.cut.abort();
      },
      transferMs(Number(length ?? answerBytesMax)),
    );
    response.once('close', () => {
      clearTimeout(timer);
      // Cut off half-way: the caller did not get what the status promised, and the record says whose doing it was.
      const cut = isLate ? 408 : answer.body.errored ? 424 : clientGone;
      to.finish();
      traces.conclude(exchange, response.writableFinished ? status : cut);
    });
    const body = length === undefined ? counted(answer.body, trace) : answer.body;
    if (length !== undefined) trace.responseBytes = Number(length);
    return {
      status,
      contentType: answer.headers['content-type'] ?? 'application/json',
      headers: {
        ...responseHeaders(answer),
        ...answerHeaders,
        ...(length === undefined ? {} : { 'content-length': length }),
        'azureml-model-deployment': to.deployment,
        ...(isGood
          ? {}
          : {
              'ms-azureml-model-error-statuscode': String(answer.status),
              'ms-azureml-model-error-reason': 'model_error',
            }),
      },
      body,
    };
  }
}

/**
 * A body of unknown length is read first: the scoring process wants to know how long it is. So is a small one: it then
 * leaves in one piece with its head.
 */
async function bodyOf(exchange: Exchange, stream: Readable | undefined): Promise<Readable | Uint8Array | undefined> {
  if (stream === undefined) return undefined;
  const length = exchange.header('content-length');
  if (length !== undefined && Number(length) > smallBytes) return stream;
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer); // bounded by the route's body rule; binary streams give buffers
  return Buffer.concat(chunks);
}

function requestHeaders(exchange: Exchange, body: Readable | Uint8Array | undefined): Readonly<Record<string, string>> {
  const headers: Record<string, string> = { host: 'localhost' };
  for (const name of Object.keys(exchange.raw.request.headers)) {
    if (!towardsModel.has(name) && (!name.startsWith('x-') || notPassed.test(name))) continue;
    const value = exchange.header(name);
    if (value !== undefined) headers[name] = value;
  }
  if (body instanceof Uint8Array) headers['content-length'] = String(body.length);
  else if (body !== undefined) headers['content-length'] = exchange.header('content-length') ?? '0';
  headers['x-request-id'] = exchange.requestId;
  if (exchange.clientRequestId !== undefined && exchange.clientRequestId.length <= 100)
    headers['x-ms-client-request-id'] = exchange.clientRequestId;
  return headers;
}

function responseHeaders({ headers }: ReachAnswer): Readonly<Record<string, string>> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && (fromModel.has(name) || (name.startsWith('x-') && !notPassed.test(name))))
      kept[name] = value;
  return kept;
}

/** The promise's outcome, unless the signal is aborted first. What the promise becomes after that is nobody's concern here. */
async function unless<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** What the agent says in place of a scoring process that is not there. */
function refuseAgent(answer: ReachAnswer): void {
  const code = answer.headers[gatewayCode];
  if (code === undefined) return;
  answer.body.resume();
  if (code === 'GatewayBusy') throw endpointsFailures.machineBusy();
  // The second right after a process has ended, before the fleet has heard of it.
  if (code === 'ScoringServerUnreachable' || code === 'WorkNotHere')
    throw endpointsFailures.model_unreachable(new Error('the agent got no answer'));
  throw endpointsFailures.platform_error(new Error(`the agent answered ${code.slice(0, 64)}`));
}

/** Of an answer that does not say how long it is. */
function counted(body: Readable, trace: { responseBytes: number }): Readable {
  const through = new PassThrough();
  through.on('data', (chunk: Buffer) => {
    trace.responseBytes += chunk.length;
    if (trace.responseBytes > answerBytesMax) body.destroy(endpointsFailures.model_answer_too_large(answerBytesMax));
  });
  through.pause();
  body.on('error', (error) => through.destroy(asFailure(error)));
  // A pipe does not tell its source: the process would hold on to an answer that nobody takes.
  through.on('close', () => body.destroy());
  return body.pipe(through);
}
