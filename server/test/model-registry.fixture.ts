// For tests: a server with a workspace and a run that has logged a model, and MLflow's registry as a client calls it.

import assert from 'node:assert/strict';
import type { Reply } from './client.fixture.ts';
import { openServer, type Principal } from './server.fixture.ts';
import { makeWorkspace } from './work.fixture.ts';

type Options = { readonly as?: Principal; readonly at?: string };

export async function openModelRegistry() {
  const bench = await openServer({ embedded: false });
  const workspace = await makeWorkspace(bench, 'registry', 'models');
  async function send(method: string, path: string, body: unknown, options: Options = {}): Promise<Reply> {
    const { as, at = workspace } = options;
    const token = as ? await bench.token(as, bench.audience('mlflow')) : await bench.ownerToken();
    return bench.send(`/mlflow/v1.0${at}/api/2.0/${path}`, { method, token, ...(body === undefined ? {} : { body }) });
  }
  const post = (path: string, body: unknown, options?: Options) => send('POST', `mlflow/${path}`, body, options);
  const get = (path: string, query: Record<string, string>, options?: Options) =>
    send('GET', `mlflow/${path}?${new URLSearchParams(query)}`, undefined, options);
  const upload = async (path: string, content: string) => {
    const reply = await bench.send(`/mlflow/v1.0${workspace}/api/2.0/mlflow-artifacts/artifacts/${path}`, {
      method: 'PUT',
      token: await bench.ownerToken(),
      headers: { 'content-type': 'application/octet-stream' },
      body: content,
    });
    assert.equal(reply.status, 200, reply.text);
  };
  const arm = async (method: string, path: string, body?: unknown) =>
    bench.arm(await bench.ownerToken(), method, `${workspace}/${path}`, body);
  const run: string = (await post('runs/create', { experiment_id: '0' })).body.run.info.run_id;
  await upload(`0/${run}/artifacts/model/MLmodel`, 'flavors: {}');
  await upload(`0/${run}/artifacts/model/data/model.bin`, 'weights');
  const register = async (name: string, more: Record<string, unknown> = {}) => {
    await post('registered-models/create', { name });
    return ok(await post('model-versions/create', { name, source: `runs:/${run}/model`, ...more })).model_version;
  };
  return { bench, workspace, run, send, post, get, upload, arm, register };
}

export const ok = (reply: Reply) => {
  assert.equal(reply.status, 200, reply.text);
  return reply.body;
};
export const refused = (reply: Reply, status: number, code: string, message = /./) => {
  assert.equal(reply.status, status, reply.text);
  assert.equal(reply.body.error_code, code);
  assert.match(reply.body.message, message);
};
