// Reads a manifest as far as a registry must: what kind it is, and what it needs to be there. Everything in it was written by
// whoever pushed it. A document that could be read as two kinds at once is refused (CVE-2021-41190).

import { type Descriptor, ImageIndex, ImageManifest, registryLimits } from '@strongroom/contract/registry';
import { Failure } from '#kernel/errors/failure';
import { parseJson } from '#kernel/input/json';
import { validate } from '#kernel/input/validate';
import { registryFailures } from './registry.errors.ts';

export type { Descriptor } from '@strongroom/contract/registry';

export const mediaTypes = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
} as const;

const manifests: readonly string[] = [mediaTypes.ociManifest, mediaTypes.dockerManifest];
const indexes: readonly string[] = [mediaTypes.ociIndex, mediaTypes.dockerList];

export type ReadManifest = {
  readonly mediaType: string;
  /** Config and layers, which must be blobs of the repository. */
  readonly blobs: readonly Descriptor[];
  /** What an index lists, which must be manifests of the repository. */
  readonly manifests: readonly Descriptor[];
  /** What it is attached to; need not be there (OCI distribution 1.1, "Pushing Manifests with Subject"). */
  readonly subject: string | undefined;
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
};

/** @param contentType as the header says it; parameters do not count. Throws MANIFEST_INVALID, SIZE_INVALID. */
export function readManifest(contentType: string, bytes: Uint8Array): ReadManifest {
  const mediaType = contentType.split(';')[0]?.trim().toLowerCase() ?? '';
  const isIndex = indexes.includes(mediaType);
  if (!isIndex && !manifests.includes(mediaType)) {
    throw registryFailures.manifestType([...manifests, ...indexes]);
  }
  if (bytes.length > registryLimits.manifestBytes) {
    throw registryFailures.manifestTooLarge(registryLimits.manifestBytes);
  }
  const value = checked(bytes, isIndex);
  if (value.mediaType !== undefined && value.mediaType !== mediaType) throw registryFailures.manifestTypesDiffer();
  const common = { mediaType, subject: value.subject?.digest, annotations: value.annotations };
  if ('manifests' in value)
    return { ...common, blobs: [], manifests: value.manifests, artifactType: value.artifactType };
  return {
    ...common,
    blobs: [value.config, ...value.layers],
    manifests: [],
    artifactType: value.artifactType ?? value.config.mediaType,
  };
}

function checked(bytes: Uint8Array, isIndex: boolean): ImageManifest | ImageIndex {
  try {
    const value = parseJson(bytes);
    validate(isIndex ? ImageIndex : ImageManifest, value, 'body');
    const other = isIndex ? ['layers', 'config', 'fsLayers'] : ['manifests', 'fsLayers'];
    for (const name of other) if (Object.hasOwn(value as object, name)) throw registryFailures.manifestLacks(name);
    // The schema was checked just now.
    return value as ImageManifest | ImageIndex;
  } catch (thrown) {
    if (!(thrown instanceof Failure) || thrown.code === 'MANIFEST_INVALID') throw thrown;
    const more = thrown.details.map((detail) => `${detail.target ?? ''} ${detail.message}`.trim()).join('; ');
    throw registryFailures.MANIFEST_INVALID(more === '' ? thrown.message : more, thrown);
  }
}
