// How often a device may ask whether its code was confirmed (RFC 8628 §3.5). A device that asks too fast is told to slow down,
// and has to wait five seconds longer between two questions from then on. In memory: a restart forgives.

import type { Clock } from '#kernel/clock/clock';
import { sha256Hex } from '#kernel/crypto/digest';
import { Failure } from '#kernel/errors/failure';
import { oauthFailures } from './oauth.errors.ts';

export type Polls = {
  /** What devices are told to wait between two questions. */
  readonly seconds: number;
  /** Asks; an answer that is still pending becomes `slow_down` when the question came too early. */
  ask<T>(deviceCode: string, question: () => Promise<T>): Promise<T>;
};

const seconds = 5;
const slowerBySeconds = 5;
/** A little earlier than said is the network's doing, not the device's. */
const graceMs = 1000;
const codesMax = 10_000;

type Poll = { readonly atMs: number; readonly intervalMs: number };

export function createPolls({ clock }: { readonly clock: Clock }): Polls {
  // In order of the last question. Only codes that were given out are kept, and those have a rate of their own.
  const polls = new Map<string, Poll>();
  return {
    seconds,
    async ask(deviceCode, question) {
      const key = sha256Hex(deviceCode);
      const last = polls.get(key);
      polls.delete(key);
      const now = clock.epochMs();
      const intervalMs = last?.intervalMs ?? seconds * 1000;
      const isEarly = last !== undefined && now >= last.atMs && now - last.atMs < intervalMs - graceMs;
      try {
        return await question();
      } catch (thrown) {
        if (!(thrown instanceof Failure) || thrown.code !== 'authorization_pending') throw thrown;
        polls.set(key, { atMs: now, intervalMs: intervalMs + (isEarly ? slowerBySeconds * 1000 : 0) });
        const [oldest] = polls.keys();
        if (polls.size > codesMax && oldest !== undefined) polls.delete(oldest);
        if (!isEarly) throw thrown;
        throw oauthFailures.slow_down(
          `This device asks too often. Wait ${slowerBySeconds} seconds longer between two questions from now on.`,
          thrown,
        );
      }
    },
  };
}
