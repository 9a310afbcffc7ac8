// Rows of clusters: their bounds, kept in the control database so that queued work finds them after a start without the key of
// any workspace. SQL and nothing else.

import { type Tx, tables } from '#kernel/database/database';
import type { TargetId } from './targets.rules.ts';

type ClusterRow = {
  key: string;
  id: string;
  min_nodes: number;
  max_nodes: number;
  idle_seconds: number;
  target: TargetId;
};
type ClusterTables = { compute_clusters: ClusterRow };

export type StoredCluster = {
  /** The id as `idKey` writes it. */
  readonly key: string;
  readonly id: string;
  /** Where its nodes are; it never changes. */
  readonly target: TargetId;
  readonly minNodes: number;
  readonly maxNodes: number;
  readonly idleSeconds: number;
};

export async function putCluster(tx: Tx, cluster: StoredCluster): Promise<void> {
  const values = { min_nodes: cluster.minNodes, max_nodes: cluster.maxNodes, idle_seconds: cluster.idleSeconds };
  await tables<ClusterTables>(tx)
    .insertInto('compute_clusters')
    .values({ key: cluster.key, id: cluster.id, target: cluster.target, ...values })
    .onConflict((conflict) => conflict.column('key').doUpdateSet({ id: cluster.id, ...values }))
    .execute();
}

export async function deleteCluster(tx: Tx, key: string): Promise<void> {
  await tables<ClusterTables>(tx).deleteFrom('compute_clusters').where('key', '=', key).execute();
}

export async function allClusters(tx: Tx, limit: number): Promise<readonly StoredCluster[]> {
  const rows = await tables<ClusterTables>(tx)
    .selectFrom('compute_clusters')
    .select(['key', 'id', 'min_nodes', 'max_nodes', 'idle_seconds', 'target'])
    .orderBy('key')
    .limit(limit)
    .execute();
  return rows.map((row) => ({
    key: row.key,
    id: row.id,
    target: row.target,
    minNodes: row.min_nodes,
    maxNodes: row.max_nodes,
    idleSeconds: row.idle_seconds,
  }));
}
