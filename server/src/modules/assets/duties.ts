// What assets remove without being asked: what an upload or an archive left behind, which no version came to name.

import { actionsOfType } from '@strongroom/contract/resources.actions';
import { storageActions } from '@strongroom/contract/storage.actions';
import type { Duty } from '#kernel/authority/duty';
import { workspaceType } from '#workspaces';

const plurals = ['codes', 'models', 'data', 'environments', 'components'] as const;
const kinds = plurals.map((plural) => actionsOfType(`${workspaceType}/${plural}`));
const readWorkspace = actionsOfType(workspaceType).read;

export const assetsDuties = {
  findWorkspaces: {
    name: 'assets.find-workspaces',
    why: 'Each workspace is looked through for what nothing names.',
    actions: [readWorkspace],
    under: '/',
    record: { level: 'none', reason: 'reads which workspaces there are, and shows them to nobody' },
  },
  lookForUnnamed: {
    name: 'assets.look-for-unnamed',
    why: 'Blobs that no snapshot names, and uploads whose time is over, are looked for in the records of the workspace.',
    actions: [readWorkspace],
    under: workspaceType,
    record: { level: 'none', reason: 'only looks; what is removed is recorded by the duties that remove it' },
  },
  keepLatest: {
    name: 'assets.keep-latest',
    why: 'A container says which version is the latest, and names none that is gone.',
    actions: [
      ...kinds.map(({ write }) => write),
      ...kinds.map(({ read }) => read),
      ...plurals.map((plural) => actionsOfType(`${workspaceType}/${plural}/versions`).read),
    ] as unknown as Duty['actions'], // of a list that is not empty
    under: workspaceType,
    record: { level: 'part', of: 'the removal of the version' },
  },
  removeUnnamed: {
    name: 'assets.remove-unnamed',
    why: 'A stop in the middle of an archive leaves blobs that no snapshot names; nobody can read them.',
    actions: [storageActions.deleteBlobs],
    under: workspaceType,
    record: { level: 'activity' },
  },
  removeUploads: {
    name: 'assets.remove-uploads',
    why: 'An upload that was begun and not registered within its time is removed, with what was uploaded.',
    actions: [storageActions.deleteContainers],
    under: workspaceType,
    record: { level: 'activity' },
  },
} as const satisfies Record<string, Duty>;
