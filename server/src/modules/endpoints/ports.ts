// What this module needs of a registry of images; `#registry` has it. Repositories are named below their registry.

import type { Readable } from 'node:stream';
import type { Grant } from '#kernel/authority/grant';

export type ImageRegistry = {
  /** Keeps a layer or a configuration. Idempotent by content. */
  pushBlob(
    grant: Grant,
    registryId: string,
    repository: string,
    source: Readable | Uint8Array,
    expectedDigest?: string,
  ): Promise<{ readonly digest: string; readonly size: number }>;
  hasBlob(grant: Grant, registryId: string, repository: string, digest: string): Promise<boolean>;
  openBlob(
    grant: Grant,
    registryId: string,
    repository: string,
    digest: string,
  ): Promise<{ readonly size: number; readonly stream: Readable }>;
  putManifest(
    grant: Grant,
    registryId: string,
    repository: string,
    reference: string,
    mediaType: string,
    bytes: Uint8Array,
  ): Promise<{ readonly digest: string }>;
  getManifest(
    grant: Grant,
    registryId: string,
    repository: string,
    reference: string,
  ): Promise<{ readonly digest: string; readonly mediaType: string; readonly bytes: Uint8Array }>;
  /** Throws `notFound`. */
  removeManifest(grant: Grant, registryId: string, repository: string, reference: string): Promise<void>;
  /** A bearer token that pulls this one image and does nothing else. */
  pullToken(
    grant: Grant,
    image: {
      readonly registryId: string;
      readonly repository: string;
      readonly digest: string;
      readonly ttlSeconds: number;
    },
  ): Promise<string>;
};
