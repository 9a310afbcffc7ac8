// Keeps the server's certificate from ending: a new one at two thirds of its life, and after a failure another try every hour,
// so that ten days of trouble cost nothing. It looks at the time of day each hour rather than sleep for weeks: clocks jump.

import type { Clock } from '#kernel/clock/clock';
import type { Log } from '#kernel/log/log';
import { type Leaf, leafDays } from './certificates.ts';

const lookEveryMs = 3_600_000;
const renewBeforeEndMs = (leafDays * 86_400_000) / 3;

/** Runs until the signal. Never throws. */
export async function keepRenewed(options: {
  readonly leaf: Leaf;
  readonly issue: () => Promise<Leaf>;
  readonly use: (leaf: Leaf) => void;
  readonly clock: Clock;
  readonly log: Pick<Log, 'error'>;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { issue, use, clock, log, signal } = options;
  let { leaf } = options;
  const slept = () =>
    clock.sleep(lookEveryMs, signal).then(
      () => true,
      () => false,
    );
  while (await slept()) {
    if (leaf.notAfter.getTime() - clock.epochMs() > renewBeforeEndMs) continue;
    try {
      const renewed = await issue();
      use(renewed);
      leaf = renewed;
    } catch (error) {
      log.error({ error, notAfter: leaf.notAfter.toISOString() }, 'the certificate could not be renewed; trying again');
    }
  }
}
