// The folder that an image is built of: taken as a snapshot when its version is registered, so that what is built later is what was
// registered. Clients upload it to a datastore and name it by its address there.

import type { DatastoreProperties } from '@strongroom/contract/workspaces';
import type { Grant } from '#kernel/authority/grant';
import type { Properties, Resource, Resources } from '#resources';
import { workspaceOf, workspaceType } from '#workspaces';
import { contextLimits } from './limits.rules.ts';
import { isContentUri, type NamedContent } from './named-content.service.ts';

export type BuildContext = {
  /** As it was registered. */
  readonly address: string;
  /** Of its files; undefined where the address is none of this workspace. */
  readonly snapshot: string | undefined;
  /** Below the context. */
  readonly dockerfile: string;
};

/** Beside what was asked for. */
const snapshotKey = 'contextSnapshot';

/** What a version says of its context, as it was kept when it was made. */
export function contextIn(properties: Properties): BuildContext | undefined {
  const build = properties['build'] as
    | { readonly contextUri: string; readonly dockerfilePath?: string }
    | null
    | undefined; // of the contract's schema
  if (build === undefined || build === null) return undefined;
  const { [snapshotKey]: snapshot } = properties;
  return {
    address: build.contextUri,
    snapshot: typeof snapshot === 'string' ? snapshot : undefined,
    dockerfile: build.dockerfilePath ?? 'Dockerfile',
  };
}

/** What is shown: the snapshot among the properties of the version. */
export function withContextShown(properties: Properties): Properties {
  const { [snapshotKey]: snapshot, ...shown } = properties;
  if (snapshot === undefined) return shown;
  return { ...shown, properties: { ...(shown['properties'] as object | undefined), 'strongroom.snapshot': snapshot } };
}

export function createBuildContexts(deps: {
  readonly named: NamedContent;
  readonly resources: Pick<Resources, 'each'>;
}) {
  /** A datastore of the workspace, and the path in it, that the address of a blob leads to; other addresses as they are. */
  async function uriOf(grant: Grant, workspaceId: string, address: string): Promise<string> {
    const [, host = '', path = ''] = /^https:\/\/([^/?#]+)\/([^?#]*)$/.exec(address) ?? [];
    const names = path.split('/').map(decoded);
    const account = /^([a-z0-9]{3,24})\.blob\./.exec(host)?.[1] ?? names.shift();
    const container = names.shift();
    if (account === undefined || container === undefined || names.includes(undefined)) return address;
    for await (const { name, properties } of deps.resources.each(grant, {
      type: `${workspaceType}/datastores`,
      under: workspaceId,
    })) {
      const { accountName, containerName } = properties as DatastoreProperties; // checked by the schema when it was written
      if (containerName === container && accountName === account)
        return `azureml://datastores/${name}/paths/${names.join('/')}`;
    }
    return address;
  }

  return {
    /** What a version keeps. An address of elsewhere is kept as it is, and refused where something is to be built of it. */
    async kept(grant: Grant, { id, properties }: Resource): Promise<Properties> {
      const context = contextIn(properties);
      const workspaceId = workspaceOf(id);
      if (context === undefined || workspaceId === undefined) return properties;
      const uri = await uriOf(grant, workspaceId, context.address);
      if (!isContentUri(workspaceId, uri)) return properties;
      const taken = await deps.named(grant, workspaceId, uri, contextLimits);
      return taken === undefined ? properties : { ...properties, [snapshotKey]: taken.uri };
    },
  };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
