// Which names this server answers to. A name that nobody configured is not believed: links, issuers and challenges are written
// with it, and a page of somebody else that resolves its own name to this machine (DNS rebinding) would speak to it as its own.

import { isIP } from 'node:net';
import { isInRange, parseRange } from '#kernel/addresses/addresses';
import { httpFailures } from './http.errors.ts';

export type Hosts = {
  /** Throws Failure `misdirected` unless the host of the request is one of ours. `localAddress`: where the connection arrived. */
  check(host: string, localAddress: string | undefined): void;
};

const loopback = ['127.0.0.0/8', '::1'].flatMap((text) => parseRange(text) ?? []);

/** Names are believed with everything below them; the port is not looked at, because it may be mapped on the way here. */
export function createHosts(configured: {
  /** That clients use. */
  readonly domain: string;
  /** That it listens on. */
  readonly listensOn: string;
  readonly aliases: readonly string[];
}): Hosts {
  const names = ['localhost', configured.domain, configured.listensOn, ...configured.aliases]
    .map((name) => name.toLowerCase())
    // Where it listens on everything, that is no name: browsers take 0.0.0.0 for this very machine.
    .filter((name) => name !== '' && name !== '0.0.0.0' && name !== '::');

  return {
    check(host, localAddress) {
      // HTTP/1.0 asks without a name; nothing is written with one then.
      if (host === '') return;
      const name = host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
      if (names.some((one) => name === one || (isIP(one) === 0 && name.endsWith(`.${one}`)))) return;
      if (isIP(name) !== 0) {
        // An address is no name that somebody could have pointed here: probes and people on this network use it.
        if (loopback.some((range) => isInRange(name, range))) return;
        const arrived = parseRange(localAddress ?? '');
        if (arrived !== undefined && isInRange(name, arrived)) return;
      }
      throw httpFailures.MisdirectedRequest();
    },
  };
}
