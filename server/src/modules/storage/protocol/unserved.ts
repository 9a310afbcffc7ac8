// The operations of the blob protocol that are not served, by their names in it: whoever called one is told which it was, not
// that one of ten is missing.

import type { Query } from '#kernel/http/target';

/** By what stands in the query. */
const byParameter: Readonly<Record<string, string>> = {
  snapshot: 'Reading or changing a snapshot (snapshots of blobs are not kept)',
  versionid: 'Reading or changing an earlier version (versions of blobs are not kept)',
};

/** By `comp`, of the account, a container, a blob. */
const ofAccount: Readonly<Record<string, string>> = {
  properties: 'Get or Set Blob Service Properties (CORS, logging, static websites, soft delete)',
  stats: 'Get Blob Service Stats',
  userdelegationkey:
    'Get User Delegation Key (signatures that clients make are not taken; the server signs addresses itself)',
  batch: 'Blob Batch (send one request for each blob)',
  blobs: 'Find Blobs by Tags',
};
const ofContainer: Readonly<Record<string, string>> = {
  acl: 'Get or Set Container ACL (containers are never public, and policies are for signatures, which are not taken)',
  lease: 'Lease Container (use conditions: If-Match with the etag)',
  undelete: 'Restore Container (deleted containers are gone)',
  rename: 'Rename Container',
  batch: 'Blob Batch (send one request for each blob)',
  blobs: 'Find Blobs by Tags in Container',
};
const ofBlob: Readonly<Record<string, string>> = {
  lease: 'Lease Blob (use conditions: If-Match with the etag)',
  snapshot: 'Snapshot Blob (copy the blob to another name)',
  undelete: 'Undelete Blob (deleted blobs are gone)',
  tags: 'Get or Set Blob Tags (use metadata)',
  copy: 'Abort Copy Blob (a copy is done when it is answered)',
  incrementalcopy: 'Incremental Copy Blob',
  query: 'Query Blob Contents',
  page: 'Put Page (only block blobs are served)',
  pagelist: 'Get Page Ranges (only block blobs are served)',
  appendblock: 'Append Block (only block blobs are served)',
  seal: 'Append Blob Seal (only block blobs are served)',
  immutabilitypolicies: 'Set or Delete Blob Immutability Policy',
  legalhold: 'Set Blob Legal Hold',
  expiry: 'Set Blob Expiry',
};
const levels = [ofAccount, ofContainer, ofBlob];

const services: Readonly<Record<string, string>> = {
  dfs: 'The Data Lake protocol (dfs: folders with rights of their own)',
  file: 'The Files protocol (file shares)',
  queue: 'The Queue protocol',
  table: 'The Table protocol',
  web: 'Static websites',
};

/** Of a host that clients build for another service of an account. */
export function otherServiceMessage(service: string | undefined): string | undefined {
  const named = service === undefined ? undefined : services[service];
  return (
    named &&
    `${named} of storage accounts is not served by this server. Blobs are, at {account}.blob.storage of this domain.`
  );
}

/** @param depth 1 for an account, 2 for a container, 3 and more for a blob */
export function unservedMessage(method: string, depth: number, query: Query): string {
  const comp = query.get('comp')?.toLowerCase();
  const parameter = Object.keys(byParameter).find((name) => query.get(name) !== undefined);
  const named =
    depth === 1 && query.get('restype') === 'account'
      ? 'Get Account Information'
      : ((comp === undefined ? undefined : levels[Math.min(depth, 3) - 1]?.[comp]) ??
        (parameter === undefined ? undefined : byParameter[parameter]));
  const what =
    named ??
    (depth === 2 && query.get('restype') === undefined
      ? `${method} of a blob in the root container (add restype=container if the container was meant)`
      : `${method} with ${comp === undefined ? 'this query' : 'this comp'}`);
  return `${what} is not served. Served are blobs in one request or in blocks, their metadata, properties and tiers, copies within this server, containers and listings.`;
}
