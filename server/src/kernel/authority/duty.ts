// What the house does by itself, declared as data by the module that does it. A duty's grant is exactly what it declares: these
// actions, below one scope that it may reach, recorded as it says. There is no free text and no wider authority to fall back on;
// `docs/duties.md` is the table of all of them, printed from here.

import type { Action } from '@strongroom/contract/action';
import type { Failure } from '#kernel/errors/failure';
import { isWithin, resourceTypeOf, scopesOf } from '#kernel/ids/ids';
import { kept } from '#kernel/ids/kept';
import { authorityFailures } from './authority.errors.ts';

type Declared = {
  /** `module.verb-object`. Stands in records as the caller's reason. */
  readonly name: `${string}.${string}`;
  /** Why the house does this without being asked, and whom it serves. One sentence. */
  readonly why: string;
  /** Exact names; the first is what it is for. */
  readonly actions: readonly [Action, ...Action[]];
  /** Where it may act: at or below one resource of this type, or `/` for the whole installation. */
  readonly under: string;
};

/** Changes, reveals or destroys something of its own accord: intent and outcome are in the log, by `Acts.duty` alone. */
export type RecordedDuty = Declared & { readonly record: { readonly level: 'activity' } };

/** Needs no record of its own, and says why: it only reads, or does a part of an act that is recorded. */
export type QuietDuty = Declared & {
  readonly record:
    | { readonly level: 'part'; readonly of: string }
    | { readonly level: 'none'; readonly reason: string };
};

export type Duty = RecordedDuty | QuietDuty;

/** Refuses what the duty does not declare. Throws `internal` DutyExceeded: the mistake is the house's own. */
export function holdToDuty(duty: Duty, action: Action, scope: string): void {
  if (!declares(duty, action)) throw exceeded(duty, `the action ${action.name}`);
  if (!reaches(duty.under, scope)) throw exceeded(duty, `the scope ${scope}`);
}

/** Whether a grant of a duty for `within` allows more: one of its actions, at or below that scope. */
export function dutyAllows(duty: Duty, within: string, action: Action, scope: string): boolean {
  return declares(duty, action) && isWithin(scope, within);
}

/** Without regard to case, as in every decision: a type is spelt as the id spells it. */
const declares = (duty: Duty, action: Action): boolean =>
  duty.actions.some(({ name }) => name === action.name || name.toLowerCase() === action.name.toLowerCase());

export const exceeded = (duty: Duty, what: string): Failure => authorityFailures.DutyExceeded(duty.name, what);

function reaches(under: string, scope: string): boolean {
  if (under === '/') return true;
  return typesOf(scope).has(under.toLowerCase());
}

/** Of everything that the scope is or lies in. */
const typesOf = kept<ReadonlySet<string | undefined>>((scope) => new Set(scopesOf(scope).map(typeOf)));

function typeOf(scope: string): string | undefined {
  const depth = scope.split('/').length;
  if (scope.startsWith('/subscriptions/')) {
    if (depth === 3) return 'microsoft.resources/subscriptions';
    if (depth === 5 && scope.includes('/resourcegroups/')) return 'microsoft.resources/resourcegroups';
  }
  // A collection or the root has none: nothing that a duty could be declared for.
  return resourceTypeOf(scope)?.toLowerCase();
}
