// What killed agents left behind goes; what belongs to the living, or is not a folder of an agent, stays.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { folderPrefix, removeLeftovers } from './leftovers.ts';

it('removes folders of agents that are gone, and nothing else', (t) => {
  const parent = mkdtempSync(join(tmpdir(), 'strongroom-test-'));
  t.after(() => rmSync(parent, { recursive: true, force: true }));
  const gone = spawnSync('/bin/true').pid;
  const make = (name: string) => {
    mkdirSync(join(parent, name));
    writeFileSync(join(parent, name, 'file'), 'x');
    return join(parent, name);
  };
  const left = make(`strongroom-agent-${gone}-AbC123`);
  const kept = [
    make(`${folderPrefix}AbC123`),
    make(`strongroom-agent-1-AbC123`),
    make(`strongroom-agent-${gone}-`),
    make(`other-${gone}-AbC123`),
  ];
  symlinkSync(kept[3] ?? '', join(parent, `strongroom-agent-${gone}-Link12`));
  removeLeftovers([parent, '/nowhere']);
  assert.ok(!existsSync(left));
  for (const path of kept) assert.ok(existsSync(join(path, 'file')), path);
});
