// Images of other registries: which are permitted, what a name means at this moment, and copying one into a repository of ours.
// Promises that nothing is asked of a registry that the operator has not named, and that an image is there whole or not at all: its
// manifest is put last, by the digest that it was asked by. What arrived whole before something went wrong is not asked for again.

import type { Readable } from 'node:stream';
import type { Grant } from '#kernel/authority/grant';
import { asFailure, Failure } from '#kernel/errors/failure';
import { parseJson } from '#kernel/input/json';
import { mediaTypes, type Registry } from '#registry';
import { alsoOf, type RegistryRule, registryClosed, type Workspace } from '#workspaces';
import { chosenOf, type Descriptor, listedIn, otherPlatform, wrongIn } from './contents.rules.ts';
import type { FetchUpstream } from './fetch.port.ts';
import { type ImageName, isDigest, type Source, textOfImage } from './image-name.rules.ts';
import { importsFailures } from './imports.errors.ts';
import { createSlots } from './slots.rules.ts';
import {
  type FoundManifest,
  openUpstream,
  type Upstream,
  type UpstreamBounds,
  upstreamBounds,
} from './upstream.service.ts';

export type ImportRegistry = Pick<Registry, 'hasBlob' | 'mountBlob' | 'pushBlob' | 'putManifest'>;

export type Described = {
  /** Of the manifest of the nodes' platform, which may be another than that of the source. */
  readonly digest: string;
  readonly mediaType: string;
  readonly manifest: Uint8Array;
  readonly config: Uint8Array;
};

export type Copied = { readonly digest: string; readonly bytes: number; readonly fetchedBytes: number };

export type Imports = {
  /** What stands in the way of an image of this workspace, as the operator and the workspace say now. */
  closedTo(
    workspace: Pick<Workspace, 'imageRegistries'>,
    image: Pick<ImageName, 'host' | 'repository'>,
  ): ReturnType<typeof registryClosed>;
  /** What a name means at this moment. A digest means itself, and asks nobody. Throws `invalid` for what is not there or not taken. */
  fix(image: ImageName): Promise<Source>;
  /** What an image says of itself. Throws like `fix`. */
  describe(source: Source): Promise<Described>;
  /**
   * Into a repository of ours. May be called again after whatever went wrong. Throws `invalid` for what would go wrong again.
   * @param near repositories that may hold some of its layers already: what was copied before, of the same registry
   */
  copy(
    grants: { readonly push: Grant; readonly pull: Grant },
    at: { readonly registryId: string; readonly repository: string },
    source: Source,
    options: { readonly near: readonly string[]; readonly signal: AbortSignal },
  ): Promise<Copied>;
};

/** For all of one image, however it comes. */
const copyMs = 4 * 3_600_000;

export function createImports(deps: {
  readonly registry: ImportRegistry;
  readonly fetch: FetchUpstream;
  readonly rules: readonly RegistryRule[];
  /** Bytes that one image may have, compressed as it comes. */
  readonly imageBytes: number;
  readonly bounds?: UpstreamBounds;
}): Imports {
  const { registry, rules, bounds = upstreamBounds } = deps;

  /** What is asked while somebody's request waits for it. */
  const asking = createSlots({ most: 16, each: 8, waiting: 8, waitingOfAll: 32 });
  async function soon<R>(image: ImageName, ask: (upstream: Upstream) => Promise<R>): Promise<R> {
    const signal = AbortSignal.timeout(2 * bounds.documentMs);
    const asked = await asking.take(image.host, signal, () => ask(open(image, signal)));
    if (asked === undefined) throw importsFailures.RegistryBusy(textOfImage(image));
    return asked.done;
  }

  const open = (image: ImageName, signal: AbortSignal): Upstream =>
    openUpstream(deps.fetch, image, { hosts: alsoOf(rules, image), signal, bounds });

  const isManifest = (mediaType: string): boolean =>
    mediaType === mediaTypes.ociManifest || mediaType === mediaTypes.dockerManifest;

  /** Of what was found, the digest of the manifest that is for the nodes. A list in a list is none of them, so that nothing goes round. */
  function chosen(name: string, found: FoundManifest): string {
    if (isManifest(found.read.mediaType)) {
      check(name, found);
      return found.digest;
    }
    const choice = chosenOf(listedIn(found.document), isManifest);
    if (typeof choice === 'string') throw importsFailures.ImageNotTaken(name, choice);
    return choice.digest;
  }

  function partsOf({ read }: FoundManifest): { readonly config: Descriptor; readonly layers: readonly Descriptor[] } {
    const [config, ...layers] = read.blobs;
    if (config === undefined) throw new Error('a manifest was read without its configuration');
    return { config, layers };
  }

  function check(name: string, found: FoundManifest): void {
    const { config, layers } = partsOf(found);
    const wrong = wrongIn(config, layers, deps.imageBytes);
    if (wrong !== undefined) throw importsFailures.ImageNotTaken(name, wrong);
  }

  /** The manifest of the nodes' platform, and its configuration. */
  async function look(upstream: Upstream, source: Source) {
    const name = textOfImage({ ...source, reference: source.digest });
    const first = await upstream.manifest(source.digest);
    const digest = chosen(name, first);
    const found = digest === first.digest ? first : await upstream.manifest(digest);
    if (!isManifest(found.read.mediaType))
      throw importsFailures.ImageNotTaken(name, 'what its list of platforms names as a manifest is none');
    check(name, found);
    const config = await upstream.document(partsOf(found).config);
    const other = otherPlatform(readConfig(name, config));
    if (other !== undefined) throw importsFailures.ImageNotTaken(name, other);
    return { found, config };
  }

  return {
    closedTo: ({ imageRegistries }, image) => registryClosed(rules, imageRegistries, image),
    async fix(image) {
      const { host, repository, reference } = image;
      if (isDigest(reference)) return { host, repository, digest: reference };
      const found = await soon(image, (upstream) => upstream.manifest(reference));
      chosen(textOfImage(image), found);
      return { host, repository, digest: found.digest };
    },
    async describe(source) {
      const image = { ...source, reference: source.digest };
      const { found, config } = await soon(image, (upstream) => look(upstream, source));
      return { digest: found.digest, mediaType: found.read.mediaType, manifest: found.bytes, config };
    },
    async copy(grants, { registryId, repository }, source, { near, signal }) {
      const until = AbortSignal.any([signal, AbortSignal.timeout(copyMs)]);
      const upstream = open({ ...source, reference: source.digest }, until);
      const { found, config } = await look(upstream, source);
      const parts = partsOf(found);
      let fetchedBytes = config.length;

      async function layer(descriptor: Descriptor): Promise<void> {
        const { digest, size } = descriptor;
        // Asked for anew each time: what somebody asked for is not swept away before the manifest mentions it.
        if (await registry.hasBlob(grants.pull, registryId, repository, digest)) return;
        for (const from of near) if (await registry.mountBlob(grants, registryId, from, repository, digest)) return;
        const stream = upstream.blob(descriptor);
        await pushed(stream, descriptor);
        fetchedBytes += size;
      }

      async function pushed(stream: Readable, descriptor: Descriptor): Promise<void> {
        let cause: unknown;
        stream.on('error', (error) => {
          cause ??= error;
        });
        try {
          await registry.pushBlob(grants.push, registryId, repository, stream, descriptor.digest);
        } catch (thrown) {
          // What made it end is what is told, and not that it has ended early.
          const failure = cause instanceof Failure ? cause : asFailure(thrown);
          throw failure.code === 'DIGEST_INVALID' ? upstream.differs(descriptor) : failure;
        }
      }

      for (const each of parts.layers) await layer(each);
      await registry.pushBlob(grants.push, registryId, repository, config, parts.config.digest);
      const { digest } = await registry.putManifest(
        grants.push,
        registryId,
        repository,
        found.digest,
        found.read.mediaType,
        found.bytes,
      );
      const bytes = found.read.blobs.reduce((sum, { size }) => sum + size, found.bytes.length);
      return { digest, bytes, fetchedBytes };
    },
  };
}

function readConfig(name: string, bytes: Uint8Array): unknown {
  try {
    return parseJson(bytes);
  } catch {
    throw importsFailures.ImageNotTaken(name, 'its configuration is not JSON');
  }
}
