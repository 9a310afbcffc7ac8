// What this module uses of the registry, and nothing else. Repositories are named below their registry.

import type { Registry } from '#registry';

export type DeploymentRegistry = Pick<Registry, 'keepOnly' | 'pullToken'>;
