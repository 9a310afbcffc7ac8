// Takes what a build sends: the tree of its environment as one archive. It was made by code of strangers, so every entry is looked
// at and written anew into the layer of an image, in the order in which it must come and without times and owners; what was
// installed is believed only as far as this server has handed it to that very build.

import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { OfferedPython } from '@strongroom/contract/agent';
import { registryActions } from '@strongroom/contract/registry.actions';
import tar from 'tar-stream';
import type { ImageInputs, Images, TarEntry } from '#images';
import type { Action, Grant, Grants } from '#kernel/authority/grant';
import { sha256Hex } from '#kernel/crypto/digest';
import { Failure } from '#kernel/errors/failure';
import { parseJson } from '#kernel/input/json';
import { validate } from '#kernel/input/validate';
import { mediaTypes } from '#registry';
import type { Workspaces } from '#workspaces';
import { billOf, bomType, checkLock, type Given, type Lock, lockSchema, packagesIn } from './bill.rules.ts';
import { createLayerReader, type LayerReader } from './context-layer.rules.ts';
import { type ContextRecipe, nodeEnvironment } from './contexts.service.ts';
import { environmentsDuties } from './duties.ts';
import { environmentsFailures } from './environments.errors.ts';
import type { EnvironmentsService } from './environments.service.ts';
import type { BuildOf, EnvironmentRegistry } from './environments.types.ts';
import { isOfContext } from './named-environments.service.ts';
import { keyOfBuild, type Packages } from './packages.service.ts';
import type { Recipe } from './recipe.rules.ts';

export const resultBytesMax = 6 * 1024 ** 3;
const entriesMax = 90_000;
const lockBytesMax = 4 * 1024 * 1024;
const lockPath = 'env/strongroom-lock.json';
const refuse = environmentsFailures.ResultRefused;

export type Results = {
  take(of: BuildOf, archive: Readable): Promise<{ readonly digest: string }>;
};

export function createResults(deps: {
  readonly environments: Pick<EnvironmentsService, 'recipeOf' | 'take' | 'hasSent'>;
  readonly packages: Pick<Packages, 'given' | 'isKnown'>;
  readonly workspaces: Workspaces;
  readonly images: Images;
  readonly registry: EnvironmentRegistry;
  readonly grants: Pick<Grants, 'duty'>;
  readonly pythons: () => Promise<readonly OfferedPython[]>;
  /** Told before anything is pushed. */
  readonly keep: (
    of: BuildOf,
    at: { readonly registry: string; readonly repository: string; readonly workspace: string },
  ) => Promise<void>;
}): Results {
  const { environments, workspaces, images, registry, grants } = deps;
  /** Those that are being taken: one at a time for each build. */
  const taking = new Set<string>();

  async function attachBill(
    push: Grant,
    at: { readonly registryId: string; readonly repository: string },
    image: { readonly digest: string; readonly size: number },
    bill: Buffer,
  ) {
    const { registryId, repository } = at;
    const empty = Buffer.from('{}');
    const stored = await registry.pushBlob(push, registryId, repository, bill);
    const config = await registry.pushBlob(push, registryId, repository, empty);
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaTypes.ociManifest,
        artifactType: bomType,
        config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: config.digest, size: empty.length },
        layers: [{ mediaType: bomType, digest: stored.digest, size: bill.length }],
        subject: { mediaType: mediaTypes.ociManifest, digest: image.digest, size: image.size },
      }),
    );
    await registry.putManifest(
      push,
      registryId,
      repository,
      `sha256:${sha256Hex(manifest)}`,
      mediaTypes.ociManifest,
      manifest,
    );
  }

  return {
    async take(of, archive) {
      const key = keyOfBuild(of);
      const recipe = await environments.recipeOf(of.workspaceId, of.build);
      if (recipe === undefined) throw environmentsFailures.NotABuild();
      if (taking.has(key) || (await environments.hasSent(of.workspaceId, of.build)))
        throw environmentsFailures.ResultTaken();
      taking.add(key);
      try {
        const workspace = await workspaces.get(grants.duty(environmentsDuties.prepare, of.workspaceId), of.workspaceId);
        // What the nodes say of themselves, and not what the build says of its interpreter.
        const abi = (await deps.pythons()).find(({ version }) => version === recipe.python)?.abi;
        if (abi === undefined && recipe.python !== undefined)
          throw refuse(`no node has the Python ${recipe.python} any more that it was made with`);
        const registryId = workspace.containerRegistry;
        const repository = `environments/${of.build.slice('prepare-image-'.length)}`;
        await deps.keep(of, { registry: registryId, repository, workspace: workspace.uniqueId });
        const as = (action: Action) =>
          workspaces.asIdentity(workspace, action, registryId, 'keep the environment of a job');
        const push = as(registryActions.push);
        const pull = as(registryActions.pull);
        if (isOfContext(recipe) && !deps.packages.isKnown(key))
          throw refuse(
            'the server was started anew since it began, and does not know what it was given. Submit the job again',
          );
        const given = deps.packages.given(key);
        const { inputs, lockOf } = isOfContext(recipe)
          ? ofContext(recipe, abi, archive, given)
          : ofPackages(recipe, abi ?? '', archive, given);
        const built = await images.build({ push, pull }, { registryId, repository }, inputs);
        const { bytes } = await registry.getManifest(pull, registryId, repository, built.digest);
        const lock = lockOf(lastLayerOf(bytes));
        const on = isOfContext(recipe) ? { base: recipe.base } : undefined;
        const bill = billOf(lock, given, { repository, digest: built.digest }, on);
        await attachBill(push, { registryId, repository }, { digest: built.digest, size: bytes.length }, bill);
        const result = {
          registry: registryId,
          repository,
          digest: built.digest,
          lock: JSON.stringify(lock),
          built_by: of.build,
        };
        if (!(await environments.take(of.workspaceId, of.build, result))) throw environmentsFailures.ResultTaken();
        return { digest: built.digest };
      } finally {
        taking.delete(key);
        archive.destroy();
      }
    },
  };
}

type GivenFiles = ReadonlyMap<string, Given>;
/** What the image is made of; and, once it is made, what was installed. Throws `invalid` where that is not so. */
type Making = { readonly inputs: ImageInputs; readonly lockOf: (layerBytes: number) => Lock };

function ofPackages(recipe: Recipe, abi: string, archive: Readable, given: GivenFiles): Making {
  let lock: Lock | undefined;
  const inputs = {
    layers: [
      entriesOf(archive, (found) => {
        lock = found;
      }),
    ],
    environment: variablesOf(nodeEnvironment),
    workingDir: '/',
    annotations: annotationsOf(recipe.python, abi),
    base: undefined,
  };
  const lockOf = () => {
    if (lock === undefined) throw refuse('it does not say what was installed');
    if (lock.python !== recipe.python || lock.abi !== abi)
      throw refuse('it is for another Python than the recipe and the nodes have');
    checkLock(lock, given);
    return lock;
  };
  return { inputs, lockOf };
}

/** Of what commands of a Dockerfile have left nothing is believed but that it is there: packages are those that it was given. */
function ofContext(recipe: ContextRecipe, abi: string | undefined, archive: Readable, given: GivenFiles): Making {
  const { python, base, environment, workingDir, config, builder } = recipe;
  const reader = createLayerReader(base === undefined ? 'node' : 'image');
  const inputs = {
    layers: [layerOf(archive, reader)],
    environment: variablesOf(base === undefined ? { ...nodeEnvironment, ...environment } : environment),
    workingDir,
    config,
    annotations: abi === undefined || python === undefined ? {} : annotationsOf(python, abi),
    base: base && { repository: base.repository, reference: base.digest },
  };
  const lockOf = (layerBytes: number): Lock => {
    reader.checkRatio(layerBytes);
    return {
      python: python ?? '',
      ...(abi === undefined ? {} : { abi }),
      builder,
      packages: packagesIn(given),
      links: reader.links(),
      variables: environment,
    };
  };
  return { inputs, lockOf };
}

/** How large the layer is that was just made: the manifest is this server's own. */
const lastLayerOf = (manifest: Uint8Array): number =>
  (JSON.parse(Buffer.from(manifest).toString('utf8')) as { layers: { size: number }[] }).layers.at(-1)?.size ?? 0;

const variablesOf = (environment: Readonly<Record<string, string>>): readonly string[] =>
  Object.entries(environment).map(([name, value]) => `${name}=${value}`);
const annotationsOf = (python: string, abi: string) => ({ 'io.strongroom.python': python, 'io.strongroom.abi': abi });

/** They must be consumed one by one. */
async function* layerOf(archive: Readable, reader: LayerReader): AsyncGenerator<TarEntry> {
  for await (const entry of headersIn(archive)) {
    const { name, type, size = 0, mode = 0, linkname } = entry.header;
    const content = entry as AsyncIterable<Uint8Array>;
    const read = reader.read({ name, type, size, mode, linkname, content });
    if (read.content !== content) entry.resume();
    yield read;
  }
}

type Header = tar.Extract extends AsyncIterable<infer Entry> ? Entry : never;

async function* headersIn(archive: Readable): AsyncGenerator<Header> {
  const extract = tar.extract();
  archive.on('error', (error) => extract.destroy(error));
  archive.pipe(extract);
  try {
    for await (const entry of extract) yield entry;
  } catch (thrown) {
    if (thrown instanceof Failure) throw thrown;
    throw refuse('it is no archive, or it ended early');
  } finally {
    extract.destroy();
    await finished(archive, { readable: true }).catch(() => undefined);
  }
}

/** The entries of the archive, each as it may stand in an image. They must be consumed one by one. */
async function* entriesOf(archive: Readable, onLock: (lock: Lock) => void): AsyncGenerator<TarEntry> {
  let before: Buffer | undefined;
  let entries = 0;
  for await (const entry of headersIn(archive)) {
    const { name, type, size = 0, mode = 0, linkname } = entry.header;
    entries += 1;
    if (entries > entriesMax) throw refuse(`it has more than ${entriesMax} files`);
    if (type !== 'file' && type !== 'contiguous-file') throw refuse('it holds something else than files');
    if (linkname) throw refuse('it holds a link');
    if (!name.startsWith('env/')) throw refuse('it holds a file outside of the environment');
    const bytes = Buffer.from(name);
    if (before !== undefined && Buffer.compare(before, bytes) >= 0) throw refuse('its files are not in order');
    before = bytes;
    if (/^env\/bin\/python[0-9.]*$/.test(name)) throw refuse('it brings an interpreter of its own');
    if (name !== lockPath) {
      yield {
        path: name,
        size,
        isExecutable: (mode & 0o100) !== 0,
        content: entry as AsyncIterable<Uint8Array>,
      };
      continue;
    }
    if (size > lockBytesMax) throw refuse('its list of packages is too long');
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    const content = Buffer.concat(chunks);
    onLock(lockIn(content));
    yield { path: name, size: content.length, isExecutable: false, content: [content] };
  }
}

function lockIn(bytes: Buffer): Lock {
  try {
    const value = parseJson(bytes);
    validate(lockSchema, value, 'body');
    return value as Lock; // the schema was checked just now
  } catch {
    throw refuse('its list of packages cannot be read');
  }
}
