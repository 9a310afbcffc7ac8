// Folders that earlier states of the code left, opened by today's: everything that they held is answered as it was, the audit log
// verifies from its first record, new work is done in them, and they open again.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Child, openPlace, type Place } from '../child.fixture.ts';
import type { FirstStart } from '../server.fixture.ts';
import { until } from '../work.fixture.ts';
import { type Answered, ask, type Facts, run } from './filling.ts';

const archives = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.tar.gz'));

/** What is said of the moment of asking, and not of what is kept. */
const momentary: ReadonlySet<string> = new Set([
  'currentNodeCount',
  'targetNodeCount',
  'nodeStateCounts',
  'allocationState',
  'allocationStateTransitionTime',
  // No agent runs here, and clusters say so.
  'provisioningErrors',
]);

/** The folder as it was, at a place of its own: another port, another path. */
async function unpack(place: Place, archive: string): Promise<Facts> {
  const unpacked = spawnSync('tar', ['-xzf', join(import.meta.dirname, archive), '-C', place.folder]);
  assert.equal(unpacked.status, 0, String(unpacked.stderr));
  const { http } = JSON.parse(await readFile(join(place.folder, 'config.yml'), 'utf8')) as {
    readonly http: { readonly port: number };
  };
  const file = join(place.folder, 'first-start.json');
  const told = JSON.parse(await readFile(file, 'utf8')) as FirstStart;
  const url = new URL(told.url);
  url.port = String(http.port);
  await writeFile(file, JSON.stringify({ ...told, url: url.origin, caFile: join(place.dataDir, 'ca.pem') }));
  return JSON.parse(await readFile(join(place.folder, 'facts.json'), 'utf8')) as Facts;
}

/** Where today's answer says less, or something else, than was answered then. What it says besides is new. */
function lost(then: unknown, now: unknown, at = ''): readonly string[] {
  if (Array.isArray(then)) {
    if (!Array.isArray(now)) return [`${at} is no list any more`];
    // Lists have an order only where it was asked for: what stood in it must still stand there.
    return then.flatMap((each, index) =>
      now.some((one) => lost(each, one).length === 0) ? [] : [`${at}[${index}] ${JSON.stringify(each).slice(0, 300)}`],
    );
  }
  if (typeof then === 'object' && then !== null)
    return Object.entries(then).flatMap(([name, value]) =>
      momentary.has(name) ? [] : lost(value, (now as Record<string, unknown> | null)?.[name], `${at}.${name}`),
    );
  return Object.is(then, now) ? [] : [`${at}: ${JSON.stringify(then)} became ${JSON.stringify(now)}`];
}

for (const archive of archives)
  test(`a folder of ${archive.replace('.tar.gz', '')} opens, is whole, verifies, takes new work and opens again`, async (t) => {
    // Nobody has used its environments for as long as it lies here: they would be taken away as ever.
    const place = await openPlace({ settings: { environments: { keptDays: 0 } } });
    t.after(() => place.remove());
    const facts = await unpack(place, archive);
    /** The port is a part of addresses, whether they are made anew or kept as they were said, and nothing depends on it. */
    const atNoPort = (value: unknown): unknown =>
      JSON.parse(JSON.stringify(value).replaceAll(/localhost:\d+/g, 'localhost:PORT'));
    const readsEverything = async (child: Child) => {
      const wrong: string[] = [];
      for (const { answered, ...question } of facts.questions) {
        const now: Answered = await ask(child, question);
        const found = lost(atNoPort(answered), atNoPort(now));
        wrong.push(...found.map((each) => `${question.what}${each}`));
      }
      assert.deepEqual(wrong, []);
    };
    const verifies = async (child: Child) => {
      const path = `/subscriptions/${child.subscriptionId}/providers/Strongroom.Audit/verify`;
      const { body, text } = await child.arm(await child.ownerToken(), 'POST', path, {});
      assert.deepEqual([body.verified, body.findings], [true, []], text);
    };

    const first = await place.start();
    await readsEverything(first);
    await verifies(first);
    const token = await first.ownerToken();
    const made: string[] = [];
    for (const workspace of [facts.workspace, facts.sealed]) {
      const { run: id } = await run(first, workspace);
      made.push(`/mlflow/v1.0${workspace}/api/2.0/mlflow/runs/get?run_id=${id}`);
      const model = await first.arm(token, 'PUT', `${workspace}/models/later`, {
        properties: { description: 'later' },
      });
      assert.ok(model.status < 300, model.text);
    }
    const secret = await first.send('/secrets/later?api-version=7.4', {
      method: 'PUT',
      host: 'vhistory.vault.localhost',
      token: await first.token(first.owner, first.audience('keyvault')),
      body: { value: 'later' },
    });
    assert.equal(secret.status, 200, secret.text);
    const group = await first.group('Later');
    const stopped = await first.terminate();
    assert.equal(stopped.code, 0, stopped.output);

    const second = await place.start();
    await readsEverything(second);
    await verifies(second);
    const again = await second.ownerToken();
    for (const path of made) {
      const { body, text } = await second.send(path, { token: again });
      assert.deepEqual([body.run.data.metrics[0].value, body.run.data.params[0].value], [0.5, '0.1'], text);
    }
    await until(
      () => second.arm(again, 'GET', group),
      ({ status }) => status === 200,
    );
    await second.terminate();
  });

test('there is a folder to open', () => assert.ok(archives.length > 0));
