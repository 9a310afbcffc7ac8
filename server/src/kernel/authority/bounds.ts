// Bounds: what a credential reaches by itself, whoever stands behind it. A run's token, an agent's, one that pulls an image, a
// key of an endpoint and a signed address carry all the authority that there is: roles neither add to it nor take from it. A
// token of the registry protocol narrows what its principal's roles allow: both must. Data, so that they go wherever the actor
// goes; judged by `access` at every decision, that of a route and those that services ask for. No words of what carries them.

import { isInRange, parseRange } from '#kernel/addresses/addresses';
import { idKey, isScope, isWithin } from '#kernel/ids/ids';

export type Bounds = {
  /** Any one is enough. */
  readonly rules: readonly BoundsRule[];
  /** Whether what lies within must be allowed by a role as well. */
  readonly roles: 'ignored' | 'needed';
  /** Nothing is allowed from then on. */
  readonly untilMs?: number | undefined;
  /** Addresses or CIDR ranges that it may be asked from; from anywhere when absent. */
  readonly addresses?: readonly string[] | undefined;
};

export type BoundsRule = {
  /** At this id and below it. */
  readonly scope: string;
  /** Exact names, or whatever reads. */
  readonly actions: readonly string[] | 'reads';
  /** For the record: `token of run 7`. */
  readonly reason: string;
};

export type Circumstances = { readonly nowMs: number; readonly address: string | undefined };

/** The rule that allows the action at the scope; undefined: it lies outside. */
export function ruleFor(bounds: Bounds, action: string, scope: string, at: Circumstances): BoundsRule | undefined {
  if (!hold(bounds, at)) return undefined;
  return bounds.rules.find((rule) => lists(rule, action) && covers(rule.scope, scope));
}

/**
 * Rules that allow the action at something at or below `under`: whether anything there may be within the bounds, before it is
 * known which thing is meant.
 */
export function rulesBelow(bounds: Bounds, action: string, under: string, at: Circumstances): readonly BoundsRule[] {
  if (!hold(bounds, at)) return [];
  return bounds.rules.filter(
    (rule) =>
      lists(rule, action) &&
      (covers(rule.scope, under) || (isNarrow(rule.scope) && isScope(under) && isWithin(rule.scope, under))),
  );
}

function hold({ untilMs, addresses }: Bounds, { nowMs, address }: Circumstances): boolean {
  if (untilMs !== undefined && untilMs <= nowMs) return false;
  if (addresses === undefined) return true;
  // One that does not parse allows nobody.
  const ranges = addresses.flatMap((text) => parseRange(text) ?? []);
  return address !== undefined && ranges.some((range) => isInRange(address, range));
}

function lists({ actions }: BoundsRule, action: string): boolean {
  const name = action.toLowerCase();
  return actions === 'reads' ? name.endsWith('/read') : actions.some((listed) => listed.toLowerCase() === name);
}

/** Fails closed: an empty id in a token would be the root, and cover everything. */
const isNarrow = (scope: string): boolean => isScope(scope) && idKey(scope) !== '/';
const covers = (outer: string, scope: string): boolean => isNarrow(outer) && isScope(scope) && isWithin(scope, outer);
