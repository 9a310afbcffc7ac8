// Microsoft.Authorization exists at every scope: one table entry becomes a route at the root and one below any id, with the
// same access and the same handler, so that the two cannot differ.

import type { Access, Params, Route } from '#kernel/http/route';

export const scopeOf = (params: Params): string => (params.scope === undefined ? '/' : `/${params.scope}`);

/** The route as given, whose path begins with `/{scope+}/`, and its twin at the root scope. */
export function atEveryScope(scoped: Route, rootAccess: Access = scoped.access): readonly Route[] {
  const { path, operation, access } = scoped;
  const root: Route = {
    ...scoped,
    operation: `${operation}AtRoot`,
    path: path.replace(/^\/\{scope\+\}/, ''),
    access: 'scopeOf' in rootAccess ? { ...rootAccess, scopeOf: () => '/' } : access,
    isDecidedAbove: true,
  };
  return [scoped, root];
}
