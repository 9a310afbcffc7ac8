// The answer to what is not served (families.ts). The code stays ENDPOINT_NOT_FOUND, upon which clients do without.

import { runsActions } from '@strongroom/contract/runs.actions';
import { Failure } from '#kernel/errors/failure';
import { harmless, needs, type Route, route, unrecorded } from '#kernel/http/route';
import { families } from './families.ts';
import { mlflowSurface, workspaceIdOf, workspacePath } from './surface.ts';

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

export const unservedRoutes: readonly Route[] = methods.map((method) =>
  route({
    operation: `MLflow_Unserved${method[0]}${method.slice(1).toLowerCase()}`,
    surface: mlflowSurface,
    method,
    path: `${workspacePath}/unserved/{family+}`,
    summary: 'Says by name what is not served',
    access: needs(runsActions.readExperiments, workspaceIdOf, harmless('nothing is read and nothing is done')),
    goesOnWhenLow: 'it does nothing but refuse',
    audit: unrecorded('nothing is read and nothing is done'),
    handle: (_grant, { params }) => {
      const name = params['family'] ?? '';
      const what = Object.hasOwn(families, name) ? families[name] : 'This is';
      throw new Failure({
        kind: 'notFound',
        // The code of paths that nobody serves.
        code: 'NotFound',
        message: `${what} not served here. What is, and what to use instead, is listed in docs/compat/mlflow.md.`,
      });
    },
  }),
);
