// The answer to what is not served (families.unserved.ts). The code stays ENDPOINT_NOT_FOUND, upon which clients do without.

import { runsActions } from '@strongroom/contract/runs.actions';
import { harmless, needs, type Route, route, unrecorded } from '#kernel/http/route';
import { families } from './families.unserved.ts';
import { runsFailures } from './runs.errors.ts';
import { mlflowSurface, workspaceIdOf, workspacePath } from './surface.ts';

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

export const unservedRoutes: readonly Route[] = methods.map((method) =>
  route({
    operation: `MLflow_Unserved${method[0]}${method.slice(1).toLowerCase()}`,
    surface: mlflowSurface,
    method,
    path: `${workspacePath}/unserved/{family+}`,
    summary: 'Says by name what is not served',
    // Which is said whatever is asked of it.
    reads: 'anything',
    access: needs(runsActions.readExperiments, workspaceIdOf, harmless('nothing is read and nothing is done')),
    goesOnWhenLow: 'it does nothing but refuse',
    audit: unrecorded('nothing is read and nothing is done'),
    handle: (_grant, { params }) => {
      const name = params['family'] ?? '';
      const what = Object.hasOwn(families, name) ? families[name] : 'This is';
      throw runsFailures.unservedFamily(what ?? '');
    },
  }),
);
