// How often somebody who proves nothing is answered in the words of the operation. Whoever proves who he is is never counted,
// and never kept out by strangers who share his address: a credential is looked at first, and only its failure is counted.

import { createBuckets } from '#kernel/addresses/buckets';
import type { Clock } from '#kernel/clock/clock';
import type { Failure } from '#kernel/errors/failure';
import type { Telemetry } from '#kernel/telemetry/telemetry';
import { httpFailures } from './http.errors.ts';
import { httpMeters } from './http.meters.ts';

export type Strangers = {
  /** The refusal that this address gets: the given one, or `throttled` when it was refused too often. */
  refusal(address: string | undefined, failure: Failure): Failure;
};

/** Far beyond what clients do by themselves: many ask once without a credential, to learn what to ask for. */
const near = { burst: 2_000, perMinute: 600 };
const wide = { burst: 8_000, perMinute: 2_400 };

export function createStrangers(clock: Clock, telemetry: Telemetry): Strangers {
  const refusals = telemetry.counter(httpMeters.strangerRefusals);
  const buckets = createBuckets({ clock, near, wide });
  return {
    refusal(address, failure) {
      const answered = buckets.take(address) ? failure : httpFailures.TooManyRequests(failure);
      refusals.add({ kind: answered.kind });
      return answered;
    },
  };
}
