// The end of a job that is made of others: said in its own log, and then as every job ends.

import type { JobLives } from '#jobs';
import type { Clock } from '#kernel/clock/clock';
import type { Resource } from '#resources';
import type { Closing } from './closing.types.ts';

export async function endParent(
  { lives, clock }: { readonly lives: JobLives; readonly clock: Clock },
  job: Resource,
  closing: Closing,
): Promise<void> {
  const unregistered = closing.status === 'Completed' ? await lives.registerOutputs(job.id) : undefined;
  const { status, error }: Closing = unregistered === undefined ? closing : { status: 'Failed', error: unregistered };
  await lives.say(job.id, error === undefined ? `${job.name} is ${status}.` : error.message);
  const endTime = clock.now().toISOString();
  await lives.end(job.id, { status, endTime, ...(error === undefined ? {} : { error }) });
}
