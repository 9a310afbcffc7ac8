// For tests of jobs that are made of others: a bench of jobs, and what a test does with a sweep and its trials.

import type { TestContext } from 'node:test';
import { exited, openBench, running } from './jobs.fixture.ts';

export async function openFlows(t: TestContext) {
  const bench = await openBench(t);
  const { lab, workspaceId, computeId, codeId, jobId } = bench;
  const settled = () => lab.now().flows.idle();
  const sweep = {
    jobType: 'Sweep',
    computeId,
    trial: { codeId, command: `python3 train.py --lr \${{search_space.lr}} --b \${{search_space.b}}` },
    searchSpace: { lr: ['uniform', [0.1, 0.9]], b: ['choice', [['x', 'y', "z'; rm -rf /"]]] },
    samplingAlgorithm: { samplingAlgorithmType: 'random', seed: 7 },
    objective: { goal: 'maximize', primaryMetric: 'accuracy' },
    limits: { jobLimitsType: 'Sweep', maxTotalTrials: 4, maxConcurrentTrials: 2 },
    experimentName: 'tuning',
  };
  return {
    ...bench,
    sweep,
    settled,
    /** A component with the code of the bench. Answers its id. */
    async component(name: string, spec: object): Promise<string> {
      const id = `${workspaceId}/components/${name}/versions/1`;
      const componentSpec = { type: 'command', code: `azureml:${codeId}`, ...spec };
      await lab.must(lab.owner, 'PUT', id, { body: { properties: { componentSpec } } });
      return id;
    },
    putSweep: async (name: string, more: object = {}, who = lab.owner) => {
      const answered = await lab.call(who, 'PUT', jobId(name), { body: { properties: { ...sweep, ...more } } });
      await settled();
      return answered;
    },
    /** Without the command that every job of the bench has. */
    putJob: async (name: string, properties: object, who = lab.owner) => {
      const answered = await lab.call(who, 'PUT', jobId(name), { body: { properties } });
      await settled();
      return answered;
    },
    /** A job begins, and logs these points of a metric. */
    async logs(name: string, metric: string, ...points: readonly (number | 'NaN')[]) {
      const { status } = await bench.job(name);
      if (status === 'Queued') await bench.tell(name, running);
      const path = `/mlflow/v1.0${workspaceId}/api/2.0/mlflow/runs/log-batch`;
      const metrics = points.map((value, step) => ({ key: metric, value, step, timestamp: 1_000 + step }));
      await lab.must(lab.owner, 'POST', path, { body: { run_id: name, metrics } });
    },
    /** The work of a job is told these things, and whoever it belongs to has looked. */
    async told(name: string, ...events: Parameters<typeof bench.tell> extends [string, ...infer E] ? E : never) {
      await bench.tell(name, ...events);
      await settled();
    },
    /** The job ends well, and leaves a file in an output. */
    async finish(job: string, left?: string) {
      await bench.tell(job, running);
      if (left !== undefined) {
        const { info } = await bench.run(job);
        const path = `/mlflow/v1.0${workspaceId}/api/2.0/mlflow-artifacts/artifacts/${info.experiment_id}/${job}/artifacts/outputs/${left}/a.txt`;
        await lab.must(lab.owner, 'PUT', path, { body: Buffer.from(job) });
      }
      await bench.tell(job, exited(0));
      await settled();
    },
    async tick() {
      lab.now().flows.tick();
      await settled();
    },
    async list(query = '', who = lab.owner): Promise<readonly string[]> {
      const { body } = await lab.must(who, 'GET', `${workspaceId}/jobs${query}`);
      return body.value.map(({ name }: { name: string }) => name);
    },
    async children(
      name: string,
      who = lab.owner,
    ): Promise<readonly { readonly runId: string; readonly status: string }[]> {
      return (await lab.must(who, 'GET', `/history/v1.0${workspaceId}/runs/${name}/children`)).body.value;
    },
  };
}
export type FlowBench = Awaited<ReturnType<typeof openFlows>>;
