// What the registry does without being asked: it learns at the start which registries there are, and lets go of what no image
// mentions.

import { registryActions } from '@strongroom/contract/registry.actions';
import { actionsOfType } from '@strongroom/contract/resources.actions';
import type { Duty } from '#kernel/authority/duty';

const type = 'Microsoft.ContainerRegistry/registries';

export const registryDuties = {
  findRegistries: {
    name: 'registry.find-registries',
    why: 'Registries are served by name, and the names are kept in memory.',
    actions: [actionsOfType(type).read],
    under: '/',
    record: { level: 'none', reason: 'reads which registries there are, and shows them to nobody' },
  },
  removeUnmentioned: {
    name: 'registry.remove-unmentioned',
    why: 'A blob that no manifest came to mention within a day is a push that stopped, or what a deleted image left.',
    actions: [registryActions.deleteArtifacts],
    under: type,
    record: { level: 'activity' },
  },
} as const satisfies Record<string, Duty>;
