// What the routes of the protocol share: where they decide, and how they read what headers and queries say.

import type { Exchange } from '#kernel/http/exchange';
import type { Params } from '#kernel/http/route';
import type { Registries } from './registries.service.ts';
import { registryFailures } from './registry.errors.ts';
import { type RepositoryRef, repositoryScope } from './scopes.rules.ts';

/** For a registry that there is not, an id that nothing was granted at. */
export const registryIdOf = (registries: Registries, name: string): string =>
  registries.byPath(name)?.id ?? `/providers/Microsoft.ContainerRegistry/registries/${name}`;

export const refOf = (registries: Registries, params: Params): RepositoryRef => ({
  registry: registryIdOf(registries, params['registry'] ?? ''),
  // The path's one segment back as a name (see paths.rules.ts).
  repository: (params['repository'] ?? '').replaceAll(':', '/'),
});

export const scopeOf =
  (registries: Registries) =>
  (params: Params): string =>
    repositoryScope(refOf(registries, params));

/** `{registry}/{repository}` as clients call it. */
export const nameOf = (params: Params): string =>
  `${params['registry'] ?? ''}/${(params['repository'] ?? '').replaceAll(':', '/')}`;

export const addressOf = (params: Params, rest: string): string => `/v2/${nameOf(params)}/${rest}`;

/** How many a page holds: what was asked for, at most `max`. */
export function pageSizeOf(exchange: Exchange, max: number): number {
  const asked = exchange.target.query.get('n');
  if (asked === undefined) return max;
  if (!/^\d{1,9}$/.test(asked)) throw registryFailures.badPageSize();
  return Math.min(Number(asked), max);
}

/** RFC 8288, as the protocol tells where the next page is. */
export function nextPage(path: string, query: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return { link: `<${path}?${new URLSearchParams(query).toString()}>; rel="next"` };
}
