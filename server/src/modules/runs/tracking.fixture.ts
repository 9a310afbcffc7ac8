// What the tests of tracking share: a module behind the real door, a client of MLflow's, and runs as it reads them.

import assert from 'node:assert/strict';
import { type Answered, client, setUp } from './testing.ts';

export type RunAnswer = {
  info: Record<string, unknown>;
  data: {
    metrics?: { key: string; value: number | string; step: number; timestamp: number }[];
    params?: { key: string; value: string }[];
    tags?: { key: string; value: string }[];
  };
  inputs: Record<string, unknown>;
};

export const runOf = (answer: Answered) => {
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body['run'] as RunAnswer;
};

export const refused = (answer: Answered, status: number, code: string, message = /./) => {
  assert.equal(answer.status, status, JSON.stringify(answer.body));
  assert.equal(answer.body['error_code'], code);
  assert.match(String(answer.body['message']), message);
};

export async function opened(t: Parameters<typeof setUp>[0]) {
  const set = await setUp(t);
  const door = await set.openDoor();
  const mlflow = client(door.url);
  const createRun = async (body: Record<string, unknown> = {}) =>
    runOf(await mlflow.post('/runs/create', { experiment_id: '0', ...body }));
  const newRun = async () => String((await createRun()).info['run_id']);
  const getRun = async (run_id: string) => runOf(await mlflow.get('/runs/get', { run_id }));
  return { ...set, door, mlflow, createRun, newRun, getRun };
}
