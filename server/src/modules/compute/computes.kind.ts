// Compute targets as a resource kind. AmlCompute only: a cluster of nodes that are sandboxes on the machines of this
// installation. Nothing of a cluster is a secret; what it would mean to log in to a node is not served, and says so.

import {
  type AmlComputeProperties,
  type ComputeNode,
  computeLimits,
  computeNodes,
  computeProperties,
  type NodeState,
  nodeStates,
} from '@strongroom/contract/compute';
import { computesType } from '@strongroom/contract/compute.actions';
import { readDurationSeconds } from '@strongroom/contract/duration';
import { Type } from '@strongroom/contract/schema';
import type { Database } from '#kernel/database/database';
import { accessed, activity, json } from '#kernel/http/route';
import { idKey, parseResourceId } from '#kernel/ids/ids';
import type { Draft, Properties, Resource, ResourceKind, Unserved } from '#resources';
import { type Agents, refusalOf } from './agents.service.ts';
import type { Cluster, Clusters, Node } from './clusters.service.ts';
import { deleteCluster, putCluster, type StoredCluster } from './clusters.store.ts';
import { computeFailures } from './compute.errors.ts';
import { localTarget, type TargetId } from './targets.rules.ts';
import type { WorkService } from './work.service.ts';
import type { WorkQueue } from './work-queue.service.ts';

const noLogin = {
  because: 'Nobody logs in to a node here: it has no accounts and no port.',
  instead: 'Leave it out; what runs on a node is a job, and its log and files are read with the job.',
};

const unservedOfComputes: Unserved = {
  refused: {
    'properties.subnet': {
      always: null,
      because: 'Nodes are sandboxes on the machines of this installation and stand in no virtual network.',
      instead: 'Leave subnet out; what a node can reach is set where the agent runs.',
    },
    'properties.isolatedNetwork': {
      harmless: [false],
      because:
        'Nodes are sandboxes on the machines of this installation, and one cluster is not isolated otherwise than another.',
      instead: 'Leave isolatedNetwork out.',
    },
    // Python's client always sends true; that a node has no address of its own is so anyway.
    'properties.enableNodePublicIp': {
      always: false,
      harmless: [true],
      because: 'A node has no address of its own.',
      instead: 'Leave enableNodePublicIp out.',
    },
    'properties.userAccountCredentials': noLogin,
    'properties.remoteLoginPortPublicAccess': { always: 'NotSpecified', harmless: ['Disabled'], ...noLogin },
    disableLocalAuth: {
      always: true,
      because: 'Nobody logs in to a node here, so there is no local sign-in to leave on.',
      instead: 'Leave disableLocalAuth out, or send true.',
    },
    'properties.virtualMachineImage': {
      because: 'Nodes run what is on the machines of this installation.',
      instead: 'Leave virtualMachineImage out, and install what jobs need on those machines.',
    },
    'properties.propertyBag': {
      because: 'What a property bag means is not told to others than its maker.',
      instead: 'Leave propertyBag out.',
    },
  },
  kept: {
    'properties.vmSize': {
      because: 'A node is a part of the machine that its agent runs on, whatever its size is called.',
    },
    'properties.vmPriority': { because: 'No node is taken away for another customer.' },
  },
  ignored: {},
};

type Scale = { readonly min: number; readonly max: number; readonly idle: string; readonly idleSeconds: number };

type ComputesDeps = {
  readonly database: Database;
  readonly clusters: Clusters;
  readonly agents: Agents;
  readonly queue: WorkQueue;
  readonly work: Pick<WorkService, 'clear'>;
};

export function createComputesKind(deps: ComputesDeps): ResourceKind {
  const { database, clusters, agents, queue } = deps;

  async function keep(resource: Resource): Promise<undefined> {
    const { min, max, idleSeconds } = scaleOf(resource.properties);
    const stored: StoredCluster = {
      key: idKey(resource.id),
      id: resource.id,
      target: localTarget,
      minNodes: min,
      maxNodes: max,
      idleSeconds,
    };
    await database.write((tx) => putCluster(tx, stored));
    clusters.put(stored);
    queue.changed();
    return undefined;
  }

  function stateOf(node: Node, target: TargetId, leaving: boolean): NodeState {
    if (node.workId !== undefined) {
      if (leaving) return 'leaving';
      return queue.items.get(node.workId)?.state === 'running' ? 'running' : 'preparing';
    }
    const { state } = agents.readiness(target);
    if (state === 'ready') return 'idle';
    return state === 'unavailable' || state === 'failing' ? 'unusable' : 'preparing';
  }

  function nodesOf(id: string): readonly ComputeNode[] {
    const cluster = clusters.find(idKey(id));
    return (cluster?.nodes ?? []).map((node) => {
      const subject = node.workId === undefined ? undefined : queue.items.get(node.workId)?.spec.subject;
      return {
        nodeId: node.id,
        nodeState: stateOf(node, targetOf(cluster), cluster?.leaving === true),
        ...(subject === undefined ? {} : { runId: parseResourceId(subject).name }),
        privateIpAddress: null,
        publicIpAddress: null,
        port: null,
      };
    });
  }

  /** Counts as they are at this moment: they are of the cluster's nodes, not of the resource. */
  function allocation(id: string): Properties {
    const cluster = clusters.find(idKey(id));
    const nodes = nodesOf(id);
    const counts = Object.fromEntries(
      nodeStates.map((state) => [`${state}NodeCount`, nodes.filter(({ nodeState }) => nodeState === state).length]),
    );
    const waiting = cluster === undefined ? 0 : queue.waitingFor(id, cluster.stored.target);
    const busy = cluster?.nodes.filter(({ workId }) => workId !== undefined).length ?? 0;
    const wanted = Math.min(busy + waiting, cluster?.stored.maxNodes ?? 0);
    const target = cluster?.leaving ? 0 : Math.max(nodes.length, wanted);
    return {
      allocationState: target === nodes.length ? 'Steady' : 'Resizing',
      allocationStateTransitionTime: new Date(cluster?.changedAtMs ?? 0).toISOString(),
      errors: null,
      currentNodeCount: nodes.length,
      targetNodeCount: target,
      nodeStateCounts: counts,
    };
  }

  function provisioningErrors(id: string): readonly unknown[] | null {
    const failure = refusalOf(agents.readiness(targetOf(clusters.find(idKey(id)))));
    return failure === undefined ? null : [{ error: { code: failure.code, message: failure.message } }];
  }

  return {
    type: computesType,
    title: 'compute target',
    namePattern: /^[a-zA-Z](?![a-zA-Z0-9-]*-\d+$)[a-zA-Z0-9-]{2,23}$/,
    nameRule:
      'it begins with a letter, has 3 to 24 letters, digits and hyphens, and does not end in a hyphen followed by digits',
    properties: computeProperties,
    unserved: unservedOfComputes,
    discriminators: [{ path: 'computeType', serves: ['AmlCompute'], refuse: computeFailures.ComputeTypeNotServed }],
    location: 'optional',
    longRunning: true,
    // A cluster is made here and has nothing underneath that could stay: to detach it is refused, not taken for a removal.
    removeQuery: Type.Object({
      underlyingResourceAction: Type.Optional(
        Type.Literal('Delete', {
          description: 'A cluster is made by the service, so it cannot be detached, only deleted.',
        }),
      ),
    }),

    normalise(draft, existing) {
      const given = innerOf(draft.properties);
      const before = existing && innerOf(existing.properties);
      const scale = given.scaleSettings ?? before?.scaleSettings;
      return {
        computeType: draft.properties['computeType'],
        description: draft.properties['description'],
        resourceId: draft.properties['resourceId'],
        properties: {
          osType: given.osType ?? before?.osType ?? 'Linux',
          vmSize: given.vmSize ?? before?.vmSize ?? 'Standard_DS3_v2',
          vmPriority: given.vmPriority ?? before?.vmPriority ?? 'Dedicated',
          ...(scale === undefined ? {} : { scaleSettings: { minNodeCount: 0, ...scale } }),
        },
      };
    },

    async validate(_grant, draft, existing, id) {
      checkContent(draft);
      const { min, max } = scaleOf(draft.properties);
      if (max > clusters.nodesMax) throw computeFailures.clusterTooLarge(max, clusters.nodesMax);
      const left = clusters.nodesMax - clusters.reservedBeside(idKey(id), localTarget);
      if (min > left) throw computeFailures.nodesKeptByOthers(min, clusters.nodesMax, left);
      if (existing) checkUnchanged(draft, existing);
    },

    create: (_grant, resource) => keep(resource),
    update: (_grant, resource) => keep(resource),

    remove: (_grant, resource) => removeCluster(deps, resource.id),

    view: (resource) => ({
      computeType: 'AmlCompute',
      computeLocation: resource.location ?? null,
      description: resource.properties['description'] ?? null,
      createdOn: resource.systemData.createdAt,
      modifiedOn: resource.systemData.lastModifiedAt,
      resourceId: null,
      provisioningErrors: provisioningErrors(resource.id),
      isAttachedCompute: false,
      properties: {
        ...innerOf(resource.properties),
        scaleSettings: scaleView(resource.properties),
        ...allocation(resource.id),
      },
    }),

    actions: [
      {
        name: 'listNodes',
        summary: 'Lists the nodes of a cluster, each with what it does.',
        goesOnWhenLow: 'it stores nothing',
        audit: accessed('computeName'),
        responses: { 200: computeNodes },
        handle: async (_grant, resource) => json(200, { nodes: nodesOf(resource.id) }),
      },
    ],
    audit: { write: activity('computeName', 'properties.computeType', 'properties.properties.vmSize') },
  };
}

/** Nothing of it runs on when it is gone. Idempotent. */
export async function removeCluster(
  { database, clusters, work }: Pick<ComputesDeps, 'database' | 'clusters' | 'work'>,
  id: string,
): Promise<void> {
  const key = idKey(id);
  clusters.leave(key);
  await work.clear(id, 'The compute cluster was deleted.');
  await database.write((tx) => deleteCluster(tx, key));
  clusters.remove(key);
}

/** One that is made is on this machine. */
const targetOf = (cluster: Cluster | undefined): TargetId => cluster?.stored.target ?? localTarget;

/** The inner properties of a draft or a stored cluster: checked by the schema before they come here. */
const innerOf = (properties: Properties): AmlComputeProperties =>
  (properties['properties'] as AmlComputeProperties | undefined) ?? {};

function scaleOf(properties: Properties): Scale {
  const scale = innerOf(properties).scaleSettings;
  const idle = scale?.nodeIdleTimeBeforeScaleDown ?? `PT${computeLimits.idleSecondsDefault}S`;
  return {
    min: scale?.minNodeCount ?? 0,
    max: scale?.maxNodeCount ?? 0,
    idle,
    idleSeconds: readDurationSeconds(idle) ?? computeLimits.idleSecondsDefault,
  };
}

const scaleView = (properties: Properties) => {
  const { min, max, idle } = scaleOf(properties);
  return { minNodeCount: min, maxNodeCount: max, nodeIdleTimeBeforeScaleDown: idle };
};

function checkContent({ properties }: Draft): void {
  const { osType, scaleSettings } = innerOf(properties);
  if (typeof properties['resourceId'] === 'string') throw computeFailures.nothingToAttach();
  if (osType === 'Windows') throw computeFailures.onlyLinux();
  if (scaleSettings === undefined) throw computeFailures.scaleMissing();
  const { min, max, idle } = scaleOf(properties);
  if (min > max) throw computeFailures.scaleReversed(min, max);
  const seconds = readDurationSeconds(idle);
  if (seconds === undefined || seconds > computeLimits.idleSecondsMax) throw computeFailures.idleTime();
}

function checkUnchanged(draft: Draft, existing: Resource): void {
  const asked = innerOf(draft.properties);
  const before = innerOf(existing.properties);
  for (const name of ['vmSize', 'vmPriority'] as const)
    if (asked[name]?.toLowerCase() !== before[name]?.toLowerCase())
      throw computeFailures.PropertyChangeNotAllowed(`properties.${name}`);
}
