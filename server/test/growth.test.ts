// What grows and what may: below the mark of the disk nothing is stored that grows, and what people need who make room again
// goes on. Every route that may store, and every table of every database, says here which of the two it is. Whoever adds one
// has to choose.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { needsRoom } from '#kernel/http/route';
import { composedRoutes } from '../../scripts/openapi/routes.ts';
import { matchesGolden } from './golden.fixture.ts';

test('what goes on while the disk has no room for what grows is exactly the golden list, each with its reason', async () => {
  const { routes } = await composedRoutes();
  const stores = routes.filter(({ method }) => method === 'PUT' || method === 'POST' || method === 'PATCH');
  const goesOn: Record<string, string> = {};
  for (const route of [...stores].sort((a, b) => (a.operation < b.operation ? -1 : 1)))
    if (!needsRoom(route)) goesOn[route.operation] = route.goesOnWhenLow ?? '';
  matchesGolden(new URL('when-low.golden.json', import.meta.url), goesOn);
  const held = stores.filter(needsRoom).map(({ operation }) => operation);
  for (const operation of ['Blob_Put', 'Blob_StageBlock', 'Oci_AppendUpload', 'MLflow_LogBatch', 'Snapshots_Create'])
    assert.ok(held.includes(operation), operation);
});

/** Rows that only a request brings which needs room: the door refuses it. */
const atTheDoor = 'a request that needs room';
/** Bounded by what there is, which itself came through the door. */
const bounded = 'one row, or a few, for each of what came through the door';
/** What must be written for people to make room again. It has the space below the mark, and the reserve. */
const reserve = 'needed to make room again';

const tables: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'kernel/database': {
    schema_migrations: 'one row for each migration',
    store_stamp: 'one row',
  },
  'kernel/sealing': {
    data_key_owners: bounded,
    data_keys: bounded,
  },
  'kernel/tasks': {
    tasks: `${reserve}: removals are tasks; those that are done are pruned`,
  },
  'modules/access': {
    role_definitions: atTheDoor,
    role_assignments: `${reserve}: whoever is to make room may need a role`,
  },
  'modules/audit': {
    audit_records: `${reserve}: what cannot be recorded is not done; what strangers bring is bounded by the minute`,
    audit_tiles: reserve,
    audit_tree: 'one row',
    audit_checkpoints: `${reserve}: at most one a minute`,
    audit_anchors: bounded,
    audit_leaves: `${reserve}: less than the records that go for it`,
    audit_drops: reserve,
  },
  'modules/assets': {
    snapshots: atTheDoor,
    snapshot_files: atTheDoor,
    pending_uploads: atTheDoor,
  },
  'modules/compute': {
    compute_clusters: bounded,
    compute_work: bounded,
  },
  'modules/environments': {
    environments: atTheDoor,
    environment_names: atTheDoor,
    environment_waiting: bounded,
    built_images: bounded,
  },
  'modules/connections': {
    connection_credentials: bounded,
  },
  'modules/endpoints': {
    endpoint_keys: bounded,
  },
  'modules/flows': {
    flow_parts: 'what a pipeline under way runs: it came through the door with it, and goes with its end',
    flow_results: bounded,
    flows_under_way: bounded,
  },
  'modules/identity': {
    principals: atTheDoor,
    users: atTheDoor,
    applications: atTheDoor,
    managed_identities: bounded,
    application_secrets: atTheDoor,
    identity_settings: 'a few rows',
    openid_records: `${reserve}: signing in; swept when they end`,
    revoked_tokens: `${reserve}: signing out; swept when they end`,
    failed_attempts: 'gone',
    sign_in_attempts: 'bounded in number, and swept',
  },
  'modules/jobs': {
    job_log_chunks: 'held where it is stored: the log says where something is missing',
  },
  'modules/monitoring': {
    scoring_requests: 'held where it is stored, and counted as lost',
  },
  'modules/quotas': {
    quotas: bounded,
  },
  'modules/registry': {
    blobs: atTheDoor,
    parts: atTheDoor,
    links: atTheDoor,
    repositories: atTheDoor,
    manifests: atTheDoor,
    mentions: atTheDoor,
    tags: atTheDoor,
  },
  'modules/resources': {
    resources: `${atTheDoor}; what the server itself makes belongs to one that came through it`,
    operations: `${reserve}: removals are operations; those that are done are pruned`,
  },
  'modules/schedules': {
    schedules_due: bounded,
  },
  'modules/runs': {
    ...Object.fromEntries(
      [
        ...[
          'experiments',
          'experiment_tags',
          'runs',
          'run_params',
          'run_tags',
          'metrics',
          'latest_metrics',
          'datasets',
        ],
        ...['run_datasets', 'run_dataset_tags', 'run_models', 'logged_models', 'logged_model_params'],
        ...['logged_model_tags', 'logged_model_metrics'],
      ].map((name) => [name, atTheDoor]),
    ),
    runs_settings: 'a few rows',
  },
  'modules/storage': {
    containers: atTheDoor,
    blobs: atTheDoor,
    stagings: atTheDoor,
    blocks_of_stagings: atTheDoor,
    loose: 'an id for what a write took a name from; goes with the last row below it',
    parts: atTheDoor,
    blocks: atTheDoor,
    usage: 'one row',
  },
  'modules/vault': {
    vaults: bounded,
    vault_objects: atTheDoor,
    vault_versions: atTheDoor,
    deleted_vaults: bounded,
  },
};

test('every table of every database says what may fill it while the disk has no room for what grows', () => {
  const source = fileURLToPath(new URL('../src/', import.meta.url));
  const found: Record<string, string[]> = {};
  for (const entry of readdirSync(source, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.ts$/.test(entry.name) || /\.(test|fixture|worker|contract)\.ts$/.test(entry.name))
      continue;
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(source.length);
    if (name.includes('/testing/')) continue;
    const made = [...readFileSync(path, 'utf8').matchAll(/create table (?:if not exists )?([a-z_]+)/gi)];
    if (made.length === 0) continue;
    const room = name.split('/').slice(0, 2).join('/');
    // Another engine makes the same tables in its own words.
    found[room] = [...new Set([...(found[room] ?? []), ...made.map(([, table = '']) => table)])].sort();
  }
  const said = Object.fromEntries(Object.entries(tables).map(([room, named]) => [room, Object.keys(named).sort()]));
  assert.deepEqual(found, said);
});
