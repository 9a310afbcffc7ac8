// Conditions of an assignment: a second factor, or the caller's address. They only ever narrow. The address is that of the
// connection's peer; without one (work of the server in somebody's name) an address condition does not hold.

import { BlockList, isIP } from 'node:net';
import type { Actor } from '#kernel/authority/actor';

export type Conditions = {
  readonly requireMfa: boolean;
  /** CIDR ranges or single addresses; empty: from anywhere. */
  readonly allowedAddresses: readonly string[];
};

const ranges = new WeakMap<Conditions, BlockList>();

export function conditionsHold(conditions: Conditions, actor: Actor, address: string | undefined): boolean {
  if (conditions.requireMfa && !actor.authentication.mfa) return false;
  if (conditions.allowedAddresses.length === 0) return true;
  // A dual-stack socket shows an IPv4 peer as ::ffff:a.b.c.d; a zone index is no part of the address.
  const plain = address?.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '') ?? '';
  const family = isIP(plain);
  return family !== 0 && listOf(conditions).check(plain, family === 4 ? 'ipv4' : 'ipv6');
}

/** Whether this is an address or a CIDR range. */
export function isAddressRange(text: string): boolean {
  const { address, bits, most } = partsOf(text);
  return most > 0 && isIP(address) !== 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most));
}

function partsOf(text: string): { address: string; bits: string | undefined; most: number } {
  const [address = '', bits, ...rest] = text.split('/');
  const family = isIP(address);
  return { address, bits, most: rest.length > 0 ? 0 : family === 4 ? 32 : family === 6 ? 128 : 0 };
}

function listOf(conditions: Conditions): BlockList {
  const known = ranges.get(conditions);
  if (known) return known;
  const list = new BlockList();
  for (const range of conditions.allowedAddresses) {
    const { address, bits, most } = partsOf(range);
    list.addSubnet(address, bits === undefined ? most : Number(bits), most === 32 ? 'ipv4' : 'ipv6');
  }
  ranges.set(conditions, list);
  return list;
}
