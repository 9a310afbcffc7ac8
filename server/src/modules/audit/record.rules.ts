// Records: what the kernel hands over, put into the shape that is hashed. Bounds every string, so that no client decides
// how large a leaf is. Must not take anything that the kernel did not allow-list: there is no body and no query here.

import type { AuditRecord, EntryRecord, IntentRecord, OutcomeRecord } from '@strongroom/contract/audit';
import type { AuditIntent, AuditOutcome } from '#kernel/authority/audit';
import { leafHash } from '#kernel/crypto/merkle';
import { idKey } from '#kernel/ids/ids';
import { canonicalJson } from './canonical.rules.ts';

export type Level = 'activity' | 'access';

/** A record ready to be appended: its bytes, its hash, and copies for queries. */
export type Encoded = { readonly text: string; readonly leaf: Uint8Array; readonly columns: Columns };
export type Columns = {
  readonly kind: AuditRecord['kind'];
  readonly time_ms: number;
  /** 1 where the activity log shows it. */
  readonly activity: 0 | 1;
  readonly scope: string;
  readonly correlation: string;
  readonly actor: string;
  readonly intent: number | null;
};

const parametersMax = 64;

/** At most `length` UTF-16 units, never half a character, and well-formed whatever came in. */
const cut = (text: string, length: number) => (text.length > length ? text.slice(0, length) : text).toWellFormed();

/** Without what is undefined: an absent value is absent from the leaf. */
function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const kept = Object.entries(fields).filter(([, value]) => value !== undefined);
  // Entries of T without the undefined ones are what the return type says.
  return Object.fromEntries(kept) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

function requestOf(intent: AuditIntent, time: Date) {
  const { actor } = intent;
  const { authentication } = actor;
  const parameters = Object.entries(intent.parameters)
    .filter(([, value]) => typeof value !== 'number' || Number.isFinite(value))
    .slice(0, parametersMax)
    .map(([name, value]) => [cut(name, 128), typeof value === 'string' ? cut(value, 512) : value] as const);
  return {
    time: time.toISOString(),
    operation: cut(intent.operation, 256),
    action: cut(intent.action, 256),
    scope: cut(intent.scope, 4096),
    caller: {
      objectId: cut(actor.objectId, 128),
      tenantId: cut(actor.tenantId, 128),
      type: cut(actor.kind, 32),
      name: cut(actor.name, 512),
      ...defined({ applicationId: bounded(actor.applicationId, 128) }),
    },
    authentication: {
      method: cut(authentication.method, 64),
      mfa: authentication.mfa,
      ...defined({ tokenId: bounded(authentication.tokenId, 256) }),
    },
    correlationId: cut(intent.correlationId, 128),
    requestId: cut(intent.requestId, 128),
    method: cut(intent.method, 16),
    path: cut(intent.path, 2048),
    decision: intent.decision,
    reason: cut(intent.reason, 1024),
    parameters: Object.fromEntries(parameters),
    ...defined({
      clientRequestId: bounded(intent.clientRequestId, 128),
      address: bounded(intent.address, 128),
      userAgent: bounded(intent.userAgent, 256),
      bodyDigest: bounded(intent.bodyDigest, 64),
    }),
  };
}

const bounded = (text: string | undefined, length: number) => (text === undefined ? undefined : cut(text, length));

function outcomeOf(outcome: AuditOutcome): OutcomeRecord['outcome'] {
  const status = Math.min(599, Math.max(100, Math.trunc(outcome.status) || 500));
  return {
    result: status >= 400 ? 'failed' : 'succeeded',
    status,
    ...defined({ code: bounded(outcome.code, 128) }),
  };
}

/** The record before an act: an intent that an outcome must follow, or the one entry of an access. */
export function begunRecord(level: Level, intent: AuditIntent, time: Date): IntentRecord | EntryRecord {
  return { kind: level === 'activity' ? 'intent' : 'entry', ...requestOf(intent, time) };
}

/** Intent and outcome of a refusal in one. */
export function refusedRecord(intent: AuditIntent, outcome: AuditOutcome, time: Date): EntryRecord {
  return { kind: 'entry', ...requestOf(intent, time), outcome: outcomeOf(outcome) };
}

/** Counted: what strangers did `times` since `since`, told by the first of them. */
export function repeatedRecord(
  counted: {
    readonly intent: AuditIntent;
    readonly outcome: AuditOutcome;
    readonly times: number;
    readonly since: Date;
  },
  time: Date,
): EntryRecord {
  const { intent, outcome, times, since } = counted;
  return { ...refusedRecord(intent, outcome, time), repeated: { count: times, since: since.toISOString() } };
}

/** How the record at `sequence` ended; undefined when nobody can say any more. */
export function concludedRecord(
  begun: { readonly sequence: number; readonly record: IntentRecord | EntryRecord },
  outcome: AuditOutcome | undefined,
  time: Date,
): OutcomeRecord {
  const { operation, action, scope, caller, correlationId, requestId, kind } = begun.record;
  return {
    kind: 'outcome',
    time: time.toISOString(),
    operation,
    action,
    scope,
    caller,
    correlationId,
    requestId,
    intent: begun.sequence,
    level: kind === 'intent' ? 'activity' : 'access',
    outcome: outcome === undefined ? { result: 'unknown' } : outcomeOf(outcome),
  };
}

export function encodeRecord(record: AuditRecord): Encoded {
  const text = canonicalJson(record);
  return { text, leaf: leafHash(text), columns: columnsOf(record) };
}

/** Reads a leaf that this module wrote, or that verification has checked against the schema. */
export function decodeRecord(text: string): AuditRecord {
  return JSON.parse(text) as AuditRecord;
}

/** The copies for queries, from the record alone, so that verification can recompute them. */
export function columnsOf(record: AuditRecord): Columns {
  return {
    kind: record.kind,
    time_ms: Date.parse(record.time),
    activity: isActivity(record) ? 1 : 0,
    scope: idKey(record.scope),
    correlation: record.correlationId.toLowerCase(),
    actor: record.caller.objectId.toLowerCase(),
    intent: record.kind === 'outcome' ? record.intent : null,
  };
}

/**
 * Whether the activity log shows it: every operation of level `activity`, its outcome, and refused changes through the
 * resource manager. A refusal does not say its route's level, so its path does.
 */
function isActivity(record: AuditRecord): boolean {
  if (record.kind === 'intent') return true;
  if (record.kind === 'outcome') return record.level === 'activity';
  const changes = record.method !== 'GET' && record.method !== 'HEAD' && record.method !== 'OPTIONS';
  return record.decision === 'refused' && changes && /^\/+(subscriptions|providers)(\/|$)/i.test(record.path);
}
