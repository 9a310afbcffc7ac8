// A record as an event of Azure's activity log. An intent is a BeginRequest, its outcome the EndRequest; a refusal is an
// EndRequest alone. `caller` is always filled, which Azure omits outside its Administrative category.

import type { ActivityEvent, AuditRecord, EntryRecord, IntentRecord, OutcomeRecord } from '@strongroom/contract/audit';
import { auditFailures } from './audit.errors.ts';

export type Occurrence = {
  readonly leaf: Uint8Array;
  readonly record: AuditRecord;
  /** What an outcome concludes. */
  readonly begun: IntentRecord | EntryRecord | undefined;
  readonly sequence: number;
};

const same = (value: string) => ({ value, localizedValue: value });

export function activityEvent({ leaf, record, begun, sequence }: Occurrence): ActivityEvent {
  const request = record.kind === 'outcome' ? begun : record;
  const outcome = record.kind === 'intent' ? undefined : record.outcome;
  const { caller } = record;
  const place = placeOf(record.scope);
  const provider = place.provider ?? record.action.split('/')[0] ?? '';
  const eventDataId = guidOf(leaf);
  const phase = record.kind === 'intent' ? ['BeginRequest', 'Begin request'] : ['EndRequest', 'End request'];
  const status = statusOf(outcome);
  return {
    id: `${record.scope === '/' ? '' : record.scope}/events/${eventDataId}/ticks/${ticksOf(record.time)}`,
    eventDataId,
    correlationId: record.correlationId,
    operationId: record.requestId,
    tenantId: caller.tenantId,
    subscriptionId: place.subscriptionId,
    authorization: {
      action: record.action,
      ...(request?.decision === 'allowed' ? { role: request.reason } : {}),
      scope: record.scope,
    },
    // By name, which is what people look for; the object id is among the claims.
    caller: caller.name,
    claims: claimsOf(record, request),
    channels: 'Operation',
    description: '',
    eventName: { value: phase[0] ?? '', localizedValue: phase[1] ?? '' },
    category: same('Administrative'),
    httpRequest: {
      clientRequestId: request?.clientRequestId ?? record.requestId,
      clientIpAddress: request?.address ?? '',
      method: request?.method ?? '',
      uri: request?.path ?? '',
    },
    level: status === 'Failed' ? 'Error' : status === 'Unknown' ? 'Warning' : 'Informational',
    operationName: { value: record.action, localizedValue: record.operation },
    resourceGroupName: place.resourceGroup,
    resourceProviderName: same(provider),
    resourceType: same(place.type ?? ''),
    resourceId: record.scope,
    status: same(status),
    subStatus: subStatusOf(outcome),
    properties: propertiesOf(record, request, outcome, sequence),
    eventTimestamp: record.time,
    submissionTimestamp: record.time,
  };
}

type Outcome = OutcomeRecord['outcome'];

function statusOf(outcome: Outcome | undefined): string {
  if (outcome === undefined) return 'Started';
  if (outcome.result === 'unknown') return 'Unknown';
  if (outcome.result === 'failed') return 'Failed';
  return outcome.status === 202 ? 'Accepted' : 'Succeeded';
}

/** Reason phrases of RFC 9110 for what this server answers; any other status is told by its number alone. */
const phrases: Readonly<Record<number, string>> = {
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  204: 'No Content',
  206: 'Partial Content',
  302: 'Found',
  303: 'See Other',
  304: 'Not Modified',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  416: 'Range Not Satisfiable',
  424: 'Failed Dependency',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

const phraseOf = (status: number) => phrases[status] ?? String(status);
const wordOf = (status: number) => phraseOf(status).replaceAll(' ', '');

function subStatusOf(outcome: Outcome | undefined): { value: string; localizedValue: string } {
  if (outcome?.status === undefined) return same('');
  const { status } = outcome;
  return { value: wordOf(status), localizedValue: `${phraseOf(status)} (HTTP Status Code: ${status})` };
}

function claimsOf({ caller }: AuditRecord, request: IntentRecord | EntryRecord | undefined): Record<string, string> {
  const claims: Record<string, string | undefined> = {
    'http://schemas.microsoft.com/identity/claims/objectidentifier': caller.objectId,
    'http://schemas.microsoft.com/identity/claims/tenantid': caller.tenantId,
    name: caller.name,
    idtyp: caller.type === 'user' ? 'user' : 'app',
    appid: caller.applicationId,
    ipaddr: request?.address,
    'http://schemas.microsoft.com/claims/authnmethodsreferences': request?.authentication.mfa ? 'mfa' : undefined,
    uti: request?.authentication.tokenId,
  };
  return Object.fromEntries(
    Object.entries(claims).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

function propertiesOf(
  record: AuditRecord,
  request: IntentRecord | EntryRecord | undefined,
  outcome: Outcome | undefined,
  sequence: number,
): Record<string, string> {
  const parameters = request?.parameters ?? {};
  return {
    eventCategory: 'Administrative',
    entity: record.scope,
    message: record.operation,
    serviceRequestId: record.requestId,
    sequence: String(sequence),
    ...(outcome?.status === undefined ? {} : { statusCode: wordOf(outcome.status) }),
    ...(outcome?.code === undefined ? {} : { statusMessage: outcome.code }),
    ...(Object.keys(parameters).length === 0 ? {} : { parameters: JSON.stringify(parameters) }),
    ...(record.kind === 'intent' ? grantedIn(record) : {}),
    ...(record.kind === 'outcome' && outcome?.result === 'succeeded' && request ? withdrawnIn(request) : {}),
    ...(request?.bodyDigest === undefined ? {} : { requestBodySha256: request.bodyDigest }),
  };
}

/**
 * Who was to get which role, where `az role assignment list-changelogs` looks for it: the body of the request, spelled as there,
 * of which only what the record holds is told.
 */
function grantedIn({ action, method, parameters }: IntentRecord): Record<string, string> {
  const principalId = parameters['properties.principalId'];
  const roleDefinitionId = parameters['properties.roleDefinitionId'];
  const isGranting = action === 'Microsoft.Authorization/roleAssignments/write' && method === 'PUT';
  if (!isGranting || principalId === undefined || roleDefinitionId === undefined) return {};
  return { requestbody: JSON.stringify({ properties: { roleDefinitionId, principalId } }) };
}

/** Whom which role was taken from, where the same command looks for it: the body of the answer. */
function withdrawnIn({ action, method, parameters }: IntentRecord | EntryRecord): Record<string, string> {
  const principalId = parameters['properties.principalId'];
  const roleDefinitionId = parameters['properties.roleDefinitionId'];
  const scope = parameters['properties.scope'];
  const isWithdrawing = action === 'Microsoft.Authorization/roleAssignments/delete' && method === 'DELETE';
  if (!isWithdrawing || principalId === undefined || roleDefinitionId === undefined) return {};
  return { responseBody: JSON.stringify({ properties: { roleDefinitionId, principalId, scope } }) };
}

/** What a scope says about itself, without refusing any: what was asked for may not have been a well-formed id. */
function placeOf(scope: string) {
  const segments = scope.split('/').slice(1);
  const isAt = (index: number, name: string) => segments[index]?.toLowerCase() === name;
  const subscriptionId = isAt(0, 'subscriptions') ? (segments[1] ?? '') : '';
  const resourceGroup = subscriptionId !== '' && isAt(2, 'resourcegroups') ? (segments[3] ?? '') : '';
  const at = segments.findLastIndex((segment) => segment.toLowerCase() === 'providers');
  const provider = at < 0 ? undefined : segments[at + 1];
  const types = segments.slice(at + 2).filter((_, index) => index % 2 === 0);
  return { subscriptionId, resourceGroup, provider, type: provider && [provider, ...types].join('/') };
}

/** A stable id from the hash of the record: version 8 of RFC 9562. */
function guidOf(leaf: Uint8Array): string {
  const hex = Buffer.from(leaf).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** 100-nanosecond steps since the year 1. */
const ticksOf = (time: string) => (BigInt(Date.parse(time)) * 10_000n + 621_355_968_000_000_000n).toString();

const selectable: readonly (keyof ActivityEvent)[] = [
  'id',
  'eventDataId',
  'correlationId',
  'operationId',
  'tenantId',
  'subscriptionId',
  'authorization',
  'caller',
  'claims',
  'channels',
  'description',
  'eventName',
  'category',
  'httpRequest',
  'level',
  'operationName',
  'resourceGroupName',
  'resourceProviderName',
  'resourceType',
  'resourceId',
  'status',
  'subStatus',
  'properties',
  'eventTimestamp',
  'submissionTimestamp',
];

/** Reads `$select`. Throws `invalid` for a name that no event has. */
export function parseSelect(text: string | undefined): (event: ActivityEvent) => Partial<ActivityEvent> {
  if (text === undefined || text.trim() === '') return (event) => event;
  const names = text.split(',').map((name) => {
    const known = selectable.find((one) => one.toLowerCase() === name.trim().toLowerCase());
    if (known === undefined)
      throw auditFailures.InvalidQueryParameterValue('$select', `An event has no '${name.trim().slice(0, 60)}'.`);
    return known;
  });
  return (event) => Object.fromEntries(names.map((name) => [name, event[name]])) as Partial<ActivityEvent>;
}
