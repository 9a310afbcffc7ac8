// How the command ends: which number for which trouble, and what is said of it. Scripts rely on the numbers.

import { ServiceError } from '@strongroom/contract/client';
import { CommanderError } from 'commander';

export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  notSignedIn: 3,
  refused: 4,
  notFound: 5,
  conflict: 6,
  /** What was asked to be verified fits, and something about it could not be proved. */
  unproved: 7,
} as const;

const words: Readonly<Record<keyof typeof exitCodes, string>> = {
  ok: 'ok',
  failed: 'failed',
  usage: 'wrong usage',
  notSignedIn: 'not signed in',
  refused: 'refused',
  notFound: 'not found',
  conflict: 'conflict',
  unproved: 'verified but not proved',
};
/** `0 ok, 1 failed, …`, for help and the page about every command. */
export const exitCodesInWords: string = Object.entries(exitCodes)
  .map(([name, code]) => `${code} ${words[name as keyof typeof exitCodes]}`)
  .join(', ');

/** What was asked for makes no sense; the message says what would. */
export class UsageError extends Error {}
export class NotSignedIn extends Error {}
/** What was named is not there; the message says what is. */
export class NotThere extends Error {}

export function exitCodeOf(thrown: unknown): number {
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (thrown instanceof UsageError) return exitCodes.usage;
  if (thrown instanceof NotThere) return exitCodes.notFound;
  if (thrown instanceof NotSignedIn) return exitCodes.notSignedIn;
  if (!(thrown instanceof ServiceError)) return exitCodes.failed;
  switch (thrown.status) {
    case 401:
      return exitCodes.notSignedIn;
    case 403:
      return exitCodes.refused;
    case 404:
      return exitCodes.notFound;
    case 409:
    case 412:
      return exitCodes.conflict;
    default:
      return exitCodes.failed;
  }
}

/** Lines for standard error. `verbose` adds where it came from. */
export function describeFailure(thrown: unknown, verbose: boolean): string {
  const lines: string[] = [];
  if (thrown instanceof ServiceError) {
    lines.push(`error: ${thrown.message}`);
    for (const detail of thrown.details) if (detail !== thrown.message) lines.push(`  - ${detail}`);
    lines.push(
      `  code ${thrown.code}${thrown.status === 0 ? '' : `, status ${thrown.status}`}${thrown.requestId === undefined ? '' : `, request ${thrown.requestId}`}`,
    );
    if (thrown.status === 401) lines.push("  Sign in with 'strongroom login'.");
    if (thrown.status === 403 && /AuthorizationFailed|ForbiddenByRbac/.test(thrown.code))
      lines.push("  'strongroom access explain' shows which role would allow it.");
  } else lines.push(`error: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  if (verbose && thrown instanceof Error && thrown.stack !== undefined) lines.push(thrown.stack);
  return lines.join('\n');
}
