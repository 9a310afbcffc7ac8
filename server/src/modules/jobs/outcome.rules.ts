// What the end of a job's work means for the job, in words for whoever sent it. Pure.

import type { WorkEvent } from '#compute';
import type { JobState, Outcome } from './job-state.service.ts';
import { timeoutSecondsOf } from './jobs.rules.ts';
import { logArtifact } from './log.service.ts';

/** A node that is lost before the command began is nobody's fault; after this many it is. */
export const maxSubmissions = 3;

export const canceled = (at: Date): Outcome => ({ status: 'Canceled', endTime: at.toISOString() });

/** `again`: the command never began, so the job is given another node. */
export function outcomeOf(
  event: Extract<WorkEvent, { type: 'finished' | 'lost' }>,
  state: JobState,
  at: Date,
): Outcome | 'again' {
  // What ran to its end before the request to cancel reached it has completed.
  if (event.type === 'finished' && event.reason === 'exited' && event.exitCode === 0)
    return { status: 'Completed', endTime: at.toISOString() };
  if (state.status === 'CancelRequested') return canceled(at);
  if (event.type === 'finished') return failed(at, failureOf(event, state));
  if (state.began !== true && (state.submissions ?? 1) < maxSubmissions) return 'again';
  return failed(at, {
    code: 'NodeLost',
    message: 'The node that ran the job was lost (its agent or the server stopped). Submit the job again.',
  });
}

export const failed = (at: Date, error: NonNullable<Outcome['error']>): Outcome => ({
  status: 'Failed',
  endTime: at.toISOString(),
  error,
});

function failureOf(
  event: Extract<WorkEvent, { type: 'finished' }>,
  state: JobState,
): { code: string; message: string } {
  const said = event.message === undefined ? '' : ` ${event.message}`;
  switch (event.reason) {
    case 'exited':
      if (state.builds !== undefined && event.message !== undefined)
        return { code: 'EnvironmentBuildFailed', message: event.message.slice(0, 1000) };
      return {
        code: 'UserError',
        message: `The command ended with exit code ${event.exitCode ?? 'unknown'}. Its log, ${logArtifact}, says more.`,
      };
    case 'timeout':
      return {
        code: 'JobTimeout',
        message: `The command ran longer than its limit of ${timeoutSecondsOf(state)} seconds and was ended. Raise limits.timeout, or make the work smaller.`,
      };
    case 'memory':
      return { code: 'OutOfMemory', message: 'The command used more memory than its node has and was ended.' };
    case 'upload_failed':
      return { code: 'UploadFailed', message: `The command ended, but its outputs could not be kept.${said}` };
    case 'output_missing':
      return { code: 'OutputNotWritten', message: missingOutput(event.message ?? '', state) };
    case 'setup_failed':
      return { code: 'SetupFailed', message: `The job could not be set up on its node.${said}` };
    case 'signal':
      return { code: 'UserError', message: `The command was ended by a signal.${said}` };
    default:
      return { code: 'JobFailed', message: `The job ended: ${event.reason}.${said}` };
  }
}

/** @param said the name of an output, by a node: one that the job has not is not repeated */
function missingOutput(said: string, { outputs = {} }: JobState): string {
  const output = Object.hasOwn(outputs, said) ? outputs[said] : undefined;
  if (output === undefined) return 'The command ended well, but has not written one of its outputs.';
  const whatFor =
    output.assetName === undefined ? `is a ${output.jobOutputType}` : `is to become the asset ${output.assetName}`;
  return `The command ended well, but has not written its output '${said}', which ${whatFor}: there is no file where \${{outputs.${said}}} stands for. Let the command write to that path, or leave the output out.`;
}
