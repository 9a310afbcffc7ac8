// MLflow's protocol at the door: addresses, bodies, errors, what is recorded and what is not served.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { type Answered, client, setUp, trackingPath, workspaceId } from './testing.ts';
import { opened, refused, runOf } from './tracking.fixture.ts';

after(() => closeScanPool());

test('both versions, the preview alias and the ajax path lead to the same run', async (t) => {
  const { door, newRun } = await opened(t);
  const run_id = await newRun();
  const shouted = workspaceId
    .replace('resourceGroups', 'RESOURCEGROUPS')
    .replace('Microsoft.Machine', 'microsoft.MACHINE');
  for (const base of [
    `/mlflow/v2.0${workspaceId}/api/2.0/mlflow`,
    `/mlflow/v1.0/${workspaceId}/ajax-api/2.0/mlflow`,
    `/mlflow/v1.0${workspaceId}/api/2.0/preview/mlflow`,
    `/mlflow/v1.0${shouted}/api/2.0/mlflow`,
  ]) {
    const answer = await client(door.url, 'alice', base).get('/runs/get', { run_id });
    assert.equal(answer.status, 200, base);
  }
  for (const base of [
    `/mlflow${workspaceId}`,
    `/mlflow/v3.0${workspaceId}/api/2.0/mlflow`,
    `${trackingPath}`,
    `${trackingPath}/api/3.0/mlflow`,
    `${trackingPath}/api/2.0`,
  ]) {
    refused(await client(door.url, 'alice', base).get('/runs/get', { run_id }), 404, 'ENDPOINT_NOT_FOUND');
  }
});

test('version, health and server-info answer without a credential and say nothing about the workspace', async (t) => {
  const { door } = await opened(t);
  assert.equal(await (await fetch(`${door.url}${trackingPath}/version`)).text(), '3.11.1');
  assert.equal(await (await fetch(`${door.url}${trackingPath}/health`)).text(), 'OK');
  const info = await fetch(`${door.url}${trackingPath}/api/3.0/mlflow/server-info`);
  assert.deepEqual(await info.json(), { store_type: 'SqlStore', workspaces_enabled: false });
});

test('errors are MLflow errors: no credential, no right, no JSON, no route, wrong method', async (t) => {
  const set = await setUp(t, (action) => action.endsWith('/read'));
  const { url } = await set.openDoor();
  const base = `${url}${trackingPath}/api/2.0/mlflow`;
  const anonymous = await fetch(`${base}/runs/get?run_id=x`);
  assert.equal(anonymous.status, 401);
  assert.equal(((await anonymous.json()) as { error_code: string }).error_code, 'UNAUTHENTICATED');
  refused(await client(url).post('/runs/create', { experiment_id: '0' }), 403, 'PERMISSION_DENIED', /authorization/);
  assert.equal(set.audit.entries.at(-1)?.level, 'refused');
  const untyped = await fetch(`${base}/runs/create`, {
    method: 'POST',
    body: '{}',
    headers: { authorization: 'Bearer a' },
  });
  assert.equal(untyped.status, 400);
  refused(await client(url).get('/nowhere'), 404, 'ENDPOINT_NOT_FOUND');
  const method = await client(url).post('/runs/get', {}, 'DELETE');
  assert.equal(method.status, 405);
});

test('bodies: empty, broken, doubly encoded, with nulls and unknown fields, with reserved names', async (t) => {
  const { door, mlflow } = await opened(t);
  const raw = async (body: string): Promise<Answered> => {
    const response = await fetch(`${door.url}${trackingPath}/api/2.0/mlflow/runs/create`, {
      method: 'POST',
      body,
      headers: { authorization: 'Bearer alice', 'content-type': 'application/json; charset=utf-8' },
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  refused(await raw(''), 400, 'INVALID_PARAMETER_VALUE', /Missing value for required parameter 'experiment_id'/);
  refused(await raw('{"value": NaN}'), 400, 'INVALID_PARAMETER_VALUE');
  refused(await raw('[]'), 400, 'INVALID_PARAMETER_VALUE', /JSON object/);
  refused(await raw('{"__proto__": {"x": 1}}'), 400, 'INVALID_PARAMETER_VALUE');
  refused(await raw(JSON.stringify('{"__proto__": {"x": 1}}')), 400, 'INVALID_PARAMETER_VALUE');
  runOf(await raw(JSON.stringify(JSON.stringify({ experiment_id: '0' }))));
  runOf(await mlflow.post('/runs/create', { experiment_id: '0', run_name: null, tags: null, unknown: { a: 1 } }));
  refused(await mlflow.post('/runs/create', { experiment_id: 0 }), 400, 'INVALID_PARAMETER_VALUE', /Invalid value 0/);
  refused(await mlflow.post('/runs/create', { experiment_id: 'abc' }), 400, 'INVALID_PARAMETER_VALUE');
  refused(await mlflow.post('/runs/create', { experiment_id: '77' }), 404, 'RESOURCE_DOES_NOT_EXIST');
});

test('making and changing is recorded with what it was about, logging is not', async (t) => {
  const { audit, mlflow, newRun } = await opened(t);
  const run_id = await newRun();
  const made = audit.entries.at(-1);
  assert.equal(made?.level, 'activity');
  assert.deepEqual(made?.intent.parameters, { workspaceName: 'ws', experiment_id: '0' });
  assert.equal(made?.intent.scope, workspaceId);
  const before = audit.entries.length;
  await mlflow.post('/runs/log-metric', { run_id, key: 'm', value: 1, timestamp: 1 });
  await mlflow.get('/runs/get', { run_id });
  assert.equal(audit.entries.length, before);
});

test('what MLflow has and this does not serve is told by name, and only to who may look', async (t) => {
  const { door } = await opened(t);
  for (const [path, name] of [
    ['api/2.0/mlflow/traces', /^Traces and their assessments are not served here/],
    ['api/3.0/mlflow/traces/search', /^Traces/],
    ['api/3.0/mlflow/traces/tr-1/assessments', /assessments/],
    ['ajax-api/3.0/mlflow/get-trace-artifact', /^Traces/],
    ['v1/traces', /^Traces/],
    ['api/3.0/mlflow/datasets/create', /^Evaluation data sets/],
    ['api/3.0/mlflow/scorers/register', /^Scorers/],
    ['api/3.0/mlflow/gateway/secrets/create', /^The AI gateway/],
    ['api/2.0/mlflow/webhooks', /^Webhooks/],
    ['ajax-api/2.0/mlflow/runs/create-promptlab-run', /^The prompt lab/],
    ['graphql', /^GraphQL/],
    ['ajax-api/2.0/mlflow/unserved/constructor', /^This is not served/],
  ] as const)
    for (const method of ['GET', 'POST', 'PATCH', 'DELETE']) {
      const answer = await fetch(`${door.url}${trackingPath}/${path}`, {
        method,
        headers: { authorization: 'Bearer alice', 'content-type': 'application/json' },
        ...(method === 'GET' ? {} : { body: '{}' }),
      });
      const body = (await answer.json()) as { error_code: string; message: string };
      assert.deepEqual([answer.status, body.error_code], [404, 'ENDPOINT_NOT_FOUND'], `${method} ${path}`);
      assert.match(body.message, name);
      assert.match(body.message, /docs\/compat\/mlflow\.md/);
    }
  const stranger = await fetch(`${door.url}${trackingPath}/api/2.0/mlflow/traces`);
  assert.equal(stranger.status, 401);
});
