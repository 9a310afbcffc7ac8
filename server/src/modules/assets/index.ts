// The door of the assets module: code, models, data and environments, and the snapshots that their content is.

import { nodePython } from '@strongroom/contract/assets';
import { actionsOfType } from '@strongroom/contract/resources.actions';
import type { Grant, Grants } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { tableOf } from '#kernel/errors/failures';
import type { Log } from '#kernel/log/log';
import type { Module } from '#kernel/module';
import type { Resource, ResourceKind, Resources } from '#resources';
import type { BlobStore } from '#storage';
import { type Workspaces, workspaceOf, workspaceType } from '#workspaces';
import { assetsFailures } from './assets.errors.ts';
import { createAssetKinds } from './assets.kinds.ts';
import { type Component, readComponent } from './components.rules.ts';
import { dataOf } from './data.kinds.ts';
import { unbuiltIn } from './environments.rules.ts';
import { assetTables } from './migrations/index.ts';
import {
  createNamedContent,
  type LoggedModelOf,
  type Named,
  type NamedContent,
  type PlacedOutputs,
} from './named-content.service.ts';
import type { PipelineSteps } from './pipeline-steps.port.ts';
import { keptOf } from './registered.rules.ts';
import { createRegisteredModels, type RegisteredModels } from './registered-models.service.ts';
import { snapshotRoutes } from './snapshots.routes.ts';
import { createSnapshots, digestOf, type Snapshot, type Snapshots } from './snapshots.service.ts';
import { uploadRoutes } from './uploads.routes.ts';
import { type AddressSigner, createUploads } from './uploads.service.ts';

export type { BuildContext } from './build-contexts.service.ts';
export {
  type ComponentInput,
  checkValue,
  type DataType,
  dataTypes,
  isValueType,
  modeNamed,
} from './component-parts.rules.ts';
export {
  type CommandComponent,
  type Component,
  commandWith,
  distributionIn,
  type PipelineComponent,
  textWith,
} from './components.rules.ts';
export { curatedName } from './curated.rules.ts';
export { inputLimits } from './limits.rules.ts';
export {
  contentForms,
  datastoreFilesOf,
  dataVersionOf,
  isContentUri,
  outputPath,
  type PlacedOutputs,
  runOf,
} from './named-content.service.ts';
export {
  type ParallelComponent,
  type ParallelSettings,
  type ParallelTask,
  parallelSettings,
  parallelSettingsIn,
  taskIn,
} from './parallel-component.rules.ts';
export type { PipelineSteps } from './pipeline-steps.port.ts';
export type { Snapshot, Snapshots } from './snapshots.service.ts';
export type { SnapshotFile } from './snapshots.store.ts';

import type { Acts } from '#kernel/authority/perform';
import { type BuildContext, contextIn } from './build-contexts.service.ts';
import { assetsDuties } from './duties.ts';

/** Assets that a caller names by their ids or URIs. Each throws `forbidden` unless he may read what he names. */
export type Assets = {
  readonly snapshots: Snapshots;
  readonly named: NamedContent;
  /** The registered models of a workspace, for protocols beside Resource Manager's. */
  readonly registry: RegisteredModels;
  /** Content of a code version. */
  code(grant: Grant, codeVersionId: string): Promise<Snapshot>;
  /** Content of a model version, with its name and version. */
  model(
    grant: Grant,
    modelVersionId: string,
  ): Promise<
    Named & {
      readonly name: string;
      readonly version: string;
      readonly folder: string | undefined;
      /** `custom_model` unless it says another. */
      readonly modelType: string;
    }
  >;
  /** The number that comes next under a name; '1' for a name that is new. Two who ask at once are told the same. */
  nextVersion(grant: Grant, workspaceId: string, plural: 'data' | 'models', name: string): Promise<string>;
  /** What a component version says of itself: checked when it was registered. */
  component(grant: Grant, componentVersionId: string): Promise<Component>;
  /** The same of one that is written in place. Throws `invalid`. */
  componentIn(spec: Readonly<Record<string, unknown>>): Component;
  /** What a data version says of itself. What lies there is not looked at. */
  data(grant: Grant, dataVersionId: string): Promise<{ readonly dataType: string; readonly dataUri: string }>;
  /**
   * The base image that an environment version names, or undefined: the sandbox's own Python; and what is to be put on it. Or the context
   * that it is built of, alone. Throws `invalid` for what is not served: nothing runs on something else as if it were that environment.
   */
  environment(
    grant: Grant,
    environmentVersionId: string,
  ): Promise<{
    readonly image: string | undefined;
    readonly condaFile: string | undefined;
    readonly build?: BuildContext | undefined;
  }>;
};

export type AssetsModule = Module<ResourceKind> & {
  readonly assets: Assets;
  readonly kinds: readonly ResourceKind[];
  /** Removes what a crash left of snapshots that were being taken, and uploads that nobody finished, in every workspace. For a periodic task. */
  sweep(signal: AbortSignal): Promise<void>;
};

/** Opens every workspace once, so not more often than it is of use. */
const sweepEveryMs = 6 * 3_600_000;

export function createAssets(deps: {
  readonly resources: Resources;
  readonly workspaces: Workspaces;
  readonly blobs: BlobStore;
  readonly grants: Pick<Grants, 'also' | 'duty'>;
  readonly acts: Pick<Acts, 'duty'>;
  readonly addresses: AddressSigner;
  /** Where outputs of jobs lie that have a place of their own. Jobs stand above; compose introduces them. */
  readonly placed: PlacedOutputs;
  readonly clock: Clock;
  readonly log: Log;
  /** Of runs, which stand above; called only after everything is composed. */
  readonly loggedModel: LoggedModelOf;
  /** Who knows what the steps of a pipeline are. They stand above; called only after everything is composed. */
  readonly pipelineSteps: () => PipelineSteps;
}): AssetsModule {
  const { log } = deps;
  const snapshots = createSnapshots(deps);
  const named = createNamedContent({
    snapshots,
    workspaces: deps.workspaces,
    grants: deps.grants,
    loggedModel: deps.loggedModel,
    model: (grant, id) => assets.model(grant, id),
    data: async (grant, id) => (await assets.data(grant, id)).dataUri,
    placed: deps.placed,
  });
  const uploads = createUploads({ ...deps, snapshots });
  const workspaceIn = (id: string) => {
    const workspace = workspaceOf(id);
    if (workspace === undefined) throw assetsFailures.InvalidResourceId(id);
    return workspace;
  };
  const versionOf = (grant: Grant, plural: 'codes' | 'models' | 'environments' | 'data' | 'components', id: string) => {
    deps.grants.also(grant, actionsOfType(`${workspaceType}/${plural}/versions`).read, id);
    return deps.resources.get(grant, id);
  };
  const snapshotOf = (version: Resource): string => {
    const { snapshot } = version.properties;
    if (typeof snapshot !== 'string') throw assetsFailures.PromptHasNoFiles(version.id.split('/').at(-3) ?? '');
    return snapshot;
  };
  const assets: Assets = {
    snapshots,
    named,
    registry: createRegisteredModels({
      ...deps,
      snapshots,
      contentOf: async (grant, id) => digestOf(snapshotOf(await versionOf(grant, 'models', id))) ?? '',
    }),
    async code(grant, id) {
      const version = await versionOf(grant, 'codes', id);
      return snapshots.get(grant, workspaceIn(id), String(version.properties['codeUri']));
    },
    async model(grant, id) {
      const version = await versionOf(grant, 'models', id);
      const content = await snapshots.get(grant, workspaceIn(id), snapshotOf(version));
      const { folder, modelType } = version.properties;
      return {
        ...content,
        modelType: typeof modelType === 'string' ? modelType : 'custom_model',
        name: version.id.split('/').at(-3) ?? '',
        version: version.name,
        folder: typeof folder === 'string' ? folder : undefined,
      };
    },
    async nextVersion(grant, workspaceId, plural, name) {
      const container = await deps.resources.find(grant, `${workspaceId}/${plural}/${name}`);
      return String(keptOf(container?.properties ?? {}).lastNumber + 1);
    },
    data: async (grant, id) => dataOf(await versionOf(grant, 'data', id)),
    componentIn: readComponent,
    async component(grant, id) {
      const { componentSpec } = (await versionOf(grant, 'components', id)).properties;
      return readComponent(componentSpec as Readonly<Record<string, unknown>>); // of the contract's schema
    },
    async environment(grant, id) {
      const version = await versionOf(grant, 'environments', id);
      const unbuilt = unbuiltIn(version.properties);
      if (unbuilt !== undefined) throw assetsFailures.EnvironmentNotServed(version.id, unbuilt);
      const { image, condaFile } = version.properties;
      return {
        image: typeof image === 'string' && image !== nodePython ? image : undefined,
        condaFile: typeof condaFile === 'string' ? condaFile : undefined,
        build: contextIn(version.properties),
      };
    },
  };
  async function sweep(signal: AbortSignal): Promise<void> {
    const grant = deps.grants.duty(assetsDuties.findWorkspaces, '/');
    for await (const { id, uniqueId } of deps.resources.each(grant, { type: workspaceType, under: '/' })) {
      if (signal.aborted) return;
      try {
        const grant = deps.grants.duty(assetsDuties.lookForUnnamed, id);
        await uploads.sweep(grant, id);
        const count = await snapshots.sweep(grant, id);
        const fields = { module: 'assets', workspace: uniqueId, count };
        if (count > 0) log.info(fields, 'blobs that no snapshot names were removed');
      } catch (error) {
        // A workspace whose customer refuses his key, or one that is half made: looked at again the next time.
        log.debug({ module: 'assets', workspace: uniqueId, error }, 'a workspace was not swept');
      }
    }
  }

  return {
    name: 'assets',
    workspaceTables: assetTables,
    duties: Object.values(assetsDuties),
    failures: [tableOf(assetsFailures)],
    assets,
    kinds: createAssetKinds({ ...deps, snapshots, named, uploads }),
    routes: [...snapshotRoutes(snapshots), ...uploadRoutes(uploads)],
    periodic: [{ name: 'asset-blobs', everyMs: sweepEveryMs, atStart: true, run: sweep }],
    sweep,
  };
}
