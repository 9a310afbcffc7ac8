// The server or the agent is killed while something is prepared for a job, or by one: at each step of a build, of the unpacking of
// an image, of a pipeline. What waited comes to an end that is true, nothing half made is used, nothing is done twice, and the
// same asked for again is there.

import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { after, afterEach, before, describe, test } from 'node:test';
import {
  openPackageIndex,
  type PackageIndex,
  packageWheel,
  pipWheel,
} from '../../src/modules/environments/package-index.fixture.ts';
import { agentOf } from '../agent.fixture.ts';
import { type Child, openPlace, type Place } from '../child.fixture.ts';
import { image, pushImage, shellLayer } from '../image.fixture.ts';
import { ended, endStates, makeCluster, makeWorkspace, printed, submit, tarOf, until } from '../work.fixture.ts';

let index: PackageIndex;
let place: Place;
let running: Child | undefined;
let workspace: string;
let computeId: string;

before(async () => {
  index = await openPackageIndex();
  index.add(pipWheel());
  place = await openPlace({ embedded: true, settings: { environments: { index: index.url } } });
  running = await place.start();
  workspace = await makeWorkspace(running, 'Rooms', 'Rooms');
  computeId = await makeCluster(running, workspace, 'cluster');
});
afterEach(async () => {
  await running?.kill();
  running = undefined;
  index.intercept = () => false;
});
after(async () => {
  await place.remove();
  index.close();
});

const started = async (): Promise<Child> => {
  running ??= await place.start();
  return running;
};
const get = async (child: Child, id: string) => (await child.arm(await child.ownerToken(), 'GET', id)).body;
const logOf = async (child: Child, job: string): Promise<string> =>
  (await child.arm(await child.ownerToken(), 'GET', `${job}/log?offset=0`)).text;

/**
 * That the end of a job that a kill may have cut off is true: it completed and all of it was done, or it says why it did not.
 * What it prints may be there in that case too, when the kill came between its last line and the end of its process.
 */
async function endedTruly(child: Child, job: string, state: string, lastLine: string): Promise<void> {
  if (state === 'Completed') {
    assert.equal((await logOf(child, job)).trim().split('\n').at(-1), lastLine);
    return;
  }
  const { error } = (await get(child, job)).properties;
  assert.ok(String(error?.message).length > 20, `${state} without a word why`);
}

async function verifies(child: Child): Promise<void> {
  const path = `/subscriptions/${child.subscriptionId}/providers/Strongroom.Audit/verify`;
  const { body, text } = await child.arm(await child.ownerToken(), 'POST', path, {});
  assert.deepEqual([body.verified, body.findings], [true, []], text);
}

/** kill -9, of the server or of its agent alone. Answers the server that is there afterwards. */
async function killed(child: Child, whom: 'server' | 'agent'): Promise<Child> {
  if (whom === 'agent') {
    process.kill(await agentOf(child), 'SIGKILL');
    return child;
  }
  await child.kill();
  running = undefined;
  return await started();
}

describe('an environment is built', () => {
  const moments = ['as it is asked for', 'while it fetches', 'as it ends'] as const;
  for (const whom of ['server', 'agent'] as const)
    for (const moment of moments)
      test(`${moment}, and the ${whom} is killed: the job ends truly, and the next one has what it needs`, async () => {
        const first = await started();
        const name = `greeting-${whom}-${moments.indexOf(moment)}`;
        const module = name.replaceAll('-', '_');
        index.add(packageWheel(name, '1.0', { [`${module}.py`]: 'words = "hello " + "there"\n' }));
        let held: ServerResponse | undefined;
        if (moment === 'while it fetches')
          index.intercept = (request, response) => {
            if (held !== undefined || !request.url?.startsWith(`/files/${module}`)) return false;
            held = response;
            return true;
          };
        const environmentId = `${workspace}/environments/${name}/versions/1`;
        const properties = { image: 'strongroom/node-python', condaFile: `dependencies: [{pip: [${name}]}]` };
        const made = await first.arm(await first.ownerToken(), 'PUT', environmentId, { properties });
        assert.ok(made.status < 300, made.text);
        const work = { computeId, environmentId, command: `python3 -c "import ${module}; print(${module}.words)"` };
        const job = await submit(first, workspace, `first-${name}`, work);
        if (moment === 'while it fetches')
          await until(
            () => first.send('/healthz'),
            () => held !== undefined,
          );
        if (moment === 'as it ends') {
          const build = await until(
            async () => first.arm(await first.ownerToken(), 'GET', job),
            ({ body }) => body.properties.properties['strongroom.environment.build'] !== undefined,
          );
          const buildName = String(build.body.properties.properties['strongroom.environment.build']);
          await ended(first, `${workspace}/jobs/${buildName.split('/').at(-1)}`, 200);
        }
        const second = await killed(first, whom);
        index.intercept = () => false;
        held?.destroy();
        const state = await ended(second, job, 200);
        await endedTruly(second, job, state, 'hello there');
        const again = await submit(second, workspace, `again-${name}`, work);
        assert.equal(
          await ended(second, again, 200),
          'Completed',
          JSON.stringify((await get(second, again)).properties),
        );
        assert.match(await logOf(second, again), /hello there/);
        await verifies(second);
      });
});

describe('a Dockerfile is built', () => {
  for (const whom of ['server', 'agent'] as const)
    test(`and the ${whom} is killed at a step of it: the job ends truly, and the next one has what it needs`, async () => {
      const first = await started();
      const token = await first.ownerToken();
      const step = 'i=0; until [ $i = 2000000 ]; do i=$((i+1)); done';
      const dockerfile = `FROM strongroom/node-python\nRUN mkdir /app; echo "made for ${whom}" > /app/words; echo at-it; ${step}\n`;
      const taken = await first.arm(token, 'POST', `${workspace}/snapshots`, await tarOf({ Dockerfile: dockerfile }), {
        'content-type': 'application/x-tar',
      });
      const environmentId = `${workspace}/environments/dockerfile-${whom}/versions/1`;
      const made = await first.arm(token, 'PUT', environmentId, {
        properties: { build: { contextUri: taken.body.uri } },
      });
      assert.ok(made.status < 300, made.text);
      const work = { computeId, environmentId, command: 'cat /app/words' };
      const job = await submit(first, workspace, `first-dockerfile-${whom}`, work);
      const { body } = await until(
        async () => first.arm(token, 'GET', job),
        (reply) => reply.body.properties.properties['strongroom.environment.build'] !== undefined,
      );
      const build = String(body.properties.properties['strongroom.environment.build']).split('/').at(-1);
      await printed(first, `${workspace}/jobs/${build}`, 'at-it\n', 200);
      const second = await killed(first, whom);
      await endedTruly(second, job, await ended(second, job, 200), `made for ${whom}`);
      const again = await submit(second, workspace, `again-dockerfile-${whom}`, work);
      assert.equal(await ended(second, again, 200), 'Completed', JSON.stringify((await get(second, again)).properties));
      assert.match(await logOf(second, again), new RegExp(`made for ${whom}`));
      await verifies(second);
    });
});

describe('an image is unpacked', () => {
  for (const whom of ['server', 'agent'] as const)
    test(`and the ${whom} is killed: the job ends truly, and the next one runs in the whole image`, async () => {
      const first = await started();
      const token = await first.ownerToken();
      const registry = String((await get(first, workspace)).properties.containerRegistry)
        .split('/')
        .at(-1)
        ?.toLowerCase();
      const files = Array.from({ length: 20_000 }, (_, n) => ({ path: `opt/${whom}/${n}`, content: `${n}\n` }));
      await pushImage(
        (method, path, body, type) => first.send(path, { method, token, body, headers: { 'content-type': type } }),
        `${registry}/team/${whom}`,
        'v1',
        image([shellLayer(), files]),
      );
      const environmentId = `${workspace}/environments/image-${whom}/versions/1`;
      const made = await first.arm(token, 'PUT', environmentId, {
        properties: { image: `${registry}/team/${whom}:v1` },
      });
      assert.ok(made.status < 300, made.text);
      const work = { computeId, environmentId, command: `set -- /opt/${whom}/*; echo $#` };
      const job = await submit(first, workspace, `first-image-${whom}`, work);
      await until(
        async () => first.arm(token, 'GET', job),
        ({ body }) => !['NotStarted', 'Queued'].includes(body.properties.status),
      );
      const second = await killed(first, whom);
      const state = await ended(second, job);
      await endedTruly(second, job, state, '20000');
      const again = await submit(second, workspace, `again-image-${whom}`, work);
      assert.equal(await ended(second, again), 'Completed', JSON.stringify((await get(second, again)).properties));
      assert.equal((await logOf(second, again)).trim(), '20000');
      await verifies(second);
    });
});

describe('a pipeline runs', () => {
  const waits = (mark: string) => `echo ${mark}; sleep 3`;
  for (const whom of ['server', 'agent'] as const)
    for (const step of ['one', 'two'] as const)
      test(`its step ${step} is at it, and the ${whom} is killed: each step was run once at most, and its end is true`, async () => {
        const first = await started();
        const name = `flow-${whom}-${step}`;
        const token = await first.ownerToken();
        const wired = { job_input_type: 'literal', value: `\${{parent.jobs.one.outputs.made}}` };
        const jobs = {
          one: {
            type: 'command',
            command: `${waits('at-one')}; echo made > \${{outputs.made}}/file`,
            outputs: { made: { type: 'uri_folder' } },
          },
          two: { type: 'command', command: `${waits('at-two')}; cat \${{inputs.made}}/file`, inputs: { made: wired } },
        };
        const settings = { default_compute: computeId, force_rerun: true };
        const made = await first.arm(token, 'PUT', `${workspace}/jobs/${name}`, {
          properties: { jobType: 'Pipeline', settings, jobs },
        });
        assert.ok(made.status < 300, made.text);
        const at = `${workspace}/jobs/${name}_${step}`;
        await until(
          async () => first.arm(token, 'GET', at),
          ({ status }) => status === 200,
        );
        await printed(first, at, `at-${step}`);
        const second = await killed(first, whom);
        const state = await ended(second, `${workspace}/jobs/${name}`, 120);
        const steps = [];
        for (const each of ['one', 'two']) {
          const { status, body } = await second.arm(
            await second.ownerToken(),
            'GET',
            `${workspace}/jobs/${name}_${each}`,
          );
          if (status === 404) continue;
          steps.push(String(body.properties.status));
          const times = (await logOf(second, `${workspace}/jobs/${name}_${each}`)).split(`at-${each}`).length - 1;
          assert.ok(times <= 1, `${each} ran ${times} times`);
        }
        assert.ok(
          steps.every((each) => endStates.has(each)),
          `${name} has ended, and its steps are ${steps}`,
        );
        assert.equal(
          state === 'Completed',
          steps.length === 2 && steps.every((each) => each === 'Completed'),
          `${steps}`,
        );
        await verifies(second);
      });
});
