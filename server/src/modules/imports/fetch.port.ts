// What reaches another registry: the kernel's way out, given by compose, or what a test plays.

import type { Readable } from 'node:stream';

export type UpstreamAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Read it to its end, or destroy it. */
  readonly body: Readable;
};

/** What is not allowed is answered, so that it is not tried again: an address inside, another host, no TLS. */
export type UpstreamRefusal = { readonly refused: string };

/**
 * GET. Rejects with an Error whose words may be shown. `headers` go to the origin of `url` alone.
 * @param hosts those that this may be sent on to, besides its own
 */
export type FetchUpstream = (
  url: URL,
  options: {
    readonly hosts: readonly string[];
    readonly accept: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly signal: AbortSignal;
  },
) => Promise<UpstreamAnswer | UpstreamRefusal>;
