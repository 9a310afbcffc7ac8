// Builds an image without a container engine: the layers of its base image, then one for each folder that it is given. Promises
// that the same inputs give the same digest, whoever builds and whenever, and that every layer is streamed. It knows nothing of
// what the image is for. Sources: OCI Image Format Specification 1.1 (manifest, config, layer).

import { Readable, Transform } from 'node:stream';
import { constants, createGzip } from 'node:zlib';
import type { Grant } from '#kernel/authority/grant';
import { createSha256, sha256Hex } from '#kernel/crypto/digest';
import { mediaTypes } from '#registry';
import { type Base, type BaseName, type Descriptor, layerType, readBase, takeBase } from './base-image.service.ts';
import type { ImageRegistry } from './images.types.ts';
import { checkPath, type TarEntry, type TarFile, tarOf, tarOfEntries } from './tar.rules.ts';

const configType = 'application/vnd.oci.image.config.v1+json';

/** Raised whenever the same inputs would give another image. */
export const builderVersion = '2';

/** Files that can be opened, in any order; or files as they arrive, in byte order of their paths. */
export type LayerFiles = readonly TarFile[] | AsyncIterable<TarEntry>;

export type ImageInputs = {
  /** One layer each, in this order, above those of the base. Paths are those in the image. One is asked for at a time. */
  readonly layers: Iterable<LayerFiles> | AsyncIterable<LayerFiles>;
  /** `NAME=value`. What the base image says under the same name gives way. */
  readonly environment: readonly string[];
  readonly workingDir: string;
  /** Of its configuration, beside those two. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Of the manifest, beside the builder's own. */
  readonly annotations: Readonly<Record<string, string>>;
  /** In the same registry. */
  readonly base: BaseName | undefined;
};

export type BuiltImage = { readonly repository: string; readonly digest: string };

export type Images = {
  /** @param grants pushing to and pulling from the registry, as whoever the image is built for */
  build(
    grants: { readonly push: Grant; readonly pull: Grant },
    at: { readonly registryId: string; readonly repository: string },
    inputs: ImageInputs,
  ): Promise<BuiltImage>;
  /** What an image of the registry says of itself, as far as another can be built on it. Throws `invalid` where none can. */
  describe(pull: Grant, registryId: string, image: BaseName): Promise<Pick<Base, 'environment' | 'config'>>;
};

type Layer = Descriptor & { readonly diffId: string };

export function createImageBuilder({ registry }: { readonly registry: ImageRegistry }): Images {
  return {
    describe: (pull, registryId, image) => readBase(registry, pull, registryId, image),
    async build(grants, at, inputs) {
      const { registryId, repository } = at;
      const base = inputs.base === undefined ? undefined : await takeBase(registry, grants, at, inputs.base);
      const layers: Layer[] = [];
      for await (const files of inputs.layers) layers.push(await pushLayer(registry, grants.push, at, files));

      const names = inputs.environment.map(nameOf);
      const config = Buffer.from(
        JSON.stringify({
          architecture: 'amd64',
          os: 'linux',
          ...base?.platform,
          config: {
            ...inputs.config,
            Env: [
              ...(base?.environment ?? []).filter((variable) => !names.includes(nameOf(variable))),
              ...inputs.environment,
            ],
            WorkingDir: inputs.workingDir,
          },
          rootfs: { type: 'layers', diff_ids: [...(base?.diffIds ?? []), ...layers.map(({ diffId }) => diffId)] },
        }),
      );
      const pushed = await registry.pushBlob(grants.push, registryId, repository, config, digestOf(config));
      const manifest = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: mediaTypes.ociManifest,
          config: { mediaType: configType, digest: pushed.digest, size: config.length },
          layers: [
            ...(base?.layers ?? []),
            ...layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
          ],
          annotations: { 'io.strongroom.builder': builderVersion, ...inputs.annotations },
        }),
      );
      const { digest } = await registry.putManifest(
        grants.push,
        registryId,
        repository,
        digestOf(manifest),
        mediaTypes.ociManifest,
        manifest,
      );
      if (digest !== digestOf(manifest)) throw new Error('the registry keeps the manifest under another digest');
      return { repository, digest };
    },
  };
}

const nameOf = (variable: string) => variable.slice(0, variable.indexOf('='));
const digestOf = (bytes: Uint8Array) => `sha256:${sha256Hex(bytes)}`;

async function* checked(entries: AsyncIterable<TarEntry>): AsyncGenerator<TarEntry> {
  for await (const entry of entries) {
    checkPath(entry.path, 'files');
    yield entry;
  }
}

async function pushLayer(
  registry: ImageRegistry,
  push: Grant,
  at: { readonly registryId: string; readonly repository: string },
  files: LayerFiles,
): Promise<Layer> {
  const whole = createSha256();
  const hashing = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      whole.update(chunk);
      done(null, chunk);
    },
  });
  // Named, not defaulted: another default of the platform must not give the same inputs another digest.
  // What comes as a stream is large, and somebody waits for it: a tenth more bytes for a third of the time.
  const level = Symbol.asyncIterator in files ? 1 : 6;
  const gzip = createGzip({ level, memLevel: 8, windowBits: 15, strategy: constants.Z_DEFAULT_STRATEGY });
  const tar = Readable.from(Symbol.asyncIterator in files ? tarOfEntries(checked(files)) : tarOf(files), {
    objectMode: false,
  });
  // The first failure is what is told: those after it only say that a stream ended early. It may come before anybody reads.
  let failed: unknown;
  for (const stream of [tar, hashing, gzip])
    stream.on('error', (error) => {
      failed ??= error;
      gzip.destroy(error);
    });
  gzip.on('close', () => tar.destroy());
  const source = tar.pipe(hashing).pipe(gzip);
  const { digest, size } = await registry
    .pushBlob(push, at.registryId, at.repository, source)
    .catch((thrown: unknown) => {
      throw failed ?? thrown;
    });
  return { mediaType: layerType, digest, size, diffId: `sha256:${whole.hex()}` };
}
