// The typed client: one request, one page, one long-running operation, said once for the command line, the demo and whoever
// else speaks to Strongroom. It knows no platform: the caller brings a Transport (node:https, fetch) and tokens. It retries
// nothing that could act twice, waits as long as the server asks, and turns every refusal into a ServiceError.

export type ClientBody = string | Uint8Array | AsyncIterable<Uint8Array>;
export type TransportRequest = {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: ClientBody | undefined;
  readonly signal?: AbortSignal | undefined;
};
export type TransportAnswer = {
  readonly status: number;
  header(name: string): string | undefined;
  /** Can be read once, by this or by `text`. */
  readonly body: AsyncIterable<Uint8Array>;
  text(): Promise<string>;
};
/** Throws only when there was no answer. */
export type Transport = (request: TransportRequest) => Promise<TransportAnswer>;

/** A refusal, as the service worded it. `requestId` is what the operator finds it by in the log. */
export class ServiceError extends Error {
  readonly status: number;
  readonly code: string;
  readonly requestId: string | undefined;
  readonly details: readonly string[];
  constructor(init: {
    readonly status: number;
    readonly code: string;
    readonly message: string;
    readonly requestId?: string | undefined;
    readonly details?: readonly string[];
  }) {
    super(init.message);
    this.name = 'ServiceError';
    this.status = init.status;
    this.code = init.code;
    this.requestId = init.requestId;
    this.details = init.details ?? [];
  }
}

export type JsonObject = { readonly [name: string]: unknown };
export type Progress = (status: string) => void;
export type CallOptions = {
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON; bytes as they are. */
  readonly body?: JsonObject | readonly unknown[] | Uint8Array | AsyncIterable<Uint8Array> | undefined;
  /** Of the token. Default: the resource manager's, which is the origin. */
  readonly audience?: string;
  /** A credential of another kind, for example an endpoint's key; `null` sends none. */
  readonly bearer?: string | null;
  readonly signal?: AbortSignal | undefined;
  /** Default: the resource manager's. `null` sends none, for surfaces without versions. */
  readonly apiVersion?: string | null;
};
export type SettleOptions = CallOptions & {
  readonly onProgress?: Progress;
  /** False: answers what the service said first, and leaves the operation to itself. */
  readonly waits?: boolean;
};
export type ListOptions<T> = CallOptions & {
  readonly max?: number;
  /** Told what a page holds besides its items. */
  readonly onPage?: (page: JsonObject) => void;
  /** Asked after every page: whether what is there is enough. */
  readonly enough?: (all: readonly T[]) => boolean;
};
export type Settled = { readonly status: number; readonly value: JsonObject };

export type Client = {
  readonly origin: string;
  /** One exchange. A path begins at the origin; an absolute URL must be of the origin's host or below it. */
  send(method: string, target: string, options?: CallOptions): Promise<TransportAnswer>;
  get<T = JsonObject>(target: string, options?: CallOptions): Promise<T>;
  post<T = JsonObject>(target: string, options?: CallOptions): Promise<T>;
  /** PUT, PATCH, POST or DELETE, followed to its end where the service says that it takes longer. */
  settle(method: string, target: string, options?: SettleOptions): Promise<Settled>;
  /** Every page of a list, following nextLink. Stops after `max` items. */
  list<T = JsonObject>(target: string, options?: ListOptions<T>): Promise<readonly T[]>;
};

export const armVersion = '2024-10-01';
const pagesMax = 1000;
const pollSecondsDefault = 2;
const pollSecondsMax = 60;
/** How often in a row a server may be too busy to say how an operation goes before it is taken for gone. */
const busyAnswersMax = 10;
/** Six hours: longer than anything that the service does. */
const settleSecondsMax = 6 * 3600;
const terminal = new Set(['succeeded', 'failed', 'canceled', 'cancelled']);

export function createClient(options: {
  /** `https://localhost:8443`, without a slash at the end. */
  readonly origin: string;
  readonly transport: Transport;
  /** An access token for an audience. Absent: nobody is signed in. */
  readonly token?: (audience: string) => Promise<string>;
  readonly userAgent?: string;
  readonly sleep?: (milliseconds: number) => Promise<void>;
  /** Told of every exchange, without headers or bodies. */
  readonly onExchange?: (line: string) => void;
}): Client {
  const { transport, token, onExchange } = options;
  const origin = options.origin.replace(/\/+$/, '');
  const sleep = options.sleep ?? ((ms: number) => new Promise<void>((done) => setTimeout(done, ms)));

  function urlOf(target: string, { query = {}, apiVersion = armVersion }: CallOptions): string {
    const url = new URL(target, origin);
    const home = new URL(origin);
    // A token goes to this server and to nobody that a link names.
    if (url.protocol !== home.protocol || url.port !== home.port || !isWithin(url.hostname, home.hostname))
      throw new ServiceError({
        status: 0,
        code: 'ForeignAddress',
        message: `${url.origin} is not part of ${origin}; nothing was sent to it.`,
      });
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) url.searchParams.set(name, String(value));
    if (apiVersion !== null && !url.searchParams.has('api-version')) url.searchParams.set('api-version', apiVersion);
    return url.href;
  }

  async function send(method: string, target: string, call: CallOptions = {}): Promise<TransportAnswer> {
    const url = urlOf(target, call);
    const bearer = call.bearer === undefined ? await token?.(call.audience ?? origin) : call.bearer;
    const { body } = call;
    const isRaw =
      body instanceof Uint8Array || (typeof body === 'object' && body !== null && Symbol.asyncIterator in body);
    const answer = await transport({
      method,
      url,
      headers: {
        accept: 'application/json',
        'user-agent': options.userAgent ?? 'strongroom-client',
        ...(bearer === undefined || bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
        ...(body === undefined ? {} : { 'content-type': isRaw ? 'application/octet-stream' : 'application/json' }),
        ...call.headers,
      },
      ...(body === undefined ? {} : { body: isRaw ? (body as ClientBody) : JSON.stringify(body) }),
      ...(call.signal === undefined ? {} : { signal: call.signal }),
    });
    onExchange?.(`${method} ${url} ${answer.status} ${requestIdOf(answer) ?? ''}`.trimEnd());
    if (answer.status >= 400) throw await refusal(answer);
    return answer;
  }

  async function json<T>(answer: TransportAnswer): Promise<T> {
    const text = await answer.text();
    if (text === '') return {} as T; // an empty answer has no members; callers name only optional ones then
    try {
      return JSON.parse(text) as T; // codec: the shapes are the contract's, checked by the server that wrote them
    } catch {
      throw new ServiceError({
        status: answer.status,
        code: 'NotJson',
        message: 'The server answered something that is not JSON. Is the address right?',
        requestId: requestIdOf(answer),
      });
    }
  }

  /** Waits until the monitor says that the operation ended; answers the monitor's last answer. */
  async function follow(
    first: TransportAnswer,
    call: CallOptions,
    onProgress: Progress | undefined,
  ): Promise<{ readonly kind: 'status' | 'location'; readonly value: JsonObject } | undefined> {
    const status = first.header('operation-location') ?? first.header('azure-asyncoperation');
    const monitor = status ?? (first.status === 202 ? first.header('location') : undefined);
    if (monitor === undefined) return undefined;
    let wait = retryAfter(first);
    let busyAnswers = 0;
    for (let waited = 0; waited < settleSecondsMax; ) {
      await sleep(wait * 1000);
      waited += Math.max(wait, 0.1);
      const { audience, signal } = call;
      let answer: TransportAnswer;
      try {
        answer = await send('GET', monitor, {
          ...(audience === undefined ? {} : { audience }),
          ...(signal === undefined ? {} : { signal }),
        });
      } catch (thrown) {
        // The operation goes on, and asking again acts on nothing.
        if (!(thrown instanceof ServiceError) || !isBusy(thrown.status) || ++busyAnswers >= busyAnswersMax)
          throw thrown;
        wait = pollSecondsDefault;
        continue;
      }
      busyAnswers = 0;
      wait = retryAfter(answer);
      const value = await json<JsonObject>(answer);
      if (status === undefined) {
        if (answer.status !== 202) return { kind: 'location', value };
        onProgress?.('InProgress');
        continue;
      }
      const word = String(value['status'] ?? (answer.status === 202 ? 'InProgress' : 'Succeeded'));
      onProgress?.(word);
      if (!terminal.has(word.toLowerCase())) continue;
      if (word.toLowerCase() === 'succeeded') return { kind: 'status', value };
      const failure = asObject(value['error']);
      throw new ServiceError({
        status: statusOfFailure(String(failure['code'] ?? '')),
        code: String(failure['code'] ?? word),
        message: String(failure['message'] ?? `The operation ended as ${word}.`),
        requestId: requestIdOf(answer),
      });
    }
    throw new ServiceError({
      status: 504,
      code: 'OperationTimedOut',
      message: 'The operation did not end in time. It may still go on; look at the resource.',
    });
  }

  return {
    origin,
    send,
    get: async (target, call) => json(await send('GET', target, call)),
    post: async (target, call) => json(await send('POST', target, call)),

    async settle(method, target, { onProgress, waits = true, ...call } = {}) {
      const first = await send(method, target, call);
      const value = await json<JsonObject>(first);
      if (!waits) return { status: first.status, value };
      const followed = await follow(first, call, onProgress);
      const { body: _, ...again } = call;
      if (followed === undefined) {
        if (method !== 'PUT' && method !== 'PATCH') return { status: first.status, value };
        // No monitor: the resource itself says how it goes.
        let current = value;
        for (let waited = 0; waited < settleSecondsMax; waited += pollSecondsDefault) {
          const state = provisioningState(current);
          if (state === undefined || terminal.has(state.toLowerCase())) {
            if (state === undefined || state === 'Succeeded') return { status: first.status, value: current };
            throw new ServiceError({ status: 500, code: state, message: `The resource is ${state}.` });
          }
          onProgress?.(state);
          await sleep(pollSecondsDefault * 1000);
          current = await json<JsonObject>(await send('GET', target, again));
        }
      }
      if (method === 'PUT' || method === 'PATCH')
        return { status: first.status, value: await json<JsonObject>(await send('GET', target, again)) };
      if (method === 'POST') {
        const location = first.header('location');
        if (followed?.kind === 'location') return { status: first.status, value: followed.value };
        if (location !== undefined)
          return { status: first.status, value: await json<JsonObject>(await send('GET', location, again)) };
      }
      return { status: first.status, value: {} };
    },

    async list<T>(
      target: string,
      { max = Number.POSITIVE_INFINITY, enough = () => false, onPage, ...call }: ListOptions<T> = {},
    ) {
      const all: T[] = [];
      let next: string | undefined = target;
      for (let page = 0; next !== undefined && all.length < max; page++) {
        // A list that ends early and does not say so is taken for the whole.
        if (page === pagesMax)
          throw new ServiceError({
            status: 0,
            code: 'ListTooLong',
            message: `The list has more than ${pagesMax} pages. Ask for less of it.`,
          });
        // What was asked for is already in the link to the next page.
        const { query, ...rest } = call;
        const answer: JsonObject & { readonly value?: readonly T[]; readonly nextLink?: string | null } = await json(
          await send('GET', next, page === 0 && query !== undefined ? { ...rest, query } : rest),
        );
        all.push(...(answer.value ?? []));
        onPage?.(answer);
        next = enough(all) ? undefined : (answer.nextLink ?? undefined);
      }
      return all.slice(0, max);
    },
  };
}

const isBusy = (status: number) => status === 429 || status === 503;
const isWithin = (host: string, home: string) => host === home || host.endsWith(`.${home}`);
const asObject = (value: unknown): JsonObject =>
  typeof value === 'object' && value !== null ? (value as JsonObject) : {};
const requestIdOf = (answer: TransportAnswer) => answer.header('x-ms-request-id') ?? answer.header('x-request-id');

function provisioningState(value: JsonObject): string | undefined {
  const state = asObject(value['properties'])['provisioningState'];
  return typeof state === 'string' ? state : undefined;
}

/** Seconds: what the answer asks for, within bounds. A date counts as the default. */
function retryAfter(answer: TransportAnswer): number {
  const asked = Number(answer.header('retry-after') ?? Number.NaN);
  return Number.isFinite(asked) ? Math.min(Math.max(asked, 0), pollSecondsMax) : pollSecondsDefault;
}

/** An operation that failed has a code but no status of its own. */
function statusOfFailure(code: string): number {
  if (/NotFound$/.test(code)) return 404;
  if (/Forbidden|AuthorizationFailed/.test(code)) return 403;
  if (/Conflict|AlreadyExists/.test(code)) return 409;
  return 400;
}

/** Reads the error envelopes of Resource Manager, Key Vault, OAuth, MLflow and the registry; XML and text as they are. */
async function refusal(answer: TransportAnswer): Promise<ServiceError> {
  const text = (await answer.text()).slice(0, 65_536);
  const standard = `HTTP ${answer.status}`;
  let code = answer.header('x-ms-error-code') ?? standard;
  let message =
    text.trim() === '' ? `The server answered ${answer.status} without saying why.` : text.trim().slice(0, 1000);
  let details: readonly string[] = [];
  try {
    const body = asObject(JSON.parse(text));
    const first = Array.isArray(body['errors']) ? asObject(body['errors'][0]) : asObject(body['error']);
    const flat = typeof body['error'] === 'string' ? body['error'] : body['error_code'];
    code = String(first['code'] ?? flat ?? body['code'] ?? code);
    message = String(first['message'] ?? body['error_description'] ?? body['message'] ?? message);
    const inner = asObject(first['innererror'])['code'];
    if (typeof inner === 'string') code = `${code}/${inner}`;
    if (Array.isArray(first['details']))
      details = first['details']
        .map((detail) => String(asObject(detail)['message'] ?? ''))
        .filter((line) => line !== '');
  } catch {
    const xml = /<Code>([^<]{1,200})<\/Code>\s*<Message>([^<]{1,1000})/.exec(text);
    if (xml) [code, message] = [xml[1] ?? code, xml[2] ?? message];
  }
  return new ServiceError({ status: answer.status, code, message, requestId: requestIdOf(answer), details });
}
