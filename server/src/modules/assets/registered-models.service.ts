// The registry of models as other protocols use it: model containers and numbered model versions of the workspace, the very
// resources that Resource Manager serves. Every call goes through the resource manager, under the caller's own grant.

import type { Readable } from 'node:stream';
import type { Grant } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import type { Properties, Resource, Resources } from '#resources';
import { workspaceType } from '#workspaces';
import { assetsFailures } from './assets.errors.ts';
import { isNumber, type KeptOfVersion, keptOf, registryKey } from './registered.rules.ts';
import { digestOf, type Snapshots } from './snapshots.service.ts';

type Texts = Readonly<Record<string, string>>;
type Described = { readonly description: string; readonly tags: Texts };
type Named = Described & {
  readonly name: string;
  readonly createdBy: string;
  readonly createdMs: number;
  readonly changedMs: number;
};
type Model = Named & { readonly aliases: Texts };
type Version = Named & {
  readonly version: string;
  readonly stage: string | undefined;
  readonly source: string | undefined;
  readonly runId: string | undefined;
  readonly runLink: string | undefined;
  readonly modelId: string | undefined;
};
type NewVersion = Described & {
  readonly content: string;
  readonly source: string;
  readonly runId: string | undefined;
  readonly runLink: string | undefined;
  readonly modelId: string | undefined;
};

const modelsType = `${workspaceType}/models`;
const versionsType = `${modelsType}/versions`;
const listMax = 50_000;
/** Others may register under the numbers that were about to be given. */
const numbersTried = 20;

const modelIdOf = (workspaceId: string, name: string) => `${workspaceId}/models/${name}`;
const versionIdOf = (workspaceId: string, name: string, version: string) =>
  `${modelIdOf(workspaceId, name)}/versions/${version}`;

export type RegisteredModels = ReturnType<typeof createRegisteredModels>;

export function createRegisteredModels(deps: {
  readonly resources: Resources;
  readonly snapshots: Pick<Snapshots, 'hasFile' | 'filesBelow' | 'openFile'>;
  /** The digest of a version's content, and that the caller may read it. */
  readonly contentOf: (grant: Grant, versionId: string) => Promise<string>;
  readonly clock: Clock;
}) {
  const { resources, snapshots, contentOf, clock } = deps;

  /** A copy of another version is named as Azure names it; everything else by its own name. */
  function uriOf(workspaceId: string, content: string): string {
    const [, name, version] = /^models:\/([^/]+)\/(\d+)$/.exec(content) ?? [];
    return name === undefined || version === undefined ? content : versionIdOf(workspaceId, name, version);
  }

  /** The next number, which is the caller's alone. */
  async function takeNumber(grant: Grant, id: string): Promise<number> {
    const container = await resources.change(grant, id, (properties) => {
      const kept = keptOf(properties);
      return { ...properties, [registryKey]: { ...kept, lastNumber: kept.lastNumber + 1 } };
    });
    return keptOf(container.properties).lastNumber;
  }

  /** Unless another was taken behind it: then there is a gap, which does no harm. */
  const giveBack = (grant: Grant, id: string, number: number) =>
    resources.change(grant, id, (properties) => {
      const kept = keptOf(properties);
      return kept.lastNumber === number
        ? { ...properties, [registryKey]: { ...kept, lastNumber: number - 1 } }
        : properties;
    });

  async function make(grant: Grant, id: string, properties: Properties): Promise<Resource> {
    for (let tried = 0; tried < numbersTried; tried++) {
      const number = await takeNumber(grant, id);
      try {
        const made = await resources.create(grant, `${id}/versions/${number}`, { properties });
        if (made !== undefined) return made;
      } catch (thrown) {
        // What went wrong first is what is said.
        await giveBack(grant, id, number).catch(() => undefined);
        throw thrown;
      }
    }
    throw assetsFailures.othersRegistered();
  }

  return {
    async models(grant: Grant, workspaceId: string): Promise<readonly Model[]> {
      return (await resources.list(grant, { type: modelsType, under: workspaceId, limit: listMax })).map(modelOf);
    },

    async model(grant: Grant, workspaceId: string, name: string): Promise<Model | undefined> {
      const found = await resources.find(grant, modelIdOf(workspaceId, name));
      return found && modelOf(found);
    },

    async createModel(grant: Grant, workspaceId: string, name: string, input: Described): Promise<Model | undefined> {
      const made = await resources.create(grant, modelIdOf(workspaceId, name), { properties: { ...input } });
      return made && modelOf(made);
    },

    async changeModel(
      grant: Grant,
      workspaceId: string,
      name: string,
      change: (model: Model) => Partial<Described & { readonly aliases: Texts }>,
    ): Promise<Model> {
      const id = modelIdOf(workspaceId, name);
      const found = await resources.get(grant, id);
      const changed = await resources.change(grant, id, (properties) => {
        const { aliases, ...described } = change(modelOf({ ...found, properties }));
        const kept = keptOf(properties);
        return {
          ...properties,
          ...described,
          [registryKey]: { ...kept, ...(aliases && { aliases }), changedMs: clock.epochMs() },
        };
      });
      return modelOf(changed);
    },

    removeModel: (grant: Grant, workspaceId: string, name: string): Promise<void> =>
      resources.remove(grant, modelIdOf(workspaceId, name)),

    async versions(grant: Grant, workspaceId: string, name?: string): Promise<readonly Version[]> {
      const under = name === undefined ? workspaceId : modelIdOf(workspaceId, name);
      const found = await resources.list(grant, { type: versionsType, under, limit: listMax });
      return found.filter((one) => isNumber(one.name) && one.provisioningState === 'Succeeded').map(versionOf);
    },

    async version(grant: Grant, workspaceId: string, name: string, version: string): Promise<Version | undefined> {
      const found = await resources.find(grant, versionIdOf(workspaceId, name, version));
      return found?.provisioningState === 'Succeeded' ? versionOf(found) : undefined;
    },

    async createVersion(grant: Grant, workspaceId: string, name: string, input: NewVersion): Promise<Version> {
      const { content, source, runId, runLink, modelId, description, tags } = input;
      const id = modelIdOf(workspaceId, name);
      const made = await make(grant, id, {
        modelUri: uriOf(workspaceId, content),
        description,
        tags,
        ...(runId === undefined ? {} : { jobName: runId }),
      });
      const digest = digestOf(String(made.properties['snapshot']));
      const isMlflow = digest !== undefined && (await snapshots.hasFile(grant, workspaceId, digest, 'MLmodel'));
      const changedMs = clock.epochMs();
      const registered = await resources.change(grant, made.id, (properties) => ({
        ...properties,
        modelType: isMlflow ? 'mlflow_model' : 'custom_model',
        [registryKey]: { source, ...(runLink && { runLink }), ...(modelId && { modelId }), changedMs },
      }));
      await resources.change(grant, id, (properties) => ({
        ...properties,
        [registryKey]: { ...keptOf(properties), changedMs },
      }));
      return versionOf(registered);
    },

    async changeVersion(
      grant: Grant,
      workspaceId: string,
      name: string,
      version: string,
      change: (version: Version) => Partial<Described & { readonly stage: string | undefined }>,
    ): Promise<Version> {
      const id = versionIdOf(workspaceId, name, version);
      const found = await resources.get(grant, id);
      const changed = await resources.change(grant, id, (properties) => ({
        ...properties,
        ...change(versionOf({ ...found, properties })),
        [registryKey]: { ...(properties[registryKey] as KeptOfVersion | undefined), changedMs: clock.epochMs() },
      }));
      return versionOf(changed);
    },

    removeVersion: (grant: Grant, workspaceId: string, name: string, version: string): Promise<void> =>
      resources.remove(grant, versionIdOf(workspaceId, name, version)),

    files: async (grant: Grant, workspaceId: string, name: string, version: string, folder: string) =>
      snapshots.filesBelow(grant, workspaceId, await contentOf(grant, versionIdOf(workspaceId, name, version)), folder),

    async openFile(
      grant: Grant,
      workspaceId: string,
      name: string,
      version: string,
      path: string,
    ): Promise<{ readonly size: number; readonly sha256: string; readonly stream: Readable }> {
      const digest = await contentOf(grant, versionIdOf(workspaceId, name, version));
      const { file, stream } = await snapshots.openFile(grant, workspaceId, digest, path);
      return { size: file.size, sha256: file.sha256, stream };
    },
  };
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

function describedOf(resource: Resource, changedMs: number) {
  const { properties, systemData, creator } = resource;
  return {
    description: textOf(properties['description']) ?? '',
    // The schemas of the contract let nothing else in.
    tags: (properties['tags'] ?? {}) as Texts,
    createdBy: creator?.name ?? systemData.createdBy,
    createdMs: Date.parse(systemData.createdAt),
    changedMs: Math.max(changedMs, Date.parse(systemData.lastModifiedAt)),
  };
}

function modelOf(resource: Resource): Model {
  const { aliases, changedMs } = keptOf(resource.properties);
  return { name: resource.name, aliases, ...describedOf(resource, changedMs) };
}

function versionOf(resource: Resource): Version {
  const { properties } = resource;
  const { source, runLink, modelId, changedMs = 0 } = (properties[registryKey] ?? {}) as KeptOfVersion;
  return {
    name: resource.id.split('/').at(-3) ?? '',
    version: resource.name,
    stage: textOf(properties['stage']),
    runId: textOf(properties['jobName']),
    source,
    runLink,
    modelId,
    ...describedOf(resource, changedMs),
  };
}
