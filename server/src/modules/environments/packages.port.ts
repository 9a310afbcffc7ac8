// What reaches the package index: the kernel's way out, given by compose, or a folder of a test.

import type { Readable } from 'node:stream';

export type FetchAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Readable;
  readonly url: URL;
};
export type Fetch = (url: URL, signal?: AbortSignal) => Promise<FetchAnswer>;
