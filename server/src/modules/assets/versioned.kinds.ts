// What all assets have in common as resource kinds: containers by name, versions below them. A version is immutable in what
// it means (its content, its image, where its data lie) and mutable in how it is described.

import { assetContainer } from '@strongroom/contract/assets';
import { Type } from '@strongroom/contract/schema';
import type { Grant, Grants } from '#kernel/authority/grant';
import { activity } from '#kernel/http/route';
import { parentId } from '#kernel/ids/ids';
import type { Properties, Resource, ResourceKind, Resources } from '#resources';
import { workspaceType } from '#workspaces';
import { assetsFailures } from './assets.errors.ts';
import { assetsDuties } from './duties.ts';
import { createdOrder, digits, listed, viewed } from './lists.rules.ts';
import { counted, keptOf, registryKey, withoutAliasesOf } from './registered.rules.ts';

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

export type VersionedKinds = ReturnType<typeof createVersionedKinds>;

export function createVersionedKinds({
  resources,
  grants,
}: {
  readonly resources: Resources;
  readonly grants: Pick<Grants, 'duty'>;
}) {
  const container = (plural: string, title: string, more: Partial<ResourceKind> = {}): ResourceKind => ({
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
    ...more,
  });

  /** What all versions share: content never changes after creation; the container learns the latest version. */
  const version = (
    plural: string,
    title: string,
    content: readonly string[],
    kind: Pick<ResourceKind, 'properties' | 'unserved' | 'validate' | 'create' | 'view'> & Partial<ResourceKind>,
    {
      isSame = async () => false,
      ofContainer = (properties) => properties,
    }: {
      /** Content that is written otherwise and may be the same all the same. */
      readonly isSame?: (grant: Grant, id: string, wanted: unknown, existing: unknown) => Promise<boolean>;
      /** What the container learns of a version that is made. Throws where it may not stand there; the version goes then. */
      readonly ofContainer?: (container: Properties, version: Resource) => Properties;
    } = {},
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
        ...ofContainer(properties, resource),
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
      let latest: Resource | undefined;
      for await (const one of resources.each(grant, { type, under: id }))
        if (one.name !== resource.name && !(latest && latest.systemData.createdAt >= one.systemData.createdAt))
          latest = one;
      await resources.change(grant, id, (properties) => ({ ...properties, latestVersion: latest?.name }));
    },
    update: async (_grant, resource, before) => ({ ...before.properties, ...pick(resource.properties, described) }),
    audit: {
      write: activity(
        'properties.codeUri',
        'properties.modelUri',
        'properties.dataUri',
        'properties.jobName',
        'properties.image',
      ),
    },
  });

  return { container, version };
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
