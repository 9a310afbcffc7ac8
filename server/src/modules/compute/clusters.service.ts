// Clusters and their nodes, in memory: a node is a slot for one sandbox on a machine of the cluster's target. Nodes come when
// there is work for them and go after the cluster's idle time; the clusters of one target together never have more than the
// installation allows. Knows nothing of what the work is. What must survive a start (bounds of clusters) is in clusters.store.

import type { Clock } from '#kernel/clock/clock';
import { randomToken } from '#kernel/crypto/random';
import { isWithin } from '#kernel/ids/ids';
import type { StoredCluster } from './clusters.store.ts';
import type { TargetId } from './targets.rules.ts';

export type Node = {
  readonly id: string;
  /** The work that it runs. */
  readonly workId: string | undefined;
  readonly idleSinceMs: number;
};

export type Cluster = {
  readonly stored: StoredCluster;
  readonly nodes: readonly Node[];
  /** Being deleted: takes no more work, and its nodes leave as they become free. */
  readonly leaving: boolean;
  /** When a node last came or went. */
  readonly changedAtMs: number;
};

export type NodeCounts = { readonly idle: number; readonly busy: number };

export type Clusters = {
  put(stored: StoredCluster): void;
  find(key: string): Cluster | undefined;
  /** Everywhere below this resource. */
  within(id: string): readonly StoredCluster[];
  /** Takes no more work; `remove` follows when none is left. */
  leave(key: string): void;
  remove(key: string): void;
  /** A node for this work: an idle one, or a new one within the bounds. False: it has to wait. */
  take(key: string, workId: string): boolean;
  release(key: string, workId: string): void;
  /** Lets nodes go that have been idle for their cluster's time. */
  scaleDown(): void;
  /** Nodes of this target that clusters other than `key` always keep. */
  reservedBeside(key: string, target: TargetId): number;
  counts(): NodeCounts;
  /** Of the clusters of one target together. */
  readonly nodesMax: number;
};

export function createClusters(options: { readonly clock: Clock; readonly nodesMax: number }): Clusters {
  const { clock, nodesMax } = options;
  const clusters = new Map<string, Cluster>();
  const of = (target: TargetId) => [...clusters.entries()].filter(([, { stored }]) => stored.target === target);
  const total = (target: TargetId) => of(target).reduce((sum, [, { nodes }]) => sum + nodes.length, 0);
  const fresh = (workId?: string): Node => ({
    id: `node-${randomToken(16).slice(0, 12).toLowerCase()}`,
    workId,
    idleSinceMs: clock.elapsedMs(),
  });

  function setNodes(key: string, nodes: readonly Node[]): void {
    const cluster = clusters.get(key);
    if (cluster === undefined) return;
    const changedAtMs = nodes.length === cluster.nodes.length ? cluster.changedAtMs : clock.epochMs();
    clusters.set(key, { ...cluster, nodes, changedAtMs });
  }

  /** Busy nodes stay whatever the bounds have become; idle ones go, oldest first, until the bounds hold. */
  function fit(key: string): void {
    const cluster = clusters.get(key);
    if (cluster === undefined) return;
    const { minNodes, maxNodes, target } = cluster.stored;
    const most = cluster.leaving ? 0 : maxNodes;
    let nodes = cluster.nodes;
    for (const node of [...nodes].filter(isIdle).sort(byIdleTime)) {
      if (nodes.length <= most) break;
      nodes = nodes.filter((one) => one !== node);
    }
    const room = nodesMax - (total(target) - cluster.nodes.length);
    while (!cluster.leaving && nodes.length < Math.min(minNodes, room)) nodes = [...nodes, fresh()];
    setNodes(key, nodes);
  }

  /** Makes room under the target's bound by the longest idle node that its cluster need not keep. */
  function reclaim(target: TargetId): boolean {
    const spare = of(target).flatMap(([key, { nodes, stored }]) =>
      nodes.length > stored.minNodes ? nodes.filter(isIdle).map((node) => ({ key, node })) : [],
    );
    const oldest = spare.sort((one, other) => byIdleTime(one.node, other.node))[0];
    if (oldest === undefined) return false;
    setNodes(oldest.key, clusters.get(oldest.key)?.nodes.filter((node) => node !== oldest.node) ?? []);
    return true;
  }

  return {
    nodesMax,
    put(stored) {
      const before = clusters.get(stored.key);
      clusters.set(stored.key, {
        stored,
        nodes: before?.nodes ?? [],
        leaving: false,
        changedAtMs: before?.changedAtMs ?? clock.epochMs(),
      });
      fit(stored.key);
    },
    find: (key) => clusters.get(key),
    within: (id) => [...clusters.values()].flatMap(({ stored }) => (isWithin(stored.id, id) ? [stored] : [])),
    leave(key) {
      const cluster = clusters.get(key);
      if (cluster) clusters.set(key, { ...cluster, leaving: true });
      fit(key);
    },
    remove: (key) => void clusters.delete(key),
    take(key, workId) {
      const cluster = clusters.get(key);
      if (cluster === undefined || cluster.leaving) return false;
      const idle = cluster.nodes.find(isIdle);
      if (idle !== undefined) {
        setNodes(
          key,
          cluster.nodes.map((node) => (node === idle ? { ...node, workId } : node)),
        );
        return true;
      }
      if (cluster.nodes.length >= cluster.stored.maxNodes) return false;
      const { target } = cluster.stored;
      if (total(target) >= nodesMax && !reclaim(target)) return false;
      setNodes(key, [...cluster.nodes, fresh(workId)]);
      return true;
    },
    release(key, workId) {
      const cluster = clusters.get(key);
      if (cluster === undefined) return;
      const idleSinceMs = clock.elapsedMs();
      setNodes(
        key,
        cluster.nodes.map((node) => (node.workId === workId ? { ...node, workId: undefined, idleSinceMs } : node)),
      );
      fit(key);
    },
    scaleDown() {
      const now = clock.elapsedMs();
      for (const [key, cluster] of clusters) {
        let nodes = cluster.nodes;
        for (const node of [...nodes].filter(isIdle).sort(byIdleTime)) {
          const isDue = node.idleSinceMs + cluster.stored.idleSeconds * 1000 <= now;
          if (!isDue || nodes.length <= cluster.stored.minNodes) break;
          nodes = nodes.filter((one) => one !== node);
        }
        setNodes(key, nodes);
        fit(key);
      }
    },
    counts() {
      const nodes = [...clusters.values()].flatMap((cluster) => cluster.nodes);
      const idle = nodes.filter(isIdle).length;
      return { idle, busy: nodes.length - idle };
    },
    reservedBeside: (key, target) =>
      of(target).reduce((sum, [, { stored }]) => sum + (stored.key === key ? 0 : stored.minNodes), 0),
  };
}

const isIdle = (node: Node): boolean => node.workId === undefined;
const byIdleTime = (one: Node, other: Node): number => one.idleSinceMs - other.idleSinceMs;
