// How a command becomes several processes of its one node. What would take more than a node has is refused by name: a script that
// expects others would otherwise train on a part of its data, and count as done. Pure.

import type { CommandJob } from '@strongroom/contract/jobs';
import { jobsFailures } from './jobs.errors.ts';

/** As the runner takes it (runner/spread.py). */
export type Spread =
  | { readonly kind: 'PyTorch'; readonly processes: number }
  | { readonly kind: 'TensorFlow'; readonly workers: number; readonly servers: number };

/** Each starts an interpreter and what that imports: more would only share the node's processors. */
const processesMax = 64;
const refuse = (property: string, message: string) => jobsFailures.ValidationError(`distribution.${property}`, message);

function countIn(property: string, value: number | null | undefined, standard: number, least = 1): number {
  const count = value ?? standard;
  if (count >= least && count <= processesMax) return count;
  throw refuse(property, `distribution.${property} is a number from ${least} to ${processesMax}.`);
}

/**
 * Undefined: it is one process that needs to know of no other.
 * @throws Failure `invalid`
 */
export function spreadOf({ distribution }: Pick<CommandJob, 'distribution'>): Spread | undefined {
  if (distribution === undefined || distribution === null) return undefined;
  if (distribution.distributionType === 'TensorFlow') {
    const workers = countIn('workerCount', distribution.workerCount, 1);
    const servers = countIn('parameterServerCount', distribution.parameterServerCount, 0, 0);
    if (workers + servers > processesMax)
      throw refuse('workerCount', `A job is at most ${processesMax} processes on its node, servers included.`);
    return { kind: 'TensorFlow', workers, servers };
  }
  const processes = countIn('processCountPerInstance', distribution.processCountPerInstance, 1);
  if (distribution.distributionType === 'PyTorch') return { kind: 'PyTorch', processes };
  if (processes === 1) return undefined;
  throw refuse(
    'processCountPerInstance',
    `The processes of MPI find each other by a launcher of theirs, and none is started here. Leave distribution out and begin the command with mpirun -np ${processes}, where the environment has it; or send one process.`,
  );
}
