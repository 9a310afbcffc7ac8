// Wire shapes of compute targets, `Microsoft.MachineLearningServices/workspaces/computes`, and of their nodes. Only AmlCompute
// is served; the kind refuses the other types of Azure by their name.
// Source: Azure REST specification, Compute (2022-10-01).

import { type Static, Type } from './schema.ts';

export const computeLimits = {
  idleSecondsMax: 7 * 86_400,
  idleSecondsDefault: 120,
  descriptionLength: 4096,
} as const;

/** Said in answers; sent back by clients that read, change and write. */
const readOnly = Type.Optional(Type.Unknown({ description: 'Read-only.' }));

export const scaleSettings = Type.Object(
  {
    maxNodeCount: Type.Integer({ minimum: 0, maximum: 100_000 }),
    minNodeCount: Type.Optional(Type.Integer({ minimum: 0, maximum: 100_000 })),
    nodeIdleTimeBeforeScaleDown: Type.Optional(
      Type.String({ minLength: 1, maxLength: 40, description: 'ISO 8601 duration, for example PT5M.' }),
    ),
  },
  { additionalProperties: false },
);

export const amlComputeProperties = Type.Object({
  osType: Type.Optional(Type.Union([Type.Literal('Linux'), Type.Literal('Windows')])),
  vmSize: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  vmPriority: Type.Optional(Type.Union([Type.Literal('Dedicated'), Type.Literal('LowPriority')])),
  scaleSettings: Type.Optional(scaleSettings),
  allocationState: readOnly,
  allocationStateTransitionTime: readOnly,
  errors: readOnly,
  currentNodeCount: readOnly,
  targetNodeCount: readOnly,
  nodeStateCounts: readOnly,
});
export type AmlComputeProperties = Static<typeof amlComputeProperties>;

export const computeProperties = Type.Object({
  computeType: Type.Literal('AmlCompute'),
  properties: Type.Optional(amlComputeProperties),
  computeLocation: Type.Optional(Type.Union([Type.String({ maxLength: 64 }), Type.Null()])),
  description: Type.Optional(Type.Union([Type.String({ maxLength: computeLimits.descriptionLength }), Type.Null()])),
  resourceId: Type.Optional(Type.Union([Type.String({ maxLength: 2048 }), Type.Null()])),
  createdOn: readOnly,
  modifiedOn: readOnly,
  provisioningErrors: readOnly,
  isAttachedCompute: readOnly,
});

export const nodeStates = ['idle', 'running', 'preparing', 'unusable', 'leaving', 'preempted'] as const;
export const nodeState = Type.Union([
  Type.Literal('idle'),
  Type.Literal('running'),
  Type.Literal('preparing'),
  Type.Literal('unusable'),
  Type.Literal('leaving'),
  Type.Literal('preempted'),
]);
export type NodeState = Static<typeof nodeState>;

export const computeNode = Type.Object({
  nodeId: Type.String(),
  nodeState,
  /** The job that the node runs. */
  runId: Type.Optional(Type.String()),
  privateIpAddress: Type.Null(),
  publicIpAddress: Type.Null(),
  port: Type.Null(),
});
export const computeNodes = Type.Object({ nodes: Type.Array(computeNode) });
export type ComputeNode = Static<typeof computeNode>;
