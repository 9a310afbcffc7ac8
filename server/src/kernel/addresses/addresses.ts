// IP addresses and ranges (RFC 4632, RFC 4291) as numbers, and what limits count by. Pure: whoever could open a connection
// has no place here. What is not exactly an address is none; an IPv4 peer of a dual-stack socket is IPv4.

export type AddressRange = { readonly bits: 32 | 128; readonly network: bigint; readonly prefixLength: number };

type Address = { readonly bits: 32 | 128; readonly value: bigint };

/** `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`; undefined for anything else. Host bits below the prefix are ignored. */
export function parseRange(text: string): AddressRange | undefined {
  const [, base = '', length] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const address = parseAddress(base);
  if (!address) return undefined;
  const prefixLength = length === undefined ? address.bits : Number(length);
  if (prefixLength > address.bits) return undefined;
  return { bits: address.bits, network: networkOf(address, prefixLength), prefixLength };
}

/** Whether `text` is an address in the range. What is no address is in no range. */
export function isInRange(text: string, range: AddressRange): boolean {
  const address = parseAddress(text);
  return address?.bits === range.bits && networkOf(address, range.prefixLength) === range.network;
}

export type AddressKeys = {
  /** Whoever holds one address holds all of it: an IPv4 address, or the /64 that IPv6 gives to every network. */
  readonly near: string;
  /** The /48 that a site is given as a rule, 65,536 networks: a second, wider count. None for IPv4, which is not given away so. */
  readonly wide: string | undefined;
};

/**
 * What a limit counts a peer by. Never the address itself: whoever has IPv6 has 2^64 of them. A peer without an address, and
 * what is none, counts as one.
 */
export function addressKeys(text: string | undefined): AddressKeys {
  const address = parseAddress(text ?? '');
  if (address === undefined) return { near: 'unknown', wide: undefined };
  if (address.bits === 32) return { near: dotted(address.value), wide: undefined };
  // RFC 6052: behind a translator all of IPv4 arrives within this one network.
  if (address.value >> 32n === translatedNetwork)
    return { near: dotted(address.value & 0xffff_ffffn), wide: undefined };
  return { near: prefixOf(address.value, 64), wide: prefixOf(address.value, 48) };
}

const dotted = (value: bigint) => [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.');

/** `2001:db8:0:7::/64`. One spelling for one network, which is all that a key needs. */
function prefixOf(value: bigint, prefixLength: 48 | 64): string {
  const groups = Array.from({ length: prefixLength / 16 }, (_, at) => (value >> BigInt(112 - at * 16)) & 0xffffn);
  return `${groups.map((group) => group.toString(16)).join(':')}::/${prefixLength}`;
}

const networkOf = ({ bits, value }: Address, prefixLength: number) => value >> BigInt(bits - prefixLength);

/** `::ffff:0:0/96`: IPv4 addresses as IPv6 writes them. */
const mappedNetwork = 0xffffn;
/** `64:ff9b::/96`, RFC 6052. */
const translatedNetwork = 0x0064_ff9b_0000_0000_0000_0000n;

function parseAddress(text: string): Address | undefined {
  if (text.length > 64) return undefined;
  if (!text.includes(':')) {
    const value = parseDotted(text);
    return value === undefined ? undefined : { bits: 32, value };
  }
  // A zone (fe80::1%eth0) names an interface of this machine and is no part of the address.
  const value = parseGroups(text.replace(/%[^%]*$/, ''));
  if (value === undefined) return undefined;
  return value >> 32n === mappedNetwork ? { bits: 32, value: value & 0xffff_ffffn } : { bits: 128, value };
}

function parseDotted(text: string): bigint | undefined {
  const parts = text.split('.');
  // A leading zero is octal to some readers, so that the same text would be two addresses: no address at all.
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255))
    return undefined;
  return parts.reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function parseGroups(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const last = (tail ?? head)?.at(-1);
  if (last?.includes('.')) {
    const dotted = parseDotted(last);
    if (dotted === undefined) return undefined;
    (tail ?? head)?.splice(-1, 1, (dotted >> 16n).toString(16), (dotted & 0xffffn).toString(16));
  }
  const written = [...(head ?? []), ...(tail ?? [])];
  if (!written.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  // `::` stands for one group of zeros at least.
  const missing = 8 - written.length;
  if (tail ? missing < 1 : missing !== 0) return undefined;
  const groups = [...(head ?? []), ...new Array<string>(missing).fill('0'), ...(tail ?? [])];
  return groups.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}
