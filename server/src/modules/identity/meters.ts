// What identity counts of those who sign in: numbers, and nobody's name.

import { counter } from '#kernel/telemetry/meter';

/** What failures are counted by (attempts.service.ts). */
export const countedBy = [
  'nameHere',
  'nameAtSite',
  'name',
  'network',
  'site',
  'device',
  'ownPassword',
  'deviceCode',
  'deviceCodeAtSite',
] as const;

export const identityMeters = {
  failures: counter({
    name: 'strongroom_sign_in_failures_total',
    help: 'Passwords, device codes and client secrets that were not right',
    labels: { method: ['password', 'device_code', 'client_secret'] },
  }),
  lockOuts: counter({
    name: 'strongroom_sign_in_lockouts_total',
    help: 'Failures that locked further tries out, by what is locked: nameHere a name from one network, name a name from everywhere, network a network',
    labels: { counted_by: countedBy },
  }),
  refusals: counter({
    name: 'strongroom_sign_in_refusals_total',
    help: 'Tries to sign in that were refused without being looked at, because of a lock',
  }),
} as const;
