// Data assets as resource kinds: a name and a version for files that lie somewhere in the workspace. A version says where they
// are and of which type, and copies nothing: what a job is given of it is taken, and fixed, when the job is accepted, with what
// its caller may read then.

import { dataContainer, dataVersion } from '@strongroom/contract/assets';
import { Type } from '@strongroom/contract/schema';
import { parentId } from '#kernel/ids/ids';
import type { Properties, Resource, ResourceKind, Unserved } from '#resources';
import { type Workspaces, workspaceOf } from '#workspaces';
import { assetsFailures } from './assets.errors.ts';
import { listed, viewed } from './lists.rules.ts';
import {
  dataForms,
  datastoreFilesOf,
  fetchableUri,
  isDataUri,
  isSameUri,
  type PlacedOutputs,
  runOf,
  wherePlaced,
} from './named-content.service.ts';
import type { VersionedKinds } from './versioned.kinds.ts';

/** Written by Azure's newer clients; nothing here deletes data by its age. */
const unserved: Unserved = {
  refused: {
    autoDeleteSetting: {
      because: 'No version of data is deleted by its age here.',
      instead: 'Leave autoDeleteSetting out, and delete the version when it is not needed any more.',
    },
  },
  kept: {},
  ignored: { jobName: 'Told by the server: the job whose files they are.' },
};

export function createDataKinds(
  { container, version }: VersionedKinds,
  {
    placed,
    workspaces,
  }: { readonly placed: PlacedOutputs; readonly workspaces: Pick<Workspaces, 'get' | 'datastore'> },
): readonly ResourceKind[] {
  const shown = container('data', 'data asset');
  return [
    {
      ...shown,
      properties: dataContainer,
      unserved: { ...shown.unserved, refused: unserved.refused },
      async validate(_grant, draft, existing) {
        ofOneType(existing?.properties ?? {}, draft.properties['dataType'], existing?.name ?? '');
      },
    },
    version(
      'data',
      'data version',
      ['dataType', 'dataUri', 'referencedUris'],
      {
        properties: dataVersion,
        unserved,
        ...listed(Type.Object({ ...viewed, tags: Type.Optional(Type.String({ maxLength: 4096 })) })),
        async validate(grant, draft, _existing, id) {
          const workspaceId = workspaceOf(id);
          if (workspaceId === undefined) throw assetsFailures.InternalError();
          const { dataType, dataUri, referencedUris } = draft.properties;
          if (!isDataUri(workspaceId, String(dataUri))) throw assetsFailures.InvalidAssetUri('dataUri', dataForms);
          const stored = datastoreFilesOf(String(dataUri));
          if (stored !== undefined)
            await workspaces.datastore(grant, await workspaces.get(grant, workspaceId), stored.datastore);
          if (referencedUris !== undefined && dataType !== 'mltable') throw assetsFailures.referencedUris();
        },
        create: async (_grant, { id, properties }) => {
          const named = String(properties['dataUri']);
          const dataUri = await wherePlaced(placed, workspaceOf(id) ?? '', named);
          const jobName = runOf(named);
          return { ...properties, dataUri, ...(jobName === undefined ? {} : { jobName }) };
        },
        view: ({ properties }) => ({
          description: null,
          tags: {},
          properties: {},
          ...properties,
          dataUri: fetchableUri(String(properties['dataUri'])),
        }),
      },
      {
        isSame: async (_grant, id, wanted, existing) =>
          isSameUri(await wherePlaced(placed, workspaceOf(id) ?? '', String(wanted)), existing),
        ofContainer: (properties, { id, properties: { dataType } }) => {
          ofOneType(properties, dataType, parentId(id).split('/').at(-1) ?? '');
          return { ...properties, dataType };
        },
      },
    ),
  ];
}

/** All versions of a name are of one type: whoever asks for the latest gets what the job that reads it expects. */
function ofOneType(container: Properties, wanted: unknown, name: string): void {
  const { dataType } = container;
  if (dataType !== undefined && wanted !== undefined && wanted !== dataType)
    throw assetsFailures.DataTypeChanged(name, String(dataType));
}

/** What a version of data says of itself. */
export const dataOf = ({ properties }: Resource): { readonly dataType: string; readonly dataUri: string } => ({
  dataType: String(properties['dataType']),
  dataUri: String(properties['dataUri']),
});
