// Shapes of the audit log. A record is what is hashed: its canonical JSON (RFC 8785) is the leaf of the tree, so nothing
// may be added to it on the way out. Sequences count from 0 and are the leaf index. Hashes are base64 on the wire.

import { type Static, Type } from './schema.ts';

const text = (maxLength: number) => Type.String({ maxLength });

const Caller = Type.Object(
  {
    objectId: text(128),
    tenantId: text(128),
    type: text(32),
    name: text(512),
    applicationId: Type.Optional(text(128)),
  },
  { additionalProperties: false },
);

const Outcome = Type.Object(
  {
    /** `unknown`: the process ended between the intent and the outcome. */
    result: Type.Union([Type.Literal('succeeded'), Type.Literal('failed'), Type.Literal('unknown')]),
    status: Type.Optional(Type.Integer({ minimum: 100, maximum: 599 })),
    code: Type.Optional(text(128)),
  },
  { additionalProperties: false },
);

/** RFC 3339, UTC, milliseconds. */
const moment = Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{3}Z$' });

/** On every record, so that each can be read by itself. */
const subject = {
  time: moment,
  operation: text(256),
  action: text(256),
  scope: text(4096),
  caller: Caller,
  correlationId: text(128),
  requestId: text(128),
};

const request = {
  ...subject,
  authentication: Type.Object(
    { method: text(64), mfa: Type.Boolean(), tokenId: Type.Optional(text(256)) },
    { additionalProperties: false },
  ),
  clientRequestId: Type.Optional(text(128)),
  method: text(16),
  /** Without the query. */
  path: text(2048),
  address: Type.Optional(text(128)),
  userAgent: Type.Optional(text(256)),
  decision: Type.Union([Type.Literal('allowed'), Type.Literal('refused')]),
  /** The role and scope that allowed it, or the code of the refusal. */
  reason: text(1024),
  parameters: Type.Record(Type.String(), Type.Union([text(512), Type.Number(), Type.Boolean()])),
  /** SHA-256 of the body, hex. */
  bodyDigest: Type.Optional(text(64)),
};

const closed = { additionalProperties: false };

/** Written before an act; an outcome follows. */
export const IntentRecord = Type.Object({ kind: Type.Literal('intent'), ...request }, closed);
/**
 * An access, or a refusal with its outcome. `repeated`: so many more by callers who did not prove who they are, from the network
 * in `address`, the same in operation and outcome, between `since` and the time of the record; the rest is that of the first one.
 */
export const EntryRecord = Type.Object(
  {
    kind: Type.Literal('entry'),
    ...request,
    outcome: Type.Optional(Outcome),
    repeated: Type.Optional(Type.Object({ count: Type.Integer({ minimum: 1 }), since: moment }, closed)),
  },
  closed,
);
/** How an intent, or an access that failed, ended. `intent` is the sequence of the record that it concludes. */
export const OutcomeRecord = Type.Object(
  {
    kind: Type.Literal('outcome'),
    ...subject,
    intent: Type.Integer({ minimum: 0 }),
    level: Type.Union([Type.Literal('activity'), Type.Literal('access')]),
    outcome: Outcome,
  },
  closed,
);
export const AuditRecord = Type.Union([IntentRecord, EntryRecord, OutcomeRecord]);

export type IntentRecord = Static<typeof IntentRecord>;
export type EntryRecord = Static<typeof EntryRecord>;
export type OutcomeRecord = Static<typeof OutcomeRecord>;
export type AuditRecord = Static<typeof AuditRecord>;

export const AuditEntry = Type.Object({
  sequence: Type.Integer({ minimum: 0 }),
  leafHash: Type.String(),
  record: AuditRecord,
});
export type AuditEntry = Static<typeof AuditEntry>;

const nextLink = Type.Optional(Type.String());
/** What is not here any more: records 0 to `past` - 1, none of them newer than `until`. */
export const AuditArchived = Type.Object({ past: Type.Integer({ minimum: 1 }), until: moment });
export type AuditArchived = Static<typeof AuditArchived>;
/** `archived`: the question reaches into the time of records that are not here any more. */
export const AuditEntryList = Type.Object({
  value: Type.Array(AuditEntry),
  nextLink,
  archived: Type.Optional(AuditArchived),
});

const instant = Type.String({ maxLength: 40 });
const skipToken = Type.Optional(text(128));

/** Query of the native listing. Newest first. */
export const AuditRecordsQuery = Type.Object({
  from: Type.Optional(instant),
  to: Type.Optional(instant),
  scope: Type.Optional(text(2048)),
  correlationId: Type.Optional(text(128)),
  /** Object id. */
  caller: Type.Optional(text(128)),
  operation: Type.Optional(text(256)),
  kind: Type.Optional(Type.Union([Type.Literal('intent'), Type.Literal('entry'), Type.Literal('outcome')])),
  $top: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,3}$' })),
  $skipToken: skipToken,
});
export type AuditRecordsQuery = Static<typeof AuditRecordsQuery>;

export const AuditCheckpoint = Type.Object({
  /** Records that it covers: sequences 0 to size - 1. */
  size: Type.Integer({ minimum: 1 }),
  time: Type.String(),
  /** C2SP signed note. */
  note: Type.String(),
});
export type AuditCheckpoint = Static<typeof AuditCheckpoint>;

export const AuditCheckpointList = Type.Object({
  /** Of the key that signs, as `name+id+key`. */
  verifier: Type.String(),
  value: Type.Array(AuditCheckpoint),
  nextLink,
});
export const AuditCheckpointsQuery = Type.Object({
  $top: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,3}$' })),
  $skipToken: skipToken,
});

const wholeNumber = Type.String({ pattern: '^(0|[1-9][0-9]{0,14})$' });

export const AuditInclusionQuery = Type.Object({ sequence: wholeNumber, size: Type.Optional(wholeNumber) });
export const AuditInclusion = Type.Object({
  sequence: Type.Integer(),
  size: Type.Integer(),
  leafHash: Type.String(),
  hashes: Type.Array(Type.String()),
  /** The checkpoint of exactly this size, where there is one. */
  checkpoint: Type.Optional(Type.String()),
});
export type AuditInclusion = Static<typeof AuditInclusion>;

export const AuditConsistencyQuery = Type.Object({ from: wholeNumber, to: Type.Optional(wholeNumber) });
export const AuditConsistency = Type.Object({
  from: Type.Integer(),
  to: Type.Integer(),
  hashes: Type.Array(Type.String()),
  checkpoint: Type.Optional(Type.String()),
});
export type AuditConsistency = Static<typeof AuditConsistency>;

/** Records `from` (included) to `to` (excluded); all that the last checkpoint covers when absent. */
export const AuditExportQuery = Type.Object({ from: Type.Optional(wholeNumber), to: Type.Optional(wholeNumber) });

const size = Type.Integer({ minimum: 1 });
const digest = Type.String({ pattern: '^[0-9a-f]{64}$' });
const sequence = Type.Integer({ minimum: 0 });

/** Records `from` (included) to `to` (excluded) that are archived and were dropped. */
const dropped = {
  from: sequence,
  to: size,
  /** SHA-256 of the segment's file, not compressed; hex. */
  sha256: digest,
  /** No record of it is newer. */
  newest: moment,
  /** The record of the act: who, when, by which rule. */
  act: sequence,
  time: moment,
  by: text(512),
  /** False while records of it are still being dropped. */
  done: Type.Boolean(),
};
export const AuditDropped = Type.Object(dropped);
export type AuditDropped = Static<typeof AuditDropped>;

/** Of what may be archived: everything before a time, or up to a record. All that is signed when neither is given. */
export const AuditSegmentsQuery = Type.Object({ before: Type.Optional(instant), until: Type.Optional(wholeNumber) });
export type AuditSegmentsQuery = Static<typeof AuditSegmentsQuery>;
export const AuditSegments = Type.Object({
  /** Of the key that signs, as `name+id+key`. */
  verifier: Type.String(),
  /** Days for which records are never dropped; 0: for ever. */
  retentionDays: sequence,
  /** What is dropped already, oldest first. */
  dropped: Type.Array(AuditDropped),
  /** What is asked about and is here, as ranges of whole segments, oldest first. */
  segments: Type.Array(Type.Object({ from: sequence, to: size })),
});
export type AuditSegments = Static<typeof AuditSegments>;

/** Checkpoints that the caller kept elsewhere: only they can show that the end of the log was cut off. */
export const AuditVerifyRequest = Type.Object(
  { checkpoints: Type.Optional(Type.Array(text(8192), { maxItems: 100 })) },
  closed,
);

export const AuditFinding = Type.Object({
  code: Type.String(),
  sequence: Type.Optional(Type.Integer()),
  message: Type.String(),
});
export const AuditVerification = Type.Object({
  /** Nothing contradicts. What could not be proved is in `unproved`. */
  verified: Type.Boolean(),
  entries: Type.Integer(),
  checkpoints: Type.Integer(),
  /** So many of the entries are those that a given checkpoint signed: one that was kept elsewhere. */
  provedElsewhere: Type.Integer(),
  /** Intents without an outcome: requests under way, or not swept yet. */
  open: Type.Integer(),
  /** The first ones; `findingCount` counts all. */
  findings: Type.Array(AuditFinding),
  findingCount: Type.Integer(),
  /** What nothing contradicts and nothing proves either. */
  unproved: Type.Array(AuditFinding),
  /** What is not here any more, by a recorded act. `looked`: a given segment held it, and was verified with the rest. */
  archived: Type.Array(Type.Object({ ...dropped, looked: Type.Boolean() })),
});
export type AuditFinding = Static<typeof AuditFinding>;
export type AuditVerification = Static<typeof AuditVerification>;

/** Azure's query of the activity log, api-version 2015-04-01. */
export const ActivityLogQuery = Type.Object({
  $filter: Type.Optional(text(4096)),
  $select: Type.Optional(text(1024)),
  $skipToken: skipToken,
});

const localizable = Type.Object({ value: Type.String(), localizedValue: Type.String() });
const strings = Type.Record(Type.String(), Type.String());

/** One event of the activity log as Azure writes it. With `$select`, any of the properties may be absent. */
export const ActivityEvent = Type.Object({
  id: Type.String(),
  eventDataId: Type.String(),
  correlationId: Type.String(),
  operationId: Type.String(),
  tenantId: Type.String(),
  subscriptionId: Type.String(),
  authorization: Type.Object({ action: Type.String(), role: Type.Optional(Type.String()), scope: Type.String() }),
  caller: Type.String(),
  claims: strings,
  channels: Type.String(),
  description: Type.String(),
  eventName: localizable,
  category: localizable,
  httpRequest: Type.Object({
    clientRequestId: Type.String(),
    clientIpAddress: Type.String(),
    method: Type.String(),
    uri: Type.String(),
  }),
  level: Type.String(),
  operationName: localizable,
  resourceGroupName: Type.String(),
  resourceProviderName: localizable,
  resourceType: localizable,
  resourceId: Type.String(),
  status: localizable,
  subStatus: localizable,
  properties: strings,
  eventTimestamp: Type.String(),
  submissionTimestamp: Type.String(),
});
export type ActivityEvent = Static<typeof ActivityEvent>;
export const ActivityEventList = Type.Object({ value: Type.Array(Type.Partial(ActivityEvent)), nextLink });
