// How the bytes of a blob are found and kept while they are read: whoever reads a version reads it to its end, whatever becomes of its
// name meanwhile. Whether he may is decided before.

import type { Readable } from 'node:stream';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import type { BlobInfo, Part, StoredBlob } from './blobs.store.ts';
import * as store from './blobs.store.ts';
import { requireContainer } from './containers.service.ts';
import type { OpenedAccount } from './opened-accounts.service.ts';
import type { BlobRef } from './scopes.rules.ts';
import { storageFailures } from './storage.errors.ts';
import { streamParts } from './streaming.service.ts';

/** Bytes from `start` to `end` inclusive; without an end, to the last one. An end behind the blob means its last byte. */
export type ByteRange = { readonly start: number; readonly end?: number };

/** Rows that are read at once. */
const partsAtOnce = 1_000;
/** How often something is looked at that is replaced at every look. */
export const attemptsMax = 20;

/** Throws `notFound`. */
export async function existing({ index }: OpenedAccount, ref: BlobRef): Promise<StoredBlob> {
  const blob = await store.findBlob(index.read, ref.container, ref.name);
  if (blob !== undefined) return blob;
  await requireContainer(index.read, ref.container);
  throw storageFailures.BlobNotFound();
}

/** The blob with the parts of a range, its files kept until `release`. */
async function take(account: OpenedAccount, ref: BlobRef, range: ByteRange | undefined) {
  const { index, sealed } = account;
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const blob = await existing(account, ref);
    const bounds = boundsOf(range, blob.info.size);
    const parts = bounds ? await partsOf(account, blob.version, bounds) : [];
    const release = sealed.pin(parts.map((part) => part.file));
    // Pinned first, then looked at again: a version that is still there now loses no file before the release.
    const now = await store.findBlob(index.read, ref.container, ref.name);
    if (now?.version === blob.version) return { blob, bounds, parts, release };
    release();
  }
  throw storageFailures.alwaysReplaced();
}

export async function openRange(
  account: OpenedAccount,
  ref: BlobRef,
  range: ByteRange | undefined,
): Promise<{ readonly info: BlobInfo; readonly version: string; readonly stream: Readable }> {
  const { blob, bounds, parts, release } = await take(account, ref, range);
  return { ...blob, stream: await streamParts(account, ref, parts, bounds, release) };
}

/** The parts of a range. A version that is replaced meanwhile may lack some: whoever asks looks at it again. */
export async function partsOf(
  { index }: OpenedAccount,
  version: string,
  { start, end }: { readonly start: number; readonly end: number },
): Promise<readonly Part[]> {
  const parts: Part[] = [];
  for (let from = start; ; ) {
    const page = await store.listParts(index.read, version, { start: from, end, limit: partsAtOnce });
    parts.push(...page);
    const last = page.at(-1);
    if (last === undefined || page.length < partsAtOnce) return parts;
    from = last.start + last.size;
    if (from > end) return parts;
    await yieldToEventLoop();
  }
}

/** The bytes that a range means in a blob of `size` bytes; undefined for the whole of an empty one. */
export function boundsOf(range: ByteRange | undefined, size: number): { start: number; end: number } | undefined {
  const start = range?.start ?? 0;
  const end = Math.min(range?.end ?? size - 1, size - 1);
  if (range === undefined && size === 0) return undefined;
  if (!Number.isSafeInteger(start) || start < 0 || start >= size || end < start)
    throw storageFailures.InvalidRange(size);
  return { start, end };
}
