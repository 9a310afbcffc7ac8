// The image that an environment brings, as far as a new image is built on top of it: its layers, which the new repository
// must hold too, and what its configuration says of the platform. It was pushed by somebody: everything in it is checked.

import type { Readable } from 'node:stream';
import type { Grant } from '#kernel/authority/grant';
import { asFailure, type Failure } from '#kernel/errors/failure';
import { parseJson } from '#kernel/http/body';
import { mediaTypes } from '#registry';
import { endpointsFailures } from './endpoints.errors.ts';
import type { ImageRegistry } from './ports.ts';

export const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip';
const layerTypes: readonly string[] = [layerType, 'application/vnd.docker.image.rootfs.diff.tar.gzip'];
const layersMax = 60;
const variablesMax = 500;
const configBytesMax = 4 * 1024 * 1024;

export type Descriptor = { readonly mediaType: string; readonly digest: string; readonly size: number };
export type Base = {
  readonly layers: readonly Descriptor[];
  readonly diffIds: readonly string[];
  readonly platform: { readonly architecture?: string; readonly os?: string };
  /** Its environment, `NAME=value`: what lies in its layers may need it. */
  readonly environment: readonly string[];
};

/** The layers of a base image of the same registry, present in the new image's repository too. */
export async function takeBase(
  registry: ImageRegistry,
  grants: { readonly push: Grant; readonly pull: Grant },
  at: { readonly registryId: string; readonly repository: string },
  base: { readonly repository: string; readonly reference: string },
): Promise<Base> {
  const { registryId } = at;
  const found = await registry
    .getManifest(grants.pull, registryId, base.repository, base.reference)
    .catch((thrown: unknown) => {
      const failure = asFailure(thrown);
      if (failure.kind !== 'notFound') throw failure;
      throw endpointsFailures.ImageBuildRefused(
        'environmentId',
        `The environment's base image '${base.repository}' is not in the workspace's registry. Push it there first.`,
      );
    });
  if (found.mediaType !== mediaTypes.ociManifest && found.mediaType !== mediaTypes.dockerManifest)
    throw endpointsFailures.ImageBuildRefused(
      'environmentId',
      "The environment's base image must be an image for one platform, not an index of several. Name the digest of the one that you mean.",
    );
  const manifest = readObject(found.bytes);
  const layers = Array.isArray(manifest['layers']) ? manifest['layers'].map(readDescriptor) : [];
  if (
    layers.length === 0 ||
    layers.length > layersMax ||
    layers.some(({ mediaType }) => !layerTypes.includes(mediaType))
  )
    throw endpointsFailures.ImageBuildRefused(
      'environmentId',
      `The base image must have 1 to ${layersMax} layers of gzip'd tar.`,
    );
  const { digest: configDigest, size } = readDescriptor(manifest['config']);
  if (size > configBytesMax)
    throw endpointsFailures.ImageBuildRefused('environmentId', "The base image's configuration is too large.");
  const opened = await registry.openBlob(grants.pull, registryId, base.repository, configDigest);
  const config = readObject(await collect(opened.stream));
  const rootfs = config['rootfs'] as { readonly diff_ids?: unknown } | undefined; // each use below is checked
  const diffIds = Array.isArray(rootfs?.diff_ids) ? rootfs.diff_ids.map(String) : [];
  if (diffIds.length !== layers.length)
    throw endpointsFailures.ImageBuildRefused(
      'environmentId',
      "The base image's configuration does not describe its layers.",
    );
  for (const { digest } of layers) {
    if (await registry.hasBlob(grants.pull, registryId, at.repository, digest)) continue;
    const { stream } = await registry.openBlob(grants.pull, registryId, base.repository, digest);
    await registry.pushBlob(grants.push, registryId, at.repository, stream, digest);
  }
  const { architecture, os } = config;
  return {
    layers,
    diffIds,
    platform: {
      ...(typeof architecture === 'string' ? { architecture } : {}),
      ...(typeof os === 'string' ? { os } : {}),
    },
    environment: environmentIn(config['config']),
  };
}

function environmentIn(value: unknown): readonly string[] {
  const given = typeof value === 'object' && value !== null && 'Env' in value ? value.Env : [];
  const isVariable = (each: unknown) => typeof each === 'string' && /^[^=\0]+=[^\0]*$/.test(each);
  // An image without variables may say null.
  if (given === null) return [];
  if (!Array.isArray(given) || given.length > variablesMax || !given.every(isVariable)) throw unreadable();
  return given as readonly string[]; // each was checked
}

async function collect(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += (chunk as Buffer).length; // binary streams give buffers
    if (size > configBytesMax) throw new Error('a configuration is larger than its descriptor says');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

function readObject(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value = parseJson(bytes);
    if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>; // an object, just checked
  } catch {
    // Not JSON: as unreadable as another value.
  }
  throw unreadable();
}

function readDescriptor(value: unknown): Descriptor {
  const { mediaType, digest, size } = (value ?? {}) as Readonly<Record<string, unknown>>; // each is checked below
  if (
    typeof mediaType !== 'string' ||
    typeof digest !== 'string' ||
    !/^sha256:[0-9a-f]{64}$/.test(digest) ||
    typeof size !== 'number' ||
    !Number.isSafeInteger(size)
  )
    throw unreadable();
  return { mediaType, digest, size };
}

const unreadable = (): Failure =>
  endpointsFailures.ImageBuildRefused(
    'environmentId',
    'The manifest or configuration of the base image is not readable.',
  );
