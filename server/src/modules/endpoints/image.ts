// Builds the image of a deployment without a container engine: the layers of its base image, then what identifies the
// runtime, the dependencies, the code, the model. Promises that the same inputs give the same digest, whoever builds and whenever, and that
// every layer is streamed. Sources: OCI Image Format Specification 1.1 (manifest, config, layer).

import { Readable, Transform } from 'node:stream';
import { constants, createGzip } from 'node:zlib';
import type { Grant } from '#kernel/authority/grant';
import { createSha256, sha256Hex } from '#kernel/crypto/digest';
import { mediaTypes } from '#registry';
import { type Descriptor, layerType, takeBase } from './base-image.ts';
import { endpointsFailures } from './endpoints.errors.ts';
import type { ImageRegistry } from './ports.ts';
import { checkPath, type TarFile, tarOf } from './tar.ts';
import { checkWheels, dependenciesFolder, dependenciesOf, isWheel } from './wheels.ts';

const configType = 'application/vnd.oci.image.config.v1+json';

/** Raised whenever the same inputs would give another image. */
const builderVersion = '2';
export const appRoot = '/var/azureml-app';
const modelsFolder = 'azureml-models';
const imageBytesMax = 10 * 1024 ** 3;

export type ImageInputs = {
  readonly code: { readonly digest: string; readonly files: readonly TarFile[] };
  /** Below the code's folder. */
  readonly scoringScript: string;
  readonly model: {
    readonly id: string;
    readonly name: string;
    readonly version: string;
    /** Its files are in a folder of this name, below the model's. */
    readonly folder: string | undefined;
    readonly files: readonly TarFile[];
  };
  /** Repository and tag or digest in the same registry. */
  readonly base: { readonly repository: string; readonly reference: string } | undefined;
};

export type BuiltImage = {
  readonly repository: string;
  readonly digest: string;
  /** Where the model is, in the image. */
  readonly modelDir: string;
};

type Layer = Descriptor & { readonly diffId: string };

/** Every rule about the inputs that needs no build: said before anything is made. */
export function checkInputs({
  code,
  scoringScript,
  model,
}: Pick<ImageInputs, 'code' | 'scoringScript' | 'model'>): void {
  const script = scoringScript.replace(/^\.\//, '');
  if (!/\.py$/.test(script))
    throw endpointsFailures.ImageBuildRefused(
      'codeConfiguration.scoringScript',
      'scoringScript must be a Python file: its name ends in .py.',
    );
  checkPath(script, 'codeConfiguration.scoringScript');
  if (!code.files.some(({ path }) => path === script)) {
    throw endpointsFailures.ImageBuildRefused(
      'codeConfiguration.scoringScript',
      `The code has no file '${script.slice(0, 200)}'. Name the scoring script by its path in the code snapshot.`,
    );
  }
  for (const { path } of code.files) {
    checkPath(path, 'codeConfiguration.codeId');
    if (path.split('/')[0] === modelsFolder || path.split('/')[0] === '.strongroom')
      throw endpointsFailures.ImageBuildRefused(
        'codeConfiguration.codeId',
        `The code holds '${path.split('/')[0]}', where the image keeps its own files. Rename that folder.`,
      );
  }
  checkWheels(code.files);
  if (model.files.length === 0) throw endpointsFailures.ImageBuildRefused('model', 'The model has no files.');
  for (const { path } of model.files) checkPath(model.folder === undefined ? path : `${model.folder}/${path}`, 'model');
  const bytes = [...code.files, ...model.files].reduce((sum, { size }) => sum + size, 0);
  if (bytes > imageBytesMax)
    throw endpointsFailures.ImageBuildRefused(
      'model',
      `The code and the model together have more than ${imageBytesMax} bytes.`,
    );
}

/** @param grants pushing to and pulling from the registry, as the workspace's identity */
export async function buildImage(
  registry: ImageRegistry,
  grants: { readonly push: Grant; readonly pull: Grant },
  at: { readonly registryId: string; readonly repository: string },
  inputs: ImageInputs,
): Promise<BuiltImage> {
  checkInputs(inputs);
  const { registryId, repository } = at;
  const script = inputs.scoringScript.replace(/^\.\//, '');
  const { model } = inputs;
  const modelDir = `${appRoot}/${modelsFolder}/${model.name}/${model.version}`;
  const base = inputs.base === undefined ? undefined : await takeBase(registry, grants, at, inputs.base);
  const runtime = Buffer.from(`${JSON.stringify({ builder: builderVersion, runtime: 'strongroom-scoring/1' })}\n`);

  const layers: Layer[] = [];
  const add = async (files: readonly TarFile[]) => void layers.push(await pushLayer(registry, grants.push, at, files));
  await add([inAppRoot('.strongroom/runtime.json', { size: runtime.length, open: async () => runtime })]);
  for await (const { files } of dependenciesOf(inputs.code.files))
    await add(files.map((file) => inAppRoot(`${dependenciesFolder}/${file.path}`, file)));
  const hasDependencies = layers.length > 1;
  await add(inputs.code.files.filter((file) => !isWheel(file)).map((file) => inAppRoot(file.path, file)));
  const below = [modelsFolder, model.name, model.version, ...(model.folder === undefined ? [] : [model.folder])].join(
    '/',
  );
  await add(model.files.map((file) => inAppRoot(`${below}/${file.path}`, file)));

  const environment = [
    `AZUREML_APP_ROOT=${appRoot}`,
    `AZUREML_ENTRY_SCRIPT=${script}`,
    `AZUREML_MODEL_DIR=${modelDir}`,
    ...(hasDependencies ? [`PYTHONPATH=${appRoot}/${dependenciesFolder}`] : []),
  ];
  const names = environment.map(nameOf);
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      ...base?.platform,
      config: {
        Env: [...(base?.environment ?? []).filter((variable) => !names.includes(nameOf(variable))), ...environment],
        WorkingDir: appRoot,
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
      layers: [...(base?.layers ?? []), ...layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size }))],
      annotations: {
        'io.strongroom.builder': builderVersion,
        'io.strongroom.code': inputs.code.digest,
        'io.strongroom.model': model.id,
        'io.strongroom.script': script,
      },
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
  return { repository, digest, modelDir };
}

const nameOf = (variable: string) => variable.slice(0, variable.indexOf('='));
const digestOf = (bytes: Uint8Array) => `sha256:${sha256Hex(bytes)}`;

const inAppRoot = (path: string, file: Pick<TarFile, 'size' | 'open'>): TarFile => ({
  path: `${appRoot.slice(1)}/${path}`,
  size: file.size,
  open: () => file.open(),
});

async function pushLayer(
  registry: ImageRegistry,
  push: Grant,
  at: { readonly registryId: string; readonly repository: string },
  files: readonly TarFile[],
): Promise<Layer> {
  const whole = createSha256();
  const hashing = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      whole.update(chunk);
      done(null, chunk);
    },
  });
  // Named, not defaulted: another default of the platform must not give the same inputs another digest.
  const gzip = createGzip({ level: 6, memLevel: 8, windowBits: 15, strategy: constants.Z_DEFAULT_STRATEGY });
  const tar = Readable.from(tarOf(files), { objectMode: false });
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
