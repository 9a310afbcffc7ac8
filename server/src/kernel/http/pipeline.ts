// One request, one direction. Every route of every surface passes through `serve`, in this order and no other:
//
//   route → authenticate → authorize → read and validate → intend → act → conclude → answer
//
// Order matters. Authorization is decided on the path alone, before existence is looked up and before a byte of the body
// is read, so a stranger learns nothing and costs little. The intent is durable before the act: what cannot be recorded
// is not done. Whoever is bounded is held to his bounds here, and in no service. Every exit, refusals included, leaves its
// record. Fails closed: whatever throws, nothing after it runs.

import { Readable } from 'node:stream';
import { Type } from '@strongroom/contract/schema';
import { type Actor, anonymous, isBounded } from '#kernel/authority/actor';
import type { AuditIntent, AuditTrail } from '#kernel/authority/audit';
import type { Authorizer } from '#kernel/authority/authorizer';
import type { Grant } from '#kernel/authority/grant';
import { outcomeOfFailure, recorded } from '#kernel/authority/perform';
import { sha256Hex } from '#kernel/crypto/digest';
import { asFailure, type Failure, unreachable } from '#kernel/errors/failure';
import { growing } from '#kernel/files/growth';
import type { Room } from '#kernel/files/room';
import { parseForm, readBytes, readStream } from '#kernel/http/body';
import { refuseUnreadConditions } from '#kernel/http/conditions';
import type { Exchange } from '#kernel/http/exchange';
import { type Answer, type Input, needsRoom, type Route } from '#kernel/http/route';
import type { Matched } from '#kernel/http/router';
import type { Strangers } from '#kernel/http/strangers';
import type { Surface } from '#kernel/http/surface';
import { parseJson } from '#kernel/input/json';
import { validate } from '#kernel/input/validate';
import { httpFailures } from './http.errors.ts';

export type Ports = {
  readonly authorizer: Authorizer;
  readonly audit: AuditTrail;
  /** Absent where nothing is stored on a disk. */
  readonly room?: Pick<Room, 'require'>;
};
/** With what the door itself holds. */
type Within = Ports & { readonly strangers: Strangers };

/** Who and by what right: told to the caller of `serve` as it becomes known, for the log line of the request. */
export type Observed = { actor: Actor; code: string | undefined };

export async function serve(
  exchange: Exchange,
  surface: Surface,
  matched: Matched,
  ports: Within,
  observed: Observed,
): Promise<Answer> {
  const { route, params } = matched;
  const scope = scopeOf(matched);
  const record = (actor: Actor, decision: 'allowed' | 'refused', reason: string, input: ReadInput): AuditIntent => ({
    operation: route.operation,
    action: 'action' in route.access ? route.access.action.name : '',
    scope,
    actor,
    requestId: exchange.requestId,
    correlationId: exchange.correlationId,
    clientRequestId: exchange.clientRequestId,
    method: exchange.method,
    path: exchange.target.rawPath.slice(0, 2048),
    address: exchange.address,
    userAgent: exchange.userAgent?.slice(0, 256),
    decision,
    reason,
    parameters: allowListed(route, params, exchange, input.body),
    bodyDigest: input.digest,
  });

  let actor = anonymous;
  let grant: Grant;
  let input: ReadInput = nothing;
  try {
    surface.check?.(exchange);
    actor = await authenticate(exchange, surface, route);
    observed.actor = actor;
    if (route.access.kind !== 'open') surface.admit?.(exchange);
    grant = authorize(matched, scope, actor, exchange, ports.authorizer);
    surface.refuseUnread?.(exchange, route);
    refuseUnreadConditions(exchange, route);
    const things = isBounded(actor) && route.access.kind === 'needs' && route.access.bounds.kind === 'each';
    const narrow = async () => narrowed(matched, grant, exchange, input, ports.authorizer);
    // Order matters: what the path and the query name is decided on before a byte of the body is read.
    if (things && !isParsed(route)) grant = await narrow();
    if (needsRoom(route)) ports.room?.require();
    input = await read(route, exchange);
    if (things && isParsed(route)) grant = await narrow();
  } catch (thrown) {
    const isStranger = actor.kind === 'anonymous';
    const failure = isStranger ? ports.strangers.refusal(exchange.address, asFailure(thrown)) : asFailure(thrown);
    if (route.audit.level !== 'none' || failure.kind === 'forbidden' || isUnproved(failure)) {
      const refused = record(actor, 'refused', failure.code, input);
      await ports.audit[isStranger ? 'stranger' : 'refused'](refused, outcomeOfFailure(failure));
    }
    throw failure;
  }

  let opened: Answer | undefined;
  const handle = async () => {
    opened = await route.handle(grant, { params, query: input.query, body: input.value, exchange } as Input<
      never,
      never
    >);
    return opened;
  };
  const act = needsRoom(route) ? () => growing(handle) : handle;
  const allowed = (): AuditIntent => {
    const intent = record(actor, 'allowed', grant.reason, input);
    return { ...intent, parameters: { ...intent.parameters, ...bounded(route.recordsBefore?.(params) ?? {}) } };
  };
  if (route.audit.level === 'none') return await act();
  try {
    if (route.access.kind === 'open')
      return await actOpenly({ exchange, route, proves: route.access.proves === true, ports, act, allowed });
    return await recorded(ports.audit, route.audit.level, allowed(), act, answered);
  } catch (thrown) {
    // Its end could not be recorded: the answer goes nowhere, and nobody else would let go of what is open in it.
    if (opened?.body instanceof Readable) opened.body.destroy();
    throw thrown;
  }
}

const answered = ({ status }: Answer) => ({ status, code: undefined });
const isUnproved = ({ kind }: Failure) => kind === 'unauthenticated' || kind === 'throttled';

/**
 * A recorded route that anybody may call: whoever signs in proves himself only now. While strangers have room in the log it is
 * recorded like any act. Beyond that, what is counted cannot be written before the act; it is still recorded before the answer
 * leaves, so that no token is handed out without its record.
 */
async function actOpenly(parts: {
  readonly exchange: Exchange;
  readonly route: Route;
  readonly proves: boolean;
  readonly ports: Within;
  readonly act: () => Promise<Answer>;
  readonly allowed: () => AuditIntent;
}): Promise<Answer> {
  const { exchange, route, proves, ports, act, allowed } = parts;
  const { audit, strangers } = ports;
  const listed = audit.listing(exchange.address);
  const level = route.audit.level === 'activity' ? 'activity' : 'access';
  if (listed) {
    const answer = await recorded(audit, level, allowed(), () => unlessTooMany(act), answered);
    if (proves && answer.status < 400) listed.proved();
    return answer;
  }
  let answer: Answer;
  try {
    answer = await unlessTooMany(act);
  } catch (thrown) {
    const failure = asFailure(thrown);
    await audit.stranger({ ...allowed(), decision: 'refused', reason: failure.code }, outcomeOfFailure(failure));
    throw failure;
  }
  if (proves && answer.status < 400) await (await audit.begin(level, allowed())).conclude(answered(answer));
  else await audit.stranger(allowed(), answered(answer));
  return answer;

  async function unlessTooMany(attempt: () => Promise<Answer>): Promise<Answer> {
    try {
      return await attempt();
    } catch (thrown) {
      const failure = asFailure(thrown);
      throw failure.status < 500 ? strangers.refusal(exchange.address, failure) : failure;
    }
  }
}

/** The scope that is decided on and recorded; for routes without one, the root. */
function scopeOf({ route, params }: Matched): string {
  return route.access.kind === 'needs' || route.access.kind === 'listing' ? route.access.scopeOf(params) : '/';
}

async function authenticate(exchange: Exchange, surface: Surface, route: Route): Promise<Actor> {
  if (route.access.kind === 'open') return anonymous;
  for (const scheme of surface.schemes) {
    const actor = await scheme.authenticate(exchange);
    if (actor) return actor;
  }
  throw httpFailures.AuthenticationFailed();
}

function authorize(
  { route, params }: Matched,
  scope: string,
  actor: Actor,
  exchange: Exchange,
  authorizer: Authorizer,
): Grant {
  const decision = { actor, requestId: exchange.requestId, address: exchange.address };
  const { access } = route;
  switch (access.kind) {
    case 'needs': {
      const { bounds } = access;
      if (bounds.kind === 'whole' || !isBounded(actor)) return authorizer.needs(decision, access.action, scope);
      if (bounds.kind === 'unbounded') throw httpFailures.AuthorizationFailed(bounds.reason);
      return authorizer.within(decision, access.action, bounds.kind === 'own' ? bounds.under(params) : scope);
    }
    case 'listing':
      return authorizer.listing(decision, access.action, scope);
    case 'signedIn':
      return authorizer.signedIn(decision, access.reason);
    case 'open':
      return authorizer.open(decision, access.reason);
    default:
      return unreachable(access);
  }
}

/**
 * For a caller with bounds, on a route that names what it acts on: each thing is decided by itself. The grant is for the first,
 * which is what the route is about; what there is not is refused like what lies outside.
 */
async function narrowed(
  { route, params }: Matched,
  grant: Grant,
  exchange: Exchange,
  input: ReadInput,
  authorizer: Authorizer,
): Promise<Grant> {
  const { access } = route;
  if (access.kind !== 'needs' || access.bounds.kind !== 'each') return grant;
  const { thingsOf, refusal } = access.bounds;
  const things = await thingsOf(grant, { params, body: input.value, exchange });
  const decide = (thing: string): Grant => {
    try {
      return authorizer.needs(grant, access.action, thing);
    } catch (thrown) {
      throw httpFailures.AuthorizationFailed(refusal, thrown);
    }
  };
  const [first] = things.map(decide);
  if (first === undefined) throw httpFailures.AuthorizationFailed(refusal);
  return first;
}

/** Its body is there to be looked at before the act. */
const isParsed = ({ body }: Route): boolean => body?.kind === 'json' || body?.kind === 'form';

type ReadInput = {
  readonly query: unknown;
  readonly value: unknown;
  readonly body: unknown;
  readonly digest: string | undefined;
};
/** Of a body that its handler checks: that it has members, whoever they are for. */
const anObject = Type.Object({});
const nothing: ReadInput = { query: {}, value: undefined, body: undefined, digest: undefined };

async function read(route: Route, exchange: Exchange): Promise<ReadInput> {
  const query = exchange.target.query.values;
  if (route.query) validate(route.query, query, 'query');
  const rule = route.body;
  if (!rule) return { ...nothing, query };
  const { request } = exchange.raw;
  if (rule.kind === 'stream') return { ...nothing, query, value: readStream(request, rule.maxBytes) };
  const bytes = await readBytes(request, rule.maxBytes);
  const isGuessable = 'holdsSecrets' in rule && rule.holdsSecrets;
  const digest = bytes.length > 0 && !isGuessable ? sha256Hex(bytes) : undefined;
  if (rule.kind === 'bytes') return { query, value: bytes, body: undefined, digest };
  if (rule.kind === 'json' && rule.optional && bytes.length === 0) return { ...nothing, query };
  const value = rule.kind === 'json' ? parseJson(bytes) : parseForm(bytes);
  validate(rule.kind === 'json' && rule.isCheckedLater ? anObject : rule.schema, value, 'body');
  return { query, value, body: value, digest };
}

const maxRecordedLength = 512;

const bounded = (told: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(told).map(([name, value]) => [name, value.slice(0, maxRecordedLength)]));

/**
 * Only what the route lists: parameters of the path, properties of a JSON or form body by dotted path, parameters of the
 * query. What was acted on is what is recorded: a query does not speak for a body that was parsed, unless the route reads it.
 */
function allowListed(
  route: Route,
  params: Readonly<Record<string, string>>,
  exchange: Exchange,
  body: unknown,
): Readonly<Record<string, string | number | boolean>> {
  const recorded: Record<string, string | number | boolean> = {};
  for (const name of ('record' in route.audit && route.audit.record) || []) {
    let value: unknown = params[name] ?? (readsQuery(route, name) ? exchange.target.query.get(name) : undefined);
    if (value === undefined) {
      value = body;
      for (const step of name.split('.')) {
        value =
          typeof value === 'object' && value !== null && Object.hasOwn(value, step)
            ? (value as Record<string, unknown>)[step]
            : undefined;
      }
    }
    if (typeof value === 'string') recorded[name] = value.slice(0, maxRecordedLength);
    else if (typeof value === 'number' || typeof value === 'boolean') recorded[name] = value;
  }
  return recorded;
}

function readsQuery({ query, body }: Route, name: string): boolean {
  if (body?.kind !== 'json' && body?.kind !== 'form') return true;
  return query !== undefined && 'properties' in query && Object.hasOwn(Object(query.properties), name);
}
