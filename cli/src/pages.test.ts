// The pages whose commands need no network beyond the server run as they stand, one after another, on a server of their own.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { runPage } from './pages.fixture.ts';
import { openServed } from './served.fixture.ts';

const { cli, folder } = await openServed();
await cli.run('group', 'create', 'pages');
await cli.run('config', 'set', 'resource-group', 'pages');
await cli.json('workspace', 'create', 'research');
await cli.run('config', 'set', 'workspace', 'research');

for (const [page, blocksMin] of [
  ['jobs.md', 2],
  ['sweeps-and-pipelines.md', 2],
  ['schedules.md', 1],
] as const)
  test(`every command of docs/${page} runs, and prints what the page says`, async () => {
    const { blocks, said } = await runPage(page, {
      folder: join(folder, page),
      environment: { ...process.env, ...cli.shell.environment },
      first: ['ME=strongroom-automation'],
    });
    assert.ok(blocks.length >= blocksMin);
    assert.ok(!said.includes('correct horse'), said);
  });
