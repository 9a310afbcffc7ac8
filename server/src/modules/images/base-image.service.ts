// The image that an environment brings, as far as a new image is built on top of it: its layers, which the new repository
// must hold too, and what its configuration says of the platform. It was pushed by somebody: everything in it is checked.

import type { Readable } from 'node:stream';
import { nodePython } from '@strongroom/contract/assets';
import type { Grant } from '#kernel/authority/grant';
import { asFailure, type Failure } from '#kernel/errors/failure';
import { parseResourceId } from '#kernel/ids/ids';
import { parseJson } from '#kernel/input/json';
import { mediaTypes } from '#registry';
import { imagesFailures } from './images.errors.ts';
import type { ImageRegistry } from './images.types.ts';

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
  /** What else it says, as it stands. */
  readonly config: Readonly<Record<string, unknown>>;
};

/** Repository and tag or digest, below one registry. */
export type BaseName = { readonly repository: string; readonly reference: string };

/** Whether an image is named as one of this registry, properly or not. */
export function isNamedIn(registryId: string, domain: string, image: string): boolean {
  return image.startsWith(`${domain}/`) || image.startsWith(`${parseResourceId(registryId).name.toLowerCase()}/`);
}

/** Repository (below its registry) and tag or digest of a base image, which must lie in the workspace's own registry. */
export function baseImageIn(registryId: string, domain: string, image: string): BaseName {
  const registry = parseResourceId(registryId).name.toLowerCase();
  const path = image.startsWith(`${domain}/`) ? image.slice(domain.length + 1) : image;
  const found = /^([a-z0-9][a-z0-9._/-]{0,254})(?:@(sha256:[0-9a-f]{64})|:([\w][\w.-]{0,127}))$/.exec(path);
  const repository = found?.[1];
  const reference = found?.[2] ?? found?.[3];
  if (repository?.startsWith(`${registry}/`) === true && reference !== undefined)
    return { repository: repository.slice(registry.length + 1), reference };
  throw imagesFailures.baseImageElsewhere(registry, nodePython);
}

/** What an image of the registry says of itself. */
export async function readBase(
  registry: ImageRegistry,
  pull: Grant,
  registryId: string,
  base: BaseName,
): Promise<Base> {
  const found = await registry
    .getManifest(pull, registryId, base.repository, base.reference)
    .catch((thrown: unknown) => {
      const failure = asFailure(thrown);
      if (failure.kind !== 'notFound') throw failure;
      throw imagesFailures.baseImageMissing(base.repository);
    });
  const { config } = partsOf(found.mediaType, found.bytes);
  const opened = await registry.openBlob(pull, registryId, base.repository, config.digest);
  return baseIn(found.mediaType, found.bytes, await collect(opened.stream));
}

function partsOf(mediaType: string, bytes: Uint8Array) {
  if (mediaType !== mediaTypes.ociManifest && mediaType !== mediaTypes.dockerManifest)
    throw imagesFailures.baseImageIsIndex();
  const manifest = readObject(bytes);
  const layers = Array.isArray(manifest['layers']) ? manifest['layers'].map(readDescriptor) : [];
  if (layers.length === 0 || layers.length > layersMax || layers.some((each) => !layerTypes.includes(each.mediaType)))
    throw imagesFailures.baseImageLayers(layersMax);
  const config = readDescriptor(manifest['config']);
  if (config.size > configBytesMax) throw imagesFailures.baseImageTooLarge();
  return { layers, config };
}

/** What an image says of itself, from its manifest and its configuration. */
export function baseIn(mediaType: string, manifest: Uint8Array, configBytes: Uint8Array): Base {
  const { layers } = partsOf(mediaType, manifest);
  const config = readObject(configBytes);
  const rootfs = config['rootfs'] as { readonly diff_ids?: unknown } | undefined; // each use below is checked
  const diffIds: readonly unknown[] = Array.isArray(rootfs?.diff_ids) ? rootfs.diff_ids : [];
  if (diffIds.length !== layers.length || !diffIds.every(isDigest)) throw imagesFailures.baseImageUndescribed();
  const { architecture, os, config: said } = config;
  return {
    layers,
    diffIds,
    platform: {
      ...(typeof architecture === 'string' ? { architecture } : {}),
      ...(typeof os === 'string' ? { os } : {}),
    },
    environment: environmentIn(said),
    config: typeof said === 'object' && said !== null ? (said as Readonly<Record<string, unknown>>) : {}, // each use is checked
  };
}

/** The layers of a base image of the same registry, present in the new image's repository too. */
export async function takeBase(
  registry: ImageRegistry,
  grants: { readonly push: Grant; readonly pull: Grant },
  at: { readonly registryId: string; readonly repository: string },
  base: BaseName,
): Promise<Base> {
  const { registryId } = at;
  const found = await readBase(registry, grants.pull, registryId, base);
  for (const { digest } of found.layers) {
    if (await registry.hasBlob(grants.pull, registryId, at.repository, digest)) continue;
    const { stream } = await registry.openBlob(grants.pull, registryId, base.repository, digest);
    await registry.pushBlob(grants.push, registryId, at.repository, stream, digest);
  }
  return found;
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

const isDigest = (value: unknown): value is string => typeof value === 'string' && /^sha256:[0-9a-f]{64}$/.test(value);

function readDescriptor(value: unknown): Descriptor {
  const { mediaType, digest, size } = (value ?? {}) as Readonly<Record<string, unknown>>; // each is checked below
  if (
    typeof mediaType !== 'string' ||
    !isDigest(digest) ||
    typeof size !== 'number' ||
    !Number.isSafeInteger(size) ||
    size < 0
  )
    throw unreadable();
  return { mediaType, digest, size };
}

const unreadable = (): Failure => imagesFailures.baseImageUnreadable();
