// What may be permitted around the audit log. Reading is a control action, so `*/read` covers it at the scope where it is
// assigned: a Reader of a subscription reads that subscription's records, a Reader of `/` those of the installation.

import { control } from './action.ts';

export const auditActions = {
  readActivityLog: control('Microsoft.Insights/eventtypes/values/read'),
  readRecords: control('Strongroom.Audit/records/read'),
  readCheckpoints: control('Strongroom.Audit/checkpoints/read'),
  readProofs: control('Strongroom.Audit/proofs/read'),
  verify: control('Strongroom.Audit/verify/action'),
  readSegments: control('Strongroom.Audit/segments/read'),
  archiveSegment: control('Strongroom.Audit/segments/archive/action'),
  dropSegment: control('Strongroom.Audit/segments/drop/action'),
} as const;

/**
 * What no wildcard grants, not even `*`: taking the whole log along, what was done outside of the subscription included, and
 * dropping evidence. A role has to name them, and so has whoever gives it.
 */
export const auditNamedOnly = [auditActions.archiveSegment, auditActions.dropSegment] as const;
