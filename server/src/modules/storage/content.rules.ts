// What a blob says of itself besides its bytes, as a writer gives it, and what is refused of it.

import type { AccessTier } from './access-tier.rules.ts';
import type { ContentHeaders } from './blobs.store.ts';
import { newEtag } from './containers.service.ts';
import { type Metadata, requireHeaderValue, requireMetadata } from './names.rules.ts';
import { storageFailures } from './storage.errors.ts';

export type BlobContent = {
  /** Empty: none. */
  readonly contentType?: string;
  readonly contentHeaders?: ContentHeaders;
  readonly metadata?: Metadata;
  /** What the writer says is the MD5 of the whole, in base64: kept and shown as it was said, and never checked. Empty: none. */
  readonly toldMd5?: string;
  readonly accessTier?: AccessTier;
};

const defaultContentType = 'application/octet-stream';

export function describeContent(name: string, content: BlobContent, now: Date) {
  return {
    name,
    etag: newEtag(),
    contentType: content.contentType ?? defaultContentType,
    contentHeaders: content.contentHeaders ?? {},
    metadata: content.metadata ?? {},
    accessTier: content.accessTier,
    createdAt: now,
    lastModified: now,
  };
}

export function requireContent({ contentType, contentHeaders = {}, metadata = {}, toldMd5 }: BlobContent): void {
  if (toldMd5 !== undefined && !/^[A-Za-z0-9+/]{0,86}={0,2}$/.test(toldMd5)) throw storageFailures.InvalidMd5();
  if (contentType !== undefined) requireHeaderValue('content-type', contentType);
  for (const [name, value] of Object.entries(contentHeaders)) requireHeaderValue(name, value);
  requireMetadata(metadata);
}
