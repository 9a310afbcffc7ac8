// The ids that are decided on: a repository lies below its registry, as one segment. A slash of its name is a colon there,
// because a colon is in no name: a grant for the repository `a` covers the repository `a/b` no more than `c`.

import type { Grant } from '#kernel/authority/grant';
import { isWithin } from '#kernel/ids/ids';
import { registryFailures } from './registry.errors.ts';

/** A repository: `registry` is the resource id of its registry, `repository` the name below it. */
export type RepositoryRef = { readonly registry: string; readonly repository: string };

export const segmentOf = (repository: string): string => repository.replaceAll('/', ':');

export const repositoryScope = ({ registry, repository }: RepositoryRef): string =>
  `${registry}/repositories/${segmentOf(repository)}`;

/** Throws DENIED unless the grant was decided at the repository or above it. */
export function requireScope(grant: Grant, ref: RepositoryRef): void {
  if (!isWithin(repositoryScope(ref), grant.scope)) throw registryFailures.DENIED();
}

export function requireRegistryScope(grant: Grant, registry: string): void {
  if (!isWithin(registry, grant.scope)) throw registryFailures.DENIED();
}
