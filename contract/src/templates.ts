// Wire shapes of a template deployment, as far as one is served: the template with which Azure's Python SDK makes a workspace.
// Source: Azure REST specification, Deployments (2020-06-01 and later).

import { Type } from './schema.ts';

export const templateDeployment = Type.Object({
  mode: Type.Union([Type.Literal('incremental'), Type.Literal('Incremental')]),
  /** Looked at for the types of its resources, and not kept. */
  template: Type.Unknown(),
  parameters: Type.Record(Type.String({ maxLength: 128 }), Type.Unknown()),
});

export const deploymentOperations = Type.Object({
  value: Type.Array(
    Type.Object({
      id: Type.String(),
      operationId: Type.String(),
      properties: Type.Object({
        provisioningOperation: Type.Literal('Create'),
        provisioningState: Type.String(),
        targetResource: Type.Object({ id: Type.String(), resourceType: Type.String(), resourceName: Type.String() }),
      }),
    }),
  ),
});
