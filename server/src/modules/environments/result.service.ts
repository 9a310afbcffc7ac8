// Takes what a build sends: the tree of its environment as one archive. It was made by code of strangers, so every entry is looked
// at and written anew into the layer of an image, in the order in which it must come and without times and owners; what was
// installed is believed only as far as this server has handed it to that very build.

import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { OfferedPython } from '@strongroom/contract/agent';
import { registryActions } from '@strongroom/contract/registry.actions';
import tar from 'tar-stream';
import type { Images, TarEntry } from '#images';
import type { Action, Grant, Grants } from '#kernel/authority/grant';
import { sha256Hex } from '#kernel/crypto/digest';
import { Failure } from '#kernel/errors/failure';
import { parseJson } from '#kernel/input/json';
import { validate } from '#kernel/input/validate';
import { mediaTypes } from '#registry';
import type { Workspaces } from '#workspaces';
import { billOf, bomType, checkLock, type Lock, lockSchema } from './bill.rules.ts';
import { environmentsDuties } from './duties.ts';
import { environmentsFailures } from './environments.errors.ts';
import type { EnvironmentsService } from './environments.service.ts';
import type { BuildOf, EnvironmentRegistry } from './environments.types.ts';
import { keyOfBuild, type Packages } from './packages.service.ts';

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
  readonly packages: Pick<Packages, 'given' | 'forget'>;
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
        if (abi === undefined) throw refuse(`no node has the Python ${recipe.python} any more that it was made with`);
        const registryId = workspace.containerRegistry;
        const repository = `environments/${of.build.slice('prepare-image-'.length)}`;
        await deps.keep(of, { registry: registryId, repository, workspace: workspace.uniqueId });
        const as = (action: Action) =>
          workspaces.asIdentity(workspace, action, registryId, 'keep the environment of a job');
        const push = as(registryActions.push);
        let lock: Lock | undefined;
        const built = await images.build(
          { push, pull: as(registryActions.pull) },
          { registryId, repository },
          {
            layers: [
              entriesOf(archive, (found) => {
                lock = found;
              }),
            ],
            environment: ['PATH=/env/bin:/usr/local/bin:/usr/bin:/bin', 'VIRTUAL_ENV=/env'],
            workingDir: '/',
            annotations: { 'io.strongroom.python': recipe.python, 'io.strongroom.abi': abi },
            base: undefined,
          },
        );
        if (lock === undefined) throw refuse('it does not say what was installed');
        if (lock.python !== recipe.python || lock.abi !== abi)
          throw refuse('it is for another Python than the recipe and the nodes have');
        const given = deps.packages.given(key);
        checkLock(lock, given);
        const { bytes } = await registry.getManifest(as(registryActions.pull), registryId, repository, built.digest);
        const image = { digest: built.digest, size: bytes.length };
        const bill = billOf(lock, given, { repository, digest: built.digest });
        await attachBill(push, { registryId, repository }, image, bill);
        const result = {
          registry: registryId,
          repository,
          digest: built.digest,
          lock: JSON.stringify(lock),
          built_by: of.build,
        };
        if (!(await environments.take(of.workspaceId, of.build, result))) throw environmentsFailures.ResultTaken();
        deps.packages.forget(key);
        return { digest: built.digest };
      } finally {
        taking.delete(key);
        archive.destroy();
      }
    },
  };
}

/** The entries of the archive, each as it may stand in an image. They must be consumed one by one. */
async function* entriesOf(archive: Readable, onLock: (lock: Lock) => void): AsyncGenerator<TarEntry> {
  const extract = tar.extract();
  archive.on('error', (error) => extract.destroy(error));
  archive.pipe(extract);
  let before: Buffer | undefined;
  let entries = 0;
  try {
    for await (const entry of extract) {
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
  } catch (thrown) {
    if (thrown instanceof Failure) throw thrown;
    throw refuse('it is no archive, or it ended early');
  } finally {
    extract.destroy();
    await finished(archive, { readable: true }).catch(() => undefined);
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
