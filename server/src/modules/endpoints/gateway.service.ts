// One scoring request from the door to the model and back: choose the deployment, wait for a place, forward, translate. The
// body streams both ways. What reaches user code is a list of headers, and the caller's key is not on it; what comes back is
// a list too, so that a model cannot speak for the server. No database is read on the way.

import { PassThrough, type Readable } from 'node:stream';
import { gatewayHeaders } from '@strongroom/contract/agent';
import type { Work } from '#compute';
import { asFailure, Failure } from '#kernel/errors/failure';
import type { SocketAnswer, SocketClient } from '#kernel/http/client';
import type { Exchange } from '#kernel/http/exchange';
import type { Answer } from '#kernel/http/route';
import { chooseDeployment, type ServedEndpoint } from './directory.ts';
import { errors } from './errors.ts';
import type { Fleet, Place, Served } from './fleet.ts';
import type { Traces } from './traces.ts';

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
/** Codes by which the agent answers in place of a scoring process. */
const gatewayCode = 'x-strongroom-gateway';

export function createScoringGateway(deps: {
  readonly fleet: Fleet;
  readonly work: () => Work;
  readonly client: SocketClient;
  readonly traces: Traces;
}): ScoringGateway {
  const { fleet, client, traces } = deps;

  function deploymentOf(exchange: Exchange, endpoint: ServedEndpoint): Served {
    const asked = exchange.header('azureml-model-deployment');
    const name = asked ?? chooseDeployment(endpoint);
    if (name === undefined) throw errors.noDeployment();
    const served = /^[a-zA-Z0-9-]{1,64}$/.test(name) ? fleet.find(`${endpoint.id}/deployments/${name}`) : undefined;
    if (served !== undefined) return served;
    if (asked !== undefined) throw errors.unknownDeployment(asked);
    throw errors.notReady();
  }

  async function send(
    exchange: Exchange,
    place: Place,
    request: { readonly path: string; readonly body: Readable | Uint8Array | undefined; readonly signal: AbortSignal },
  ): Promise<SocketAnswer> {
    const address = deps.work().address(place.workId);
    if (address === undefined) throw errors.notReady();
    return client.send({
      socketPath: address.socketPath,
      method: exchange.method,
      path: exchange.target.query.raw === '' ? request.path : `${request.path}?${exchange.target.query.raw}`,
      headers: {
        ...requestHeaders(exchange, request.body),
        [gatewayHeaders.work]: address.workId,
        [gatewayHeaders.key]: address.key,
      },
      ...(request.body === undefined ? {} : { body: request.body }),
      signal: request.signal,
    });
  }

  return {
    async forward(exchange, path, stream) {
      const trace = traces.of(exchange);
      const { endpoint } = trace;
      if (endpoint === undefined) throw errors.keyRefused();
      const { plan, queue, ready } = deploymentOf(exchange, endpoint);
      trace.deployment = plan.name;
      // As many again may wait: Azure bounds the two together by twice what runs.
      const running = plan.maxConcurrent * Math.max(ready, 1);
      const leave = await queue.enter({ running, waiting: running, waitMs: plan.queueWaitMs }, exchange.signal);
      // Of what runs now: it may have been replaced while the request waited.
      const place = fleet.take(plan.deploymentId);
      const late = new AbortController();
      const timer = setTimeout(() => late.abort(), plan.timeoutMs);
      const finish = () => {
        clearTimeout(timer);
        place?.leave();
        leave();
      };
      try {
        if (place === undefined) throw errors.notReady();
        const body = await bodyOf(exchange, stream);
        const signal = AbortSignal.any([late.signal, exchange.signal]);
        const answer = await send(exchange, place, { path, body, signal });
        if (exchange.signal.aborted) answer.body.destroy();
        exchange.signal.throwIfAborted();
        refuseAgent(answer);
        trace.modelStatus = answer.status;
        return answered(exchange, answer, { deployment: plan.name, isLate: () => late.signal.aborted, finish });
      } catch (thrown) {
        finish();
        // Nobody is there to be answered, and to be told of: the record alone says what happened.
        if (exchange.signal.aborted) traces.conclude(exchange, clientGone);
        if (late.signal.aborted) throw errors.timeout(plan.timeoutMs / 1000);
        if (thrown instanceof Failure) throw thrown;
        throw isSocketMissing(thrown) ? errors.platform(thrown) : errors.unreachable(thrown);
      }
    },
  };

  function answered(
    exchange: Exchange,
    answer: SocketAnswer,
    to: { readonly deployment: string; readonly isLate: () => boolean; readonly finish: () => void },
  ): Answer {
    const trace = traces.of(exchange);
    const isGood = answer.status >= 200 && answer.status < 300;
    const status = isGood ? answer.status : 424;
    const { response } = exchange.raw;
    response.once('close', () => {
      // Cut off half-way: the caller did not get what the status promised, and the record says whose doing it was.
      const cut = to.isLate() ? 408 : answer.body.errored ? 424 : clientGone;
      to.finish();
      traces.conclude(exchange, response.writableFinished ? status : cut);
    });
    const length = answer.headers['content-length'];
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

function responseHeaders({ headers }: SocketAnswer): Readonly<Record<string, string>> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && (fromModel.has(name) || (name.startsWith('x-') && !notPassed.test(name))))
      kept[name] = value;
  return kept;
}

/** What the agent says in place of a scoring process that is not there. */
function refuseAgent(answer: SocketAnswer): void {
  const code = answer.headers[gatewayCode];
  if (code === undefined) return;
  answer.body.resume();
  if (code === 'GatewayBusy') throw errors.tooManyPending('Too many requests are running on this machine. Try again.');
  if (code === 'ScoringServerUnreachable') throw errors.unreachable(new Error('the agent got no answer'));
  throw errors.platform(new Error(`the agent answered ${code.slice(0, 64)}`));
}

/** The agent itself is not there: its socket is gone or nobody listens. */
const isSocketMissing = (thrown: unknown): boolean =>
  thrown instanceof Error && 'code' in thrown && (thrown.code === 'ENOENT' || thrown.code === 'ECONNREFUSED');

function counted(body: Readable, trace: { responseBytes: number }): Readable {
  const through = new PassThrough();
  through.on('data', (chunk: Buffer) => {
    trace.responseBytes += chunk.length;
  });
  through.pause();
  body.on('error', (error) => through.destroy(asFailure(error)));
  return body.pipe(through);
}
