// The repositories of every registry in one list, as the protocol knows a single one. A caller sees those that he may pull
// from; a registry whose key is refused is left out, since its names are as closed as its images.

import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import type { Grant } from '#kernel/authority/grant';
import { Failure } from '#kernel/errors/failure';
import type { SealedStores } from '#storage';
import { listRepositories } from './images.store.ts';
import { type Listed, type Page, pageOf } from './manifests.service.ts';
import { pathOf, type Registries, type RegistryEntry } from './registries.service.ts';
import { repositoryScope } from './scopes.rules.ts';

export type CatalogService = {
  /** Names `{registry}/{repository}` in order. `grant` is that of a listing. */
  list(grant: Grant, page: Page): Promise<Listed<string>>;
};

const rowsAtOnce = 500;

export function createCatalog(deps: {
  readonly registries: Registries;
  readonly stores: SealedStores;
}): CatalogService {
  const { registries, stores } = deps;

  async function repositoriesOf(entry: RegistryEntry, after: string): Promise<readonly string[]> {
    try {
      return await stores.use(entry, ({ index }) => listRepositories(index.read, { after, limit: rowsAtOnce }));
    } catch (thrown) {
      if (thrown instanceof Failure && thrown.kind === 'forbidden') return [];
      throw thrown;
    }
  }

  return {
    async list({ visibility }, { after, limit }) {
      if (visibility === undefined || limit === 0) return { items: [], next: undefined };
      const cut = after.indexOf('/');
      const [startAt, startAfter] = cut < 0 ? [after, ''] : [after.slice(0, cut), after.slice(cut + 1)];
      const found: string[] = [];
      for (const entry of registries.all()) {
        const path = pathOf(entry.name);
        if (path < startAt) continue;
        for (let last = path === startAt ? startAfter : ''; found.length <= limit; ) {
          const names = await repositoriesOf(entry, last);
          for (const repository of names)
            if (visibility.all || visibility.sees(repositoryScope({ registry: entry.id, repository })))
              found.push(`${path}/${repository}`);
          last = names.at(-1) ?? last;
          // Whoever sees little is looked for through all there is: others have their turn in between.
          await yieldToEventLoop();
          if (names.length < rowsAtOnce) break;
        }
        if (found.length > limit) break;
      }
      return pageOf(found, limit);
    },
  };
}
