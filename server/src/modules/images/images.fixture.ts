// For tests: what holds of every image that is built here, whoever asked for it.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import tar from 'tar-stream';
import { sha256Hex } from '#kernel/crypto/digest';

type Described = { readonly digest: string; readonly size: number };
type ReadBlob = (digest: string) => Promise<Buffer>;

/** Fails unless sizes, digests and the list of unpacked layers agree, and no time is in it. Answers the configuration. */
export async function configOf(
  manifest: { readonly config: Described; readonly layers: readonly Described[] },
  blob: ReadBlob,
) {
  const config = JSON.parse((await blob(manifest.config.digest)).toString());
  assert.equal(config.rootfs.type, 'layers');
  for (const [index, { digest, size }] of manifest.layers.entries()) {
    const bytes = await blob(digest);
    assert.equal(bytes.length, size);
    assert.equal(`sha256:${sha256Hex(bytes)}`, digest);
    assert.equal(`sha256:${sha256Hex(gunzipSync(bytes))}`, config.rootfs.diff_ids[index]);
  }
  assert.ok(!JSON.stringify({ manifest, config }).includes('created'));
  return config;
}

/** Names of the files in the layers, in order. Fails unless all are owned by nobody, without times. */
export async function filesIn(layers: readonly Described[], blob: ReadBlob): Promise<readonly string[]> {
  const seen: string[] = [];
  for (const { digest } of layers) {
    const reading = Readable.from([gunzipSync(await blob(digest))]).pipe(tar.extract());
    for await (const entry of reading) {
      const { name, type, mtime, uid, gid, mode } = entry.header;
      assert.deepEqual([mtime?.getTime(), uid, gid], [0, 0, 0]);
      assert.equal(mode, type === 'directory' ? 0o755 : 0o644);
      if (type === 'file') seen.push(name);
      entry.resume();
    }
  }
  return seen;
}
