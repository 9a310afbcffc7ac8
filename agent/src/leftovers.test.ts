// What killed agents left behind goes; what belongs to the living, to another PID namespace, or is not a folder of an agent, stays.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { folderPrefix, pidNamespace, removeLeftovers } from './leftovers.ts';

const gone = spawnSync('/bin/true').pid;

function openParent(t: TestContext) {
  const parent = mkdtempSync(join(tmpdir(), 'strongroom-test-'));
  t.after(() => rmSync(parent, { recursive: true, force: true }));
  const make = (name: string) => {
    mkdirSync(join(parent, name));
    writeFileSync(join(parent, name, 'file'), 'x');
    return join(parent, name);
  };
  return { parent, make };
}

it('removes folders of agents that are gone, and nothing else', (t) => {
  const { parent, make } = openParent(t);
  const left = make(`strongroom-agent-${pidNamespace}-${gone}-AbC123`);
  const kept = [
    make(`${folderPrefix}AbC123`),
    make(`strongroom-agent-${pidNamespace}-1-AbC123`),
    make(`strongroom-agent-${pidNamespace}-${gone}-`),
    make(`other-${pidNamespace}-${gone}-AbC123`),
    make(`strongroom-agent-${pidNamespace + 1}-${gone}-AbC123`),
    make(`strongroom-agent-${gone}-AbC123`),
  ];
  symlinkSync(kept[3] ?? '', join(parent, `strongroom-agent-${pidNamespace}-${gone}-Link12`));
  removeLeftovers([parent, '/nowhere']);
  assert.ok(!existsSync(left));
  for (const path of kept) assert.ok(existsSync(join(path, 'file')), path);
});

it('removes nothing where it is not told which PID namespace it is in', (t) => {
  const { parent, make } = openParent(t);
  const left = make(`strongroom-agent-0-${gone}-AbC123`);
  removeLeftovers([parent], 0);
  assert.ok(existsSync(left));
});

const inOtherNamespace = ['--user', '--map-root-user', '--pid', '--fork', '--mount-proc'];
const skip = spawnSync('unshare', [...inOtherNamespace, 'true']).status === 0 ? false : 'unshare does not work here';

it('leaves what lives in another PID namespace, where nobody has its number', { skip }, (t) => {
  const { parent, make } = openParent(t);
  const kept = make(`${folderPrefix}AbC123`);
  const module = fileURLToPath(new URL('leftovers.ts', import.meta.url));
  const program = `
    const { folderPrefix, pidNamespace, removeLeftovers } = await import(${JSON.stringify(module)});
    const { mkdirSync } = await import('node:fs');
    mkdirSync(${JSON.stringify(parent)} + '/strongroom-agent-' + pidNamespace + '-99999-AbC123');
    removeLeftovers([${JSON.stringify(parent)}]);
    process.stdout.write(folderPrefix);
  `;
  const { stdout, stderr } = spawnSync(
    'unshare',
    [...inOtherNamespace, process.execPath, '--input-type=module', '--eval', program],
    { encoding: 'utf8' },
  );
  assert.match(stdout, /^strongroom-agent-\d+-\d+-$/, stderr);
  assert.ok(!stdout.startsWith(`strongroom-agent-${pidNamespace}-`));
  assert.ok(existsSync(join(kept, 'file')));
  // Of its own it removes what is dead.
  assert.deepEqual(readdirSync(parent), [`${folderPrefix}AbC123`]);
});
