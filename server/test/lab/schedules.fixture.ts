// For tests of schedules: a bench of jobs, and what a test does with a schedule as time goes on.

import type { TestContext } from 'node:test';
import { openBench } from './jobs.fixture.ts';

export async function openSchedules(t: TestContext) {
  const bench = await openBench(t);
  const { lab, workspaceId, properties } = bench;
  const scheduleId = (name: string) => `${workspaceId}/schedules/${name}`;
  const settled = () => lab.now().schedules.settled();
  const daily = { triggerType: 'Cron', expression: '0 6 * * *' };
  return {
    ...bench,
    scheduleId,
    settled,
    daily,
    putSchedule: (name: string, more: object = {}, who = lab.owner, job: object = {}) =>
      lab.call(who, 'PUT', scheduleId(name), {
        body: {
          properties: {
            trigger: daily,
            action: { actionType: 'CreateJob', jobDefinition: { ...properties, ...job } },
            ...more,
          },
        },
      }),
    async schedule(name: string) {
      return (await lab.must(lab.owner, 'GET', scheduleId(name))).body.properties;
    },
    /** What the server tells of it, by the last word of each name. */
    async told(name: string): Promise<Readonly<Record<string, string>>> {
      const { body } = await lab.must(lab.owner, 'GET', scheduleId(name));
      const entries = Object.entries(body.properties.properties as Readonly<Record<string, string>>);
      return Object.fromEntries(entries.map(([key, value]) => [key.replace(/^schedule\./, ''), value]));
    },
    /** The time of day comes to this, and whatever is due by then is done. */
    async at(iso: string) {
      lab.clock.jump(Date.parse(iso) - lab.clock.epochMs());
      await settled();
    },
    /** Whose act it was that made a job. */
    maker: (name: string) =>
      lab.now().audit.entries.find(({ intent }) => intent.scope === bench.jobId(name) && intent.decision === 'allowed')
        ?.intent.actor.objectId,
    async jobs(who = lab.owner): Promise<readonly string[]> {
      const { body } = await lab.must(who, 'GET', `${workspaceId}/jobs`);
      return body.value.map(({ name }: { name: string }) => name);
    },
  };
}
export type ScheduleBench = Awaited<ReturnType<typeof openSchedules>>;
