// What to say of a path that no route has: which namespace, type or operation is not served, and where those are listed that
// are. A user cannot tell a mistake in typing from what was never built, and this can. It tells what the server serves,
// which is no secret; whether anything exists it does not know.

import type { Failure } from '#kernel/errors/failure';
import type { Catalog } from './catalog.service.ts';
import type { Providers } from './providers.view.ts';
import { resourcesFailures } from './resources.errors.ts';

export function createNothing(catalog: Catalog, providers: Pick<Providers, 'find' | 'typesIn'>) {
  return (method: string, segments: readonly string[]): Failure => {
    const at = segments.findLastIndex((segment) => segment.toLowerCase() === 'providers');
    const [asked, ...rest] = at < 0 ? [] : segments.slice(at + 1);
    if (asked === undefined) return resourcesFailures.pathNotServed(plain(segments));
    const namespace = providers.find(asked);
    if (namespace === undefined) return resourcesFailures.InvalidResourceNamespace(asked);
    const types = providers.typesIn(namespace).map((type) => type.toLowerCase());
    // Words of the type and names of what is of it take turns.
    const words: string[] = [];
    for (let index = 0; index < rest.length; index += 2) {
      const word = rest[index] ?? '';
      const type = [...words, word].join('/').toLowerCase();
      if (!types.some((each) => each === type || each.startsWith(`${type}/`))) {
        const isLast = index === rest.length - 1;
        const kind = catalog.find([namespace, ...words].join('/'));
        if (isLast && kind !== undefined && method === 'POST')
          return resourcesFailures.actionNotServed(
            word,
            kind.type,
            (kind.actions ?? []).map(({ name }) => name),
          );
        return resourcesFailures.InvalidResourceType([namespace, ...words, word].join('/'));
      }
      words.push(word);
    }
    return resourcesFailures.pathNotServed(`${method} ${[namespace, ...words].join('/')}`);
  };
}

/** What a path without a provider is about: its words, without the ids between them. */
function plain(segments: readonly string[]): string {
  const [first = '', , third, , fifth, ...more] = segments;
  const isInGroup = third?.toLowerCase() === 'resourcegroups';
  return isInGroup ? [third, fifth, ...more].filter((word) => word !== undefined).join('/') : (third ?? first);
}
