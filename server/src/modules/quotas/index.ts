// The door of quotas: how much each storage account, registry and workspace may hold. Stores take `quotas` as a port and
// enforce it where they write; setting one is decided at the subscription.

import { Quota, QuotaList, quotaLimits, quotasPath, UpdateQuotas } from '@strongroom/contract/quotas';
import { quotasActions } from '@strongroom/contract/quotas.actions';
import { Type } from '@strongroom/contract/schema';
import type { Grants } from '#kernel/authority/grant';
import type { Database } from '#kernel/database/database';
import { tableOf } from '#kernel/errors/failures';
import { accessed, activity, json, needs, type Params, route, whole } from '#kernel/http/route';
import type { Module } from '#kernel/module';
import type { Telemetry } from '#kernel/telemetry/telemetry';
import type { Resources } from '#resources';
import { quotasDuties } from './duties.ts';
import { quotasMeters } from './meters.ts';
import { quotasFailures } from './quotas.errors.ts';
import { createQuotaSettings, type QuotaSettings } from './quotas.service.ts';

import { quotasSettings } from './settings.ts';

export { quotaTables } from './migrations/quotas.ts';
export { quotasSettings } from './settings.ts';

export type QuotasModule = Module & { readonly quotas: QuotaSettings };

const path = quotasPath('{subscriptionId}');
const scopeOf = ({ subscriptionId = '' }: Params) => `/subscriptions/${subscriptionId}`;
const unit = 'Bytes' as const;
/** Each that is named, with its limit; without one it is the default again. */
const recorded = Array.from({ length: quotaLimits.atOnce }, (_, at) => [`value.${at}.id`, `value.${at}.limit`]).flat();

export function createQuotas(deps: {
  readonly database: Database;
  readonly resources: Pick<Resources, 'find'>;
  readonly grants: Pick<Grants, 'duty'>;
  readonly telemetry: Telemetry;
  readonly disk: () => { readonly totalBytes: number };
  readonly percentOfDisk: number;
}): QuotasModule {
  const quotas = createQuotaSettings(deps);
  return {
    name: 'quotas',
    duties: Object.values(quotasDuties),
    failures: [tableOf(quotasFailures)],
    meters: Object.values(quotasMeters),
    settings: quotasSettings,
    quotas,
    removed: (_grant, id) => quotas.removed(id),
    start: () => quotas.load(),
    routes: [
      route({
        operation: 'Quotas_List',
        surface: 'arm',
        method: 'GET',
        path: `${path}/quotas`,
        summary: 'What a store may hold where nothing was set, and the quotas that were set',
        access: needs(quotasActions.read, scopeOf, whole),
        audit: accessed(),
        reads: [],
        responses: { 200: QuotaList },
        handle: (grant) =>
          json(200, {
            default: { limit: quotas.standard(), unit },
            value: quotas.list(grant).map(({ resourceId, limit }) => ({ id: resourceId, limit, unit })),
          }),
      }),
      route({
        operation: 'Quotas_Update',
        surface: 'arm',
        method: 'POST',
        path: `${path}/updateQuotas`,
        summary:
          'Sets quotas of storage accounts, registries and workspaces, all of those named or none; null: the default',
        access: needs(quotasActions.update, scopeOf, whole),
        goesOnWhenLow: 'it bounds what grows',
        audit: activity(...recorded),
        body: { kind: 'json', schema: UpdateQuotas, maxBytes: 262_144 },
        responses: { 200: Type.Object({ value: Type.Array(Quota) }) },
        async handle(grant, { body }) {
          const wanted = body.value.map(({ id, limit }) => ({ id, limit: limit ?? undefined }));
          return json(200, { value: (await quotas.set(grant, wanted)).map((one) => ({ ...one, unit })) });
        },
      }),
    ],
  };
}
