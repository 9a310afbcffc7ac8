// What a blob says of itself besides its bytes, as a writer gives it, and what is refused of it.

import type { ContentHeaders } from './blobs.store.ts';
import { newEtag } from './containers.service.ts';
import { type Metadata, requireHeaderValue, requireMetadata } from './names.ts';

export type BlobContent = {
  readonly contentType?: string;
  readonly contentHeaders?: ContentHeaders;
  readonly metadata?: Metadata;
};

const defaultContentType = 'application/octet-stream';

export function describeContent(name: string, content: BlobContent, now: Date) {
  return {
    name,
    etag: newEtag(),
    contentType: content.contentType ?? defaultContentType,
    contentHeaders: content.contentHeaders ?? {},
    metadata: content.metadata ?? {},
    createdAt: now,
    lastModified: now,
  };
}

export function requireContent({ contentType, contentHeaders = {}, metadata = {} }: BlobContent): void {
  if (contentType !== undefined) requireHeaderValue('content-type', contentType);
  for (const [name, value] of Object.entries(contentHeaders)) requireHeaderValue(name, value);
  requireMetadata(metadata);
}
