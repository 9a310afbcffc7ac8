// Codes, models, environments and data as resource kinds, as far as they differ (versioned.kinds.ts has what they share).

import { codeVersion, environmentVersion, modelVersion } from '@strongroom/contract/assets';
import { Type } from '@strongroom/contract/schema';
import type { Grant, Grants } from '#kernel/authority/grant';
import { parentId } from '#kernel/ids/ids';
import { everythingServed, type Properties, type Resource, type ResourceKind, type Resources } from '#resources';
import { type Workspaces, workspaceOf } from '#workspaces';
import { safePath } from './archive.service.ts';
import { assetsFailures } from './assets.errors.ts';
import { createBuildContexts, withContextShown } from './build-contexts.service.ts';
import { createComponentKinds } from './components.kinds.ts';
import { createDataKinds } from './data.kinds.ts';
import { environmentContent } from './environments.rules.ts';
import { modelLimits } from './limits.rules.ts';
import { digits, listed, viewed } from './lists.rules.ts';
import {
  contentForms,
  fetchableUri,
  isContentUri,
  isSameUri,
  jobFilesOf,
  type NamedContent,
  type PlacedOutputs,
  wherePlaced,
} from './named-content.service.ts';
import type { PipelineSteps } from './pipeline-steps.port.ts';
import { isPrompt, promptUri } from './prompts.rules.ts';
import { registryKey } from './registered.rules.ts';
import type { Snapshot, Snapshots } from './snapshots.service.ts';
import { isUploadUri, type Uploads } from './uploads.service.ts';
import { createVersionedKinds } from './versioned.kinds.ts';

const required = (id: string): string => {
  const workspace = workspaceOf(id);
  if (workspace === undefined) throw assetsFailures.InternalError();
  return workspace;
};

export function createAssetKinds(deps: {
  readonly resources: Resources;
  readonly grants: Pick<Grants, 'duty'>;
  readonly snapshots: Pick<Snapshots, 'get'>;
  readonly named: NamedContent;
  readonly uploads: Pick<Uploads, 'take'>;
  readonly pipelineSteps: () => PipelineSteps;
  readonly placed: PlacedOutputs;
  readonly workspaces: Pick<Workspaces, 'get' | 'datastore'>;
}): readonly ResourceKind[] {
  const { resources, snapshots, named, uploads } = deps;
  const versioned = createVersionedKinds(deps);
  const { container, version } = versioned;
  const contexts = createBuildContexts(deps);

  /** A snapshot by its URI, or by the upload that it is made of. */
  const codeContent = (grant: Grant, id: string, uri: string): Promise<Snapshot> =>
    isUploadUri(uri) ? uploads.take(grant, id, uri) : snapshots.get(grant, required(id), uri);

  async function modelContent(grant: Grant, resource: Resource): Promise<Properties> {
    const uri = String(resource.properties['modelUri']);
    if (uri === promptUri) return resource.properties;
    const taken = await named(grant, required(resource.id), uri, modelLimits);
    if (taken === undefined) throw assetsFailures.InvalidAssetUri('modelUri', contentForms);
    return {
      ...resource.properties,
      modelUri: await wherePlaced(deps.placed, required(resource.id), uri),
      jobName: resource.properties['jobName'] ?? jobFilesOf(uri)?.runId,
      snapshot: taken.uri,
      folder: taken.folder ?? folderNamed(resource.properties),
      files: taken.files.length,
      bytes: taken.bytes,
    };
  }

  return [
    container('codes', 'code'),
    container('models', 'model'),
    container('environments', 'environment'),
    version(
      'codes',
      'code version',
      ['codeUri'],
      {
        properties: codeVersion,
        unserved: everythingServed,
        async validate(grant, draft, _existing, id) {
          await codeContent(grant, id, String(draft.properties['codeUri']));
        },
        create: async (grant, { id, properties }) => ({
          ...properties,
          codeUri: (await codeContent(grant, id, String(properties['codeUri']))).uri,
        }),
        view: ({ properties }) => ({ description: null, tags: {}, properties: {}, ...properties }),
        listQuery: Type.Object({
          hash: Type.Optional(Type.String({ maxLength: 256 })),
          hashVersion: Type.Optional(Type.String({ maxLength: 32 })),
        }),
        // Clients ask by a hash of their own whether they may skip an upload. Nothing checks such a hash, and who registers other
        // code under it would have it run in somebody else's name: the answer is no, and the same content is found by its digest.
        matches: (_version, { hash }) => hash === undefined,
      },
      // The same folder, uploaded again.
      {
        isSame: async (grant, id, wanted, existing) => (await codeContent(grant, id, String(wanted))).uri === existing,
      },
    ),
    version(
      'models',
      'model version',
      ['modelUri', 'modelType'],
      {
        properties: modelVersion,
        ...listed(
          Type.Object({
            ...viewed,
            offset: digits,
            version: Type.Optional(Type.String({ maxLength: 255 })),
            description: Type.Optional(Type.String({ maxLength: 5000 })),
            tags: Type.Optional(Type.String({ maxLength: 4096 })),
            properties: Type.Optional(Type.String({ maxLength: 4096 })),
            stage: Type.Optional(Type.String({ maxLength: 64 })),
          }),
        ),
        unserved: everythingServed,
        async validate(grant, draft, _existing, id) {
          const uri = String(draft.properties['modelUri']);
          const ofPrompt = isPrompt((await resources.find(grant, parentId(id)))?.properties ?? {});
          if (ofPrompt !== (uri === promptUri) || (ofPrompt && !isPrompt(draft.properties)))
            throw ofPrompt ? assetsFailures.filesOfPrompt() : assetsFailures.promptOfModel();
          if (ofPrompt) return;
          if (!isContentUri(required(id), uri)) throw assetsFailures.InvalidAssetUri('modelUri', contentForms);
          folderNamed(draft.properties);
        },
        create: modelContent,
        view: ({ properties }) => {
          const { snapshot, folder, files, bytes, [registryKey]: _kept, ...shown } = properties;
          // The Python SDK iterates `flavors` without looking whether it is there.
          return {
            description: null,
            tags: {},
            flavors: {},
            modelType: 'custom_model',
            ...shown,
            modelUri: fetchableUri(String(shown['modelUri'])),
            properties: {
              ...(shown['properties'] as object | undefined),
              ...(snapshot === undefined
                ? {}
                : {
                    'strongroom.snapshot': snapshot,
                    ...(folder === undefined ? {} : { [folderLabel]: folder }),
                    'strongroom.files': String(files),
                    'strongroom.bytes': String(bytes),
                  }),
            },
          };
        },
      },
      // What was read is sent back with other tags.
      {
        isSame: async (_grant, id, wanted, existing) =>
          isSameUri(await wherePlaced(deps.placed, required(id), String(wanted)), existing),
      },
    ),
    version('environments', 'environment version', environmentContent, {
      properties: environmentVersion,
      ...listed(Type.Object({ ...viewed, stage: Type.Optional(Type.String({ maxLength: 64 })) })),
      unserved: {
        refused: {
          autoRebuild: {
            always: 'Disabled',
            because: 'An environment is what its version says and is not built anew when an image changes.',
            instead: 'Leave autoRebuild out, and register another version.',
          },
        },
        kept: {},
        ignored: { environmentType: 'Told by the server.' },
      },
      view: ({ properties }) => ({
        description: null,
        tags: {},
        properties: {},
        osType: 'Linux',
        environmentType: 'UserCreated',
        ...withContextShown(properties),
      }),
      create: (grant, resource) => contexts.kept(grant, resource),
    }),
    ...createDataKinds(versioned, deps),
    ...createComponentKinds(versioned, deps),
  ];
}

/** Of the properties of a model: the name of the folder that a snapshot was taken of, which the archive does not tell. */
const folderLabel = 'strongroom.folder';

/** What a client says of a snapshot that it has sent. A model is below this name where it is deployed, as in Azure. */
function folderNamed({ properties }: Properties): string | undefined {
  const given = (properties as Properties | undefined)?.[folderLabel];
  if (given === undefined) return undefined;
  const name = String(given);
  if (name.includes('/') || safePath(name) !== name)
    throw assetsFailures.InvalidAssetUri(`properties.${folderLabel}`, 'the name of a folder, without a slash');
  return name;
}
