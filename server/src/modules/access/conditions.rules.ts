// Conditions of an assignment: a second factor, or the caller's address. They only ever narrow. The address is that of the
// connection's peer; without one (work of the server in somebody's name) an address condition does not hold.

import { type AddressRange, isInRange, parseRange } from '#kernel/addresses/addresses';
import type { Actor } from '#kernel/authority/actor';

export type Conditions = {
  readonly requireMfa: boolean;
  /** CIDR ranges or single addresses; empty: from anywhere. */
  readonly allowedAddresses: readonly string[];
};

/** Spares parsing, and decides nothing: what is not in it is parsed. */
const parsed = new WeakMap<Conditions, readonly AddressRange[]>();

export function conditionsHold(conditions: Conditions, actor: Actor, address: string | undefined): boolean {
  if (conditions.requireMfa && !actor.authentication.mfa) return false;
  if (conditions.allowedAddresses.length === 0) return true;
  return address !== undefined && rangesOf(conditions).some((range) => isInRange(address, range));
}

/** Whether this is an address or a CIDR range. */
export const isAddressRange = (text: string): boolean => parseRange(text) !== undefined;

function rangesOf(conditions: Conditions): readonly AddressRange[] {
  const known = parsed.get(conditions);
  if (known) return known;
  // One that does not parse is left out, and so allows nobody.
  const ranges = conditions.allowedAddresses.flatMap((text) => parseRange(text) ?? []);
  parsed.set(conditions, ranges);
  return ranges;
}
