// What the server itself fetches from outside, and the only way in which it does: GET, over TLS, from an address that whoever
// configured it, or a page from there, has named. Promises that nothing of this machine or of its network is reached by a name
// that somebody else chose: the address that is connected to is looked at, not the name, and no redirect is followed to a host
// that was not allowed. Bodies stream. Must not send a credential but to the origin that it is for: what is sent along goes to what was
// asked, and never to where that leads.

import { lookup } from 'node:dns';
import { type IncomingMessage, request as requestPlain } from 'node:http';
import { request } from 'node:https';
import type { LookupFunction } from 'node:net';
import { isIP } from 'node:net';
import type { Readable } from 'node:stream';
import { rootCertificates } from 'node:tls';
import { isInRange, parseRange } from '#kernel/addresses/addresses';

export type OutgoingAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Read it to its end, or destroy it. */
  readonly body: Readable;
  /** Where it came from, after redirects. */
  readonly url: URL;
};

/** What is asked for is not allowed, and will not be the next time either. */
export class NotAllowed extends Error {}

export type Outgoing = {
  /** Throws an Error that says what went wrong, in words that may be shown. */
  get(
    url: URL,
    options: {
      readonly accept: string;
      readonly signal: AbortSignal;
      /** For the origin of `url` alone: where that sends on to does not get them. */
      readonly headers?: Readonly<Record<string, string>>;
    },
  ): Promise<OutgoingAnswer>;
};

const redirectsMax = 4;
const headMs = 60_000;
const idleMs = 60_000;

/** What is this machine, its network, or nobody; IPv4 written as IPv6 is read as IPv4. Source: IANA, special-purpose address registries. */
const inside = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16'],
  ...['192.0.0.0/24', '198.18.0.0/15', '224.0.0.0/4', '240.0.0.0/4'],
  ...['::/128', '::1/128', '64:ff9b::/96', '64:ff9b:1::/48', 'fc00::/7', 'fe80::/10', 'ff00::/8', '2002::/16'],
].map((text) => {
  const range = parseRange(text);
  if (range === undefined) throw new Error(`${text} is no range`);
  return range;
});

export const isInside = (address: string): boolean => inside.some((range) => isInRange(address, range));

/**
 * @param trusted origins that may be inside, and may be spoken to without TLS: those that whoever runs the server has set
 * @param allowed hosts that a redirect may lead to, besides the host that was asked
 * @param authorities certificate authorities in PEM that are trusted besides the public ones
 */
export function createOutgoing(options: {
  readonly trusted: readonly string[];
  readonly allowed: (host: string) => boolean;
  readonly authorities?: string;
}): Outgoing {
  const { authorities = '' } = options;
  // Named only where there are some: the public ones are what is trusted anyway.
  const trust = authorities === '' ? {} : { ca: [...rootCertificates, authorities] };
  const lookUp =
    (isTrusted: boolean): LookupFunction =>
    (host, how, done) =>
      lookup(host, { ...how, all: true }, (error, addresses) => {
        if (error) return done(error, []);
        const fit = addresses.filter(({ address }) => isTrusted || !isInside(address));
        if (fit.length === 0) return done(new NotAllowed(`${host} is an address of this machine or its network`), []);
        const [first] = fit;
        return how.all === true ? done(null, fit) : done(null, first?.address ?? '', first?.family);
      });

  function once(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<IncomingMessage> {
    const isTrusted = options.trusted.includes(url.origin);
    if (url.protocol !== 'https:' && !(isTrusted && url.protocol === 'http:'))
      throw new NotAllowed(`${url.host} is not asked without TLS`);
    if (url.username !== '' || url.password !== '') throw new NotAllowed('an address held a password');
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (isIP(host) !== 0 && !isTrusted && isInside(host))
      throw new NotAllowed(`${host} is an address of this machine or its network`);
    return new Promise((resolve, reject) => {
      const ask = url.protocol === 'https:' ? request : requestPlain;
      const outgoing = ask(url, {
        method: 'GET',
        headers: { ...headers, 'user-agent': 'strongroom', 'accept-encoding': 'identity' },
        ...trust,
        lookup: lookUp(isTrusted),
        signal,
      });
      const timer = setTimeout(() => outgoing.destroy(new Error(`${url.host} did not answer in time`)), headMs);
      outgoing.once('response', (answer) => {
        clearTimeout(timer);
        answer.setTimeout(idleMs, () => answer.destroy(new Error(`${url.host} stopped sending`)));
        resolve(answer);
      });
      outgoing.once('error', (error) => {
        clearTimeout(timer);
        reject(error);
      });
      outgoing.end();
    });
  }

  return {
    async get(first, { accept, signal, headers: own = {} }) {
      let url = first;
      for (let hop = 0; hop <= redirectsMax; hop++) {
        // Not to another origin, be it the same host at another port.
        const answer = await once(url, url.origin === first.origin ? { ...own, accept } : { accept }, signal);
        const { statusCode: status = 0, headers } = answer;
        const location = headers.location;
        if (status < 300 || status >= 400 || location === undefined)
          return { status, headers: headers as Readonly<Record<string, string | undefined>>, body: answer, url };
        answer.destroy();
        const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
        if (next === undefined || (next.host !== first.host && !options.allowed(next.host)))
          throw new NotAllowed(
            `${url.host} sent on to another host, which is not followed${next === undefined ? '' : `: ${next.host}`}`,
          );
        url = next;
      }
      throw new Error(`${first.host} sent on too often`);
    },
  };
}
