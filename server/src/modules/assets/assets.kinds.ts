// Codes, models and environments as resource kinds: containers by name, versions below them. A version is immutable in
// what it means (its content, its image) and mutable in how it is described.

import { assetContainer, codeVersion, environmentVersion, modelVersion } from '@strongroom/contract/assets';
import { Type } from '@strongroom/contract/schema';
import type { Grant, Grants } from '#kernel/authority/grant';
import { activity } from '#kernel/http/route';
import { parentId } from '#kernel/ids/ids';
import { everythingServed, type Properties, type Resource, type ResourceKind, type Resources } from '#resources';
import { workspaceOf, workspaceType } from '#workspaces';
import { safePath } from './archive.service.ts';
import { assetsFailures } from './assets.errors.ts';
import { assetsDuties } from './duties.ts';
import { environmentContent } from './environments.rules.ts';
import { modelLimits } from './limits.rules.ts';
import { createdOrder, digits, listed, viewed } from './lists.rules.ts';
import { contentForms, fetchableUri, isContentUri, jobFilesOf, type NamedContent } from './named-content.service.ts';
import { isPrompt, promptUri } from './prompts.rules.ts';
import { counted, keptOf, registryKey, withoutAliasesOf } from './registered.rules.ts';
import type { Snapshot, Snapshots } from './snapshots.service.ts';
import { isUploadUri, type Uploads } from './uploads.service.ts';

const containerName = {
  namePattern: /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}$/,
  nameRule: 'it begins with a letter or digit and has up to 255 letters, digits, dots, hyphens and underscores',
} as const;
/** As long as clients make them: azure-ai-ml names an environment that stands inside a job by a digest of it. */
const versionName = {
  namePattern: /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}$/,
  nameRule: 'a version has 1 to 255 letters, digits, dots, hyphens and underscores',
} as const;
const described = ['description', 'tags', 'properties', 'isArchived', 'stage'] as const;

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
}): readonly ResourceKind[] {
  const { resources, grants, snapshots, named, uploads } = deps;

  const container = (plural: string, title: string): ResourceKind => ({
    type: `${workspaceType}/${plural}`,
    title,
    ...containerName,
    ...listed(Type.Object({ count: digits, ...viewed })),
    properties: assetContainer,
    unserved: {
      refused: {},
      kept: {},
      ignored: { latestVersion: 'Told by the server.', nextVersion: 'Told by the server.' },
    },
    location: 'none',
    normalise: ({ properties }, existing) => ({
      ...existing?.properties,
      ...withText(properties),
      isArchived: properties['isArchived'] ?? false,
    }),
    view: ({ properties }) => {
      const { [registryKey]: _kept, ...shown } = properties;
      const latest = typeof properties['latestVersion'] === 'string' ? properties['latestVersion'] : null;
      const isCounted = latest === null || /^\d+$/.test(latest);
      const next = isCounted ? String(Math.max(Number(latest), keptOf(properties).lastNumber) + 1) : null;
      return { description: null, tags: {}, properties: {}, ...shown, latestVersion: latest, nextVersion: next };
    },
  });

  /** What all versions share: content never changes after creation; the container learns the latest version. */
  const version = (
    plural: string,
    title: string,
    content: readonly string[],
    kind: Pick<ResourceKind, 'properties' | 'unserved' | 'validate' | 'create' | 'view'> & Partial<ResourceKind>,
    /** Content that is written otherwise and may be the same all the same. */
    isSame: (grant: Grant, id: string, wanted: unknown, existing: unknown) => Promise<boolean> = async () => false,
  ): ResourceKind => ({
    type: `${workspaceType}/${plural}/versions`,
    title,
    ...versionName,
    ...listed(Type.Object(viewed)),
    orders: { createdtime: createdOrder },
    makesParent: true,
    location: 'none',
    normalise: ({ properties }, existing) => ({
      ...existing?.properties,
      ...withText(properties),
      isAnonymous: properties['isAnonymous'] ?? false,
      isArchived: properties['isArchived'] ?? false,
    }),
    ...kind,
    async validate(grant, draft, existing, id) {
      for (const name of existing === undefined ? [] : content) {
        const [wanted, kept] = [draft.properties[name], existing?.properties[name]];
        if (wanted === undefined || JSON.stringify(wanted) === JSON.stringify(kept)) continue;
        if (await isSame(grant, id, wanted, kept)) continue;
        throw assetsFailures.contentChanged(title, name);
      }
      if (!existing) await kind.validate?.(grant, draft, existing, id);
    },
    async create(grant, resource) {
      const made = (await kind.create?.(grant, resource)) ?? resource.properties;
      await resources.change(grant, parentId(resource.id), (properties) => ({
        ...properties,
        latestVersion: resource.name,
        [registryKey]: counted(properties, resource.name),
      }));
      return made;
    },
    async remove(_grant, resource) {
      const id = parentId(resource.id);
      const grant = grants.duty(assetsDuties.keepLatest, id);
      const container = await resources.find(grant, id);
      if (container === undefined) return;
      if (Object.values(keptOf(container.properties).aliases).includes(resource.name))
        await resources.change(grant, id, (properties) => withoutAliasesOf(properties, resource.name));
      if (container.properties['latestVersion'] !== resource.name) return;
      const type = `${workspaceType}/${plural}/versions`;
      const left = (await resources.list(grant, { type, under: id })).filter(({ name }) => name !== resource.name);
      const latest = left.reduce<Resource | undefined>(
        (newest, one) => (newest && newest.systemData.createdAt >= one.systemData.createdAt ? newest : one),
        undefined,
      );
      await resources.change(grant, id, (properties) => ({ ...properties, latestVersion: latest?.name }));
    },
    update: async (_grant, resource, before) => ({ ...before.properties, ...pick(resource.properties, described) }),
    audit: {
      write: activity('properties.codeUri', 'properties.modelUri', 'properties.jobName', 'properties.image'),
    },
  });

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
      async (grant, id, wanted, existing) => (await codeContent(grant, id, String(wanted))).uri === existing,
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
      async (_grant, _id, wanted, existing) => fetchableUri(String(wanted)) === fetchableUri(String(existing)),
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
        ...properties,
      }),
    }),
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

/** What a client keeps beside an asset is text, however it was sent. */
function withText(properties: Properties): Properties {
  const { properties: kept } = properties;
  if (kept === undefined) return properties;
  return {
    ...properties,
    properties: Object.fromEntries(Object.entries(kept as object).map(([name, value]) => [name, String(value)])),
  };
}

function pick(properties: Properties, names: readonly string[]): Properties {
  return Object.fromEntries(
    names.filter((name) => properties[name] !== undefined).map((name) => [name, properties[name]]),
  );
}
