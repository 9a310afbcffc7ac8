// What a command loads is what people wait for at every start. Three strings once brought a schema library of 683 modules with them.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openHome } from './home.ts';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));
const root = fileURLToPath(new URL('../../', import.meta.url));
/** Says what was loaded, a line each, on the file descriptor 3. */
const hook = `data:text/javascript,${encodeURIComponent(`
import { registerHooks } from 'node:module';
import { writeSync } from 'node:fs';
registerHooks({ load: (url, context, next) => { writeSync(3, url + '\\n'); return next(url, context); } });
`)}`;

let home: string;
let url: string;
const server = createServer((_request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end('{"value":[{"name":"demo"}]}');
});
before(async () => {
  home = mkdtempSync(join(tmpdir(), 'strongroom-loading-'));
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { saveSession, saveSettings } = openHome({ STRONGROOM_HOME: home });
  saveSettings({ url, subscription: 's' });
  const token = { accessToken: 'a', expiresAt: Date.now() + 3_600_000 };
  saveSession({ url, tenant: 't', kind: 'user', tokens: { [url]: token } });
});
after(() => {
  server.close();
  rmSync(home, { recursive: true, force: true });
});

/** The modules that a command loads: packages by name, ours by path. */
async function loadedBy(...words: readonly string[]) {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '--import', hook, main, ...words], {
    env: { ...process.env, STRONGROOM_HOME: home },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const texts = ['', '', ''];
  for (const index of [1, 2, 3] as const)
    child.stdio[index]?.on('data', (chunk: Buffer) => {
      texts[index - 1] += chunk.toString('utf8');
    });
  const code = await new Promise((ended) => child.on('close', ended));
  assert.equal(code, 0, texts[1]);
  const urls = (texts[2] ?? '').split('\n').filter((line) => line.startsWith('file:'));
  const paths = urls.map((line) => fileURLToPath(line).slice(root.length));
  const packages = new Set(paths.flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []));
  return { out: texts[0], packages: [...packages], own: paths.filter((path) => !path.includes('node_modules/')) };
}

test('help and version load the parser of words, a few files of ours and no other package', async () => {
  for (const words of [['--help'], ['--version']]) {
    const { packages, own } = await loadedBy(...words);
    assert.deepEqual(packages, ['commander'], words.join(' '));
    assert.ok(own.length <= 30, own.join('\n'));
    assert.ok(!own.includes('cli/src/transport.ts'), 'nobody is asked anything');
  }
});

test('a simple list loads one noun, and no reader of files that it does not read', async () => {
  const { out, packages, own } = await loadedBy('group', 'list');
  assert.match(out ?? '', /demo/);
  assert.deepEqual(packages, ['commander']);
  assert.deepEqual(
    own.filter((path) => path.startsWith('cli/src/commands/')).sort(),
    ['about', 'account', 'group', 'server'].map((name) => `cli/src/commands/${name}.ts`),
  );
});

test('what a format or a query needs comes with it', async () => {
  assert.deepEqual((await loadedBy('group', 'list', '-o', 'yaml')).packages, ['commander', 'yaml']);
  const { out, packages } = await loadedBy('group', 'list', '--query', '[].name', '-o', 'tsv');
  assert.deepEqual(packages, ['commander', '@jmespath-community/jmespath']);
  assert.equal(out, 'demo\n');
});
