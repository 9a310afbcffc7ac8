// One word, planted in everything that a user can say to the server, must be found nowhere at rest: not in the data folder,
// not in a write-ahead log, a temporary folder, an argument or an environment; not while all of it is in use, not after the
// server was killed, not after it stopped. The same searcher finds it where it does stand in clear.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { agentOf } from './agent.fixture.ts';
import { type Find, findInFile, findInFolder, findInProcesses } from './canary.fixture.ts';
import { type Child, openPlace, type Place } from './child.fixture.ts';
import { plant, scores } from './planting.fixture.ts';

/** Letters and digits only, so that every kind of name takes it. */
const word = `kanarie${randomBytes(6).toString('hex')}`;

describe('the searcher finds the word where it stands in clear', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'strongroom-canary-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const planted: readonly (readonly [string, (text: string) => Uint8Array | string])[] = [
    ['text', (text) => text],
    ['capitals', (text) => text.toUpperCase()],
    ['UTF-16', (text) => Buffer.from(text, 'utf16le')],
    ['UTF-16, swapped', (text) => Buffer.from(text, 'utf16le').swap16()],
    ['hexadecimal', (text) => Buffer.from(text).toString('hex')],
    ['base64', (text) => Buffer.from(text).toString('base64')],
    ['base64url of JSON', (text) => Buffer.from(JSON.stringify({ text })).toString('base64url')],
    ['base64, one further', (text) => Buffer.from(`.${text}.`).toString('base64')],
    ['base64, two further', (text) => Buffer.from(`..${text}..`).toString('base64')],
  ];
  for (const [how, write] of planted)
    test(`as ${how}, anywhere in a file and across its pieces`, async () => {
      const file = join(folder, 'planted');
      for (const before of [0, 100, 4_090, 4_096]) {
        const noise = Buffer.alloc(before, 'x');
        // The capitals of UTF-16 bytes would be another word: what is written is written as it is.
        await writeFile(file, Buffer.concat([noise, Buffer.from(write(`>${word}<`))]));
        assert.ok((await findInFile(file, word, 4_096)).length > 0, `${before} bytes in`);
      }
    });

  test('in the name of a file, and in the arguments and the environment of a process', async () => {
    await mkdir(join(folder, 'inner'));
    await writeFile(join(folder, 'inner', `${word}.txt`), '');
    assert.ok((await findInFolder(folder, word)).found.some(({ where }) => where.startsWith('the name')));
    const { spawn } = await import('node:child_process');
    const child = spawn('sleep', ['60'], { argv0: `sleep-${word}`, env: { PLANTED: word, PATH: process.env['PATH'] } });
    try {
      const { found } = await findInProcesses(process.pid, word);
      assert.ok(found.some(({ where }) => where.startsWith('arguments')));
      assert.ok(found.some(({ where }) => where.startsWith('environment')));
    } finally {
      child.kill();
    }
  });
});

const ignoreGone = (error: unknown): void => {
  if (!(error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'EACCES'))) throw error;
};

describe('the word, planted in everything,', () => {
  let place: Place;
  let child: Child;
  let workspace: string;
  let job: string;
  let endpoint: string;
  /** Process ids of the agents of this place: folders carry them in their names. */
  const agents = new Set<number>();

  before(async () => {
    place = await openPlace({ embedded: true });
    child = await place.start();
    agents.add(await agentOf(child));
    ({ workspace, job, endpoint } = await plant(child, word));
  });
  after(() => place.remove());

  /** Folders that the server and its agent made for themselves, on disk and in memory. */
  async function nowhereAtRest(): Promise<readonly string[]> {
    const seen: string[] = [];
    const found: Find[] = [];
    const search = async (folder: string) => {
      seen.push(folder);
      const result = await findInFolder(folder, word);
      seen.push(...result.files);
      found.push(...result.found);
    };
    for (const folder of [place.dataDir, place.temporary]) await search(folder);
    // Ours alone: those of other servers on this machine come and go, and may hold whole images.
    for (const parent of ['/dev/shm', '/tmp'])
      for (const name of await readdir(parent).catch(() => []))
        if (agents.has(Number(/^strongroom-agent-\d+-(\d+)-/.exec(name)?.[1])))
          await search(join(parent, name)).catch(ignoreGone);
    assert.deepEqual(found, []);
    return seen;
  }

  test('is found nowhere while it is in use', async () => {
    const seen = await nowhereAtRest();
    for (const expected of [
      /control\.db$/,
      /control\.db-wal$/,
      /audit\.db$/,
      /audit\.db-wal$/,
      /workspaces\/[^/]+\.db$/,
      /keyring\.json$/,
      /\/strongroom-agent-[^/]+$/,
    ])
      assert.ok(
        seen.some((path) => expected.test(path)),
        `${expected} was searched`,
      );
    assert.ok(seen.length > 15, `only ${seen.length} files and folders`);
  });

  test('is in no argument and no environment of the server, the agent or the sandbox', async () => {
    const { lines, found } = await findInProcesses(child.pid, word);
    for (const expected of [/server\.child\.ts/, /agent\/src\/main\.ts/, /bwrap/])
      assert.ok(
        lines.some((line) => expected.test(line)),
        `${expected} was searched: ${lines.join('\n')}`,
      );
    assert.deepEqual(found, []);
  });

  test('is found nowhere after a kill', async () => {
    await child.kill();
    await nowhereAtRest();
  });

  test('is all there after a restart, and found nowhere after a clean stop', async () => {
    const second = await place.start();
    agents.add(await agentOf(second));
    const token = await second.ownerToken();
    const log = await second.arm(token, 'GET', `${job}/log?offset=0`);
    assert.ok(log.text.includes(`line ${word}`), log.text);
    const resource = await second.arm(token, 'GET', workspace);
    assert.equal(resource.body.tags[word], word);
    await scores(second, endpoint, word);
    await nowhereAtRest();
    const how = await second.terminate();
    assert.equal(how.code, 0, how.output);
    assert.ok(!how.output.includes(word), 'the log of the server does not say it');
    await nowhereAtRest();
  });
});
