// The descriptions of the protocols that the server speaks, one a surface, out of the composed routes.

import { kernelFailures } from '../../server/src/kernel/failures.ts';
import { documentOf } from './document.ts';
import type { Composition } from './routes.ts';

/** File name → content. */
export function documentsOf({ routes, modules, version }: Composition): ReadonlyMap<string, string> {
  /** Of the modules that answer on a surface: by routes of theirs, or by kinds of resources. */
  const answering = (surface: string) =>
    modules.filter(
      ({ kinds = [], routes: own = [] }) =>
        (surface === 'arm' && kinds.length > 0) || own.some((route) => route.surface === surface),
    );
  const surfaces = [...new Set(routes.map((route) => route.surface))].sort();
  return new Map(
    surfaces.map((surface) => [
      `${surface}.json`,
      documentOf(
        surface,
        routes.filter((route) => route.surface === surface),
        version,
        [...kernelFailures, ...answering(surface).flatMap(({ failures = [] }) => failures)],
      ),
    ]),
  );
}
