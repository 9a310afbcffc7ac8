// For tests: images pushed as clients push them, whatever is in them.

import assert from 'node:assert/strict';
import { digestOf, type TestImage } from '../../agent/src/images/testing.ts';

export {
  digestOf,
  image,
  pythonLayer,
  shellLayer,
  type TarEntry,
  type TestImage,
} from '../../agent/src/images/testing.ts';

type Push = (method: string, path: string, body: Buffer, contentType: string) => Promise<{ readonly status: number }>;

export const ociManifest = 'application/vnd.oci.image.manifest.v1+json';

/** Under a tag in a repository, its registry's name before it. Answers the digest. */
export async function pushImage(
  push: Push,
  repository: string,
  tag: string,
  { blobs, manifest }: TestImage,
): Promise<string> {
  for (const [digest, bytes] of blobs) {
    const { status } = await push(
      'POST',
      `/v2/${repository}/blobs/uploads/?digest=${digest}`,
      bytes,
      'application/octet-stream',
    );
    assert.equal(status, 201, digest);
  }
  const { status } = await push('PUT', `/v2/${repository}/manifests/${tag}`, manifest, ociManifest);
  assert.equal(status, 201);
  return digestOf(manifest);
}
