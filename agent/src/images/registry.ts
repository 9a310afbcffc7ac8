// Images in the server's registry, as a node takes them: by digest, with the token of the work that names them. Promises that
// nothing is parsed or kept whose digest was not seen to be the one that was named, and that what comes is bounded.

import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** Named by work: the repository with its registry's name before it. */
export interface ImageName {
  readonly repository: string;
  readonly digest: string;
}

export interface Layer {
  readonly digest: string;
  readonly size: number;
  readonly gzip: boolean;
}

export interface Manifest {
  readonly config: { readonly digest: string; readonly size: number };
  readonly layers: readonly Layer[];
}

export interface ImageRegistry {
  /** Also what tells whether this token may have the image at all. Rejects with an `ImageRefused`. */
  manifest(name: ImageName, token: string, signal: AbortSignal): Promise<Manifest>;
  /** `NAME=value` of the image's configuration, which must be for this machine where `isRoot`. */
  environment(
    name: ImageName,
    manifest: Manifest,
    token: string,
    isRoot: boolean,
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, string>>>;
  layer(name: ImageName, layer: Layer, token: string, path: string, signal: AbortSignal): Promise<void>;
  close(): void;
}

/** The image cannot be had, in words for who submitted the work. */
export class ImageRefused extends Error {
  /** It is the token, or the way to the server: somebody else's may fare better. */
  readonly isOwn: boolean;
  constructor(message: string, isOwn = false) {
    super(message);
    this.isOwn = isOwn;
  }
}

const MANIFEST_BYTES = 4 * 1024 * 1024;
const CONFIG_BYTES = 4 * 1024 * 1024;
const LAYERS_MAX = 128;
const VARIABLES_MAX = 500;
const VARIABLES_BYTES = 256 * 1024;
const ATTEMPTS = 4;
const PAUSE_MS = 250;
const SILENCE_MS = 60_000;
const MANIFEST_TYPES = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
] as const;
/** Media type → whether it is gzip'd. */
const LAYER_TYPES: ReadonlyMap<string, boolean> = new Map([
  ['application/vnd.oci.image.layer.v1.tar', false],
  ['application/vnd.oci.image.layer.v1.tar+gzip', true],
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', true],
]);
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const REPOSITORY = /^[a-z0-9]+(?:[._/-]+[a-z0-9]+)*$/;

type Fields = Readonly<Record<string, unknown>>;
const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};

function parse(bytes: Buffer, what: string): Fields {
  try {
    return fieldsOf(JSON.parse(bytes.toString('utf8')));
  } catch {
    throw new ImageRefused(`The image's ${what} is not JSON.`);
  }
}

function descriptor(value: unknown): { readonly digest: string; readonly size: number; readonly mediaType: string } {
  const { digest, size, mediaType } = fieldsOf(value);
  if (typeof digest !== 'string' || !DIGEST.test(digest) || !Number.isSafeInteger(size) || (size as number) < 0)
    throw new ImageRefused('The image has a part without a proper digest and size.');
  return { digest, size: size as number, mediaType: String(mediaType) }; // a whole number, just checked
}

/** @param bytes whose digest was verified */
export function readManifest(bytes: Buffer): Manifest {
  const { config, layers } = parse(bytes, 'manifest');
  if (!Array.isArray(layers) || layers.length === 0 || layers.length > LAYERS_MAX)
    throw new ImageRefused(`The image has to have 1 to ${LAYERS_MAX} layers. Squash them where there are more.`);
  return {
    config: descriptor(config),
    layers: layers.map((each: unknown) => {
      const { digest, size, mediaType } = descriptor(each);
      const gzip = LAYER_TYPES.get(mediaType);
      if (gzip === undefined)
        throw new ImageRefused(
          'The image has a layer of a type that is not supported: layers are tar or gzip (skopeo copy --dest-compress-format gzip).',
        );
      return { digest, size, gzip };
    }),
  };
}

/** @param bytes whose digest was verified */
function readEnvironment(bytes: Buffer, isRoot: boolean, arch: string): Readonly<Record<string, string>> {
  const { architecture, os, config } = parse(bytes, 'configuration');
  const own = ARCHITECTURES[arch];
  if (isRoot && (architecture !== own || os !== 'linux'))
    throw new ImageRefused(
      `The image is for ${printable(os)}/${printable(architecture)} and this node is linux/${own}. Copy the one for linux/${own} (skopeo copy --override-arch ${own}).`,
    );
  const { Env: given = [] } = fieldsOf(config);
  const variables = given ?? [];
  const isVariable = (each: unknown): each is string => typeof each === 'string' && /^[^=\0]+=[^\0]*$/.test(each);
  if (!Array.isArray(variables) || variables.length > VARIABLES_MAX || !variables.every(isVariable))
    throw new ImageRefused("The image's configuration has variables that are none.");
  if (Buffer.byteLength(variables.join('')) > VARIABLES_BYTES)
    throw new ImageRefused("The image's configuration has variables that are too long.");
  return Object.fromEntries(
    variables.map((each) => [each.slice(0, each.indexOf('=')), each.slice(each.indexOf('=') + 1)]),
  );
}

const printable = (value: unknown): string =>
  typeof value === 'string' && /^[a-z0-9_-]{1,32}$/i.test(value) ? value : 'another system';

/** Of the server that the agent serves, whose authority is the only one that is trusted. */
export function createImageRegistry(options: {
  readonly url: string;
  readonly caPem: string;
  readonly arch?: string;
}): ImageRegistry {
  const { url, caPem, arch = process.arch } = options;
  const connections = new Agent({ keepAlive: true, maxSockets: 16, ca: caPem, minVersion: 'TLSv1.2' });

  function open(path: string, token: string, accept: string, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const sent = request(
        new URL(path, url),
        { agent: connections, signal, headers: { authorization: `Bearer ${token}`, accept } },
        resolve,
      );
      sent.setTimeout(SILENCE_MS, () => sent.destroy(new Error('the server is silent')));
      sent.on('error', reject);
      sent.end();
    });
  }

  /** Streams what has this digest and at most these bytes to `take`; again where the connection or the server fails. */
  async function exchange<T>(
    path: string,
    token: string,
    accept: string,
    signal: AbortSignal,
    take: (response: IncomingMessage) => Promise<T>,
  ): Promise<T> {
    let problem = '';
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * 2 ** attempt));
      signal.throwIfAborted();
      try {
        const response = await open(path, token, accept, signal);
        const status = response.statusCode ?? 0;
        if (status === 200) return await take(response);
        response.destroy();
        problem = `Strongroom answered ${status}.`;
        if (status < 500 && status !== 408 && status !== 429) break;
      } catch (error) {
        if (error instanceof ImageRefused || signal.aborted) throw error;
        if (isOfDisk(error)) throw new ImageRefused(`This node cannot keep the image: ${messageOf(error)}.`);
        problem = `The connection failed: ${messageOf(error)}.`;
      }
    }
    throw new ImageRefused(problem, true);
  }

  function digesting(digest: string, most: number): Transform {
    const hash = createHash('sha256');
    let size = 0;
    return new Transform({
      transform(chunk: Buffer, _encoding, done) {
        size += chunk.length;
        hash.update(chunk);
        done(size > most ? new ImageRefused('A part of the image is larger than announced.') : null, chunk);
      },
      flush(done) {
        const isIt = `sha256:${hash.digest('hex')}` === digest;
        done(isIt ? null : new ImageRefused('A part of the image does not have the digest that it is named by.'));
      },
    });
  }

  function whole(path: string, token: string, accept: string, digest: string, most: number, signal: AbortSignal) {
    return exchange(path, token, accept, signal, async (response) => {
      const chunks: Buffer[] = [];
      await pipeline(response, digesting(digest, most), async (source: AsyncIterable<Buffer>) => {
        for await (const chunk of source) chunks.push(chunk);
      });
      return Buffer.concat(chunks);
    });
  }

  const at = ({ repository }: ImageName) => `/v2/${repository}`;
  const told = (what: string) => (error: unknown) => {
    if (error instanceof ImageRefused && error.isOwn)
      throw new ImageRefused(`${what} could not be fetched. ${error.message}`, true);
    throw error;
  };

  return {
    async manifest(name, token, signal) {
      if (!DIGEST.test(name.digest) || !REPOSITORY.test(name.repository))
        throw new ImageRefused('The image must be named by a repository and a sha256 digest.');
      const path = `${at(name)}/manifests/${name.digest}`;
      return readManifest(
        await whole(path, token, MANIFEST_TYPES.join(', '), name.digest, MANIFEST_BYTES, signal).catch(
          told("The image's manifest"),
        ),
      );
    },
    async environment(name, { config: { digest, size } }, token, isRoot, signal) {
      if (size > CONFIG_BYTES) throw new ImageRefused("The image's configuration is too large.");
      const bytes = await whole(`${at(name)}/blobs/${digest}`, token, '*/*', digest, size, signal).catch(
        told("The image's configuration"),
      );
      return readEnvironment(bytes, isRoot, arch);
    },
    layer: (name, { digest, size }, token, path, signal) =>
      exchange(`${at(name)}/blobs/${digest}`, token, '*/*', signal, (response) =>
        // Anew for each attempt. What is not the layer is never read: it is removed with the folder that it lies in.
        pipeline(response, digesting(digest, size), createWriteStream(path, { mode: 0o444 }), { signal }),
      ).catch(told('A layer of the image')),
    close: () => connections.destroy(),
  };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const isOfDisk = (error: unknown): boolean =>
  error instanceof Error &&
  'code' in error &&
  ['ENOSPC', 'EDQUOT', 'EACCES', 'EROFS', 'EIO'].includes(String(error.code));
