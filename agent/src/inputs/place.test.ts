// Where inputs are kept: what is on the disk tells a thief nothing, what a killed agent leaves is closed and goes, and a node that cannot
// seal says what to install.

import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { folderPrefix, pidNamespace, removeLeftovers } from '../leftovers.ts';
import { findProgram } from '../sandbox/host.ts';
import { createInputs } from './inputs.ts';
import { mountsBelow, NoPlace, openDeclared, openSealed } from './place.ts';
import { sealingSkipReason } from './testing.ts';

const bytes = 1 << 30;
const prefix = folderPrefix;

function openParent(t: TestContext): string {
  const parent = mkdtempSync(join(tmpdir(), 'strongroom-test-'));
  chmodSync(parent, 0o711);
  t.after(() => rmSync(parent, { recursive: true, force: true }));
  return parent;
}

/** Everything below a folder of the disk, names and contents; nothing of what is mounted there. */
function onDisk(folder: string): string {
  const paths = execFileSync('find', [folder, '-xdev', '-type', 'f'], { encoding: 'utf8' }).split('\n').filter(Boolean);
  return paths.map((path) => `${path}\n${readFileSync(path, 'latin1')}`).join('\n');
}

/** Another process, which keeps a secret in a sealed place of its own until it is killed. Answers once it has. */
async function agentThatKeeps(parent: string): Promise<{ readonly child: ChildProcess; readonly base: string }> {
  const [place, leftovers] = ['place.ts', '../leftovers.ts'].map((name) =>
    fileURLToPath(new URL(name, import.meta.url)),
  );
  const program = `
    const { openSealed } = await import(${JSON.stringify(place)});
    const { folderPrefix } = await import(${JSON.stringify(leftovers)});
    const { writeFileSync } = await import('node:fs');
    const { folder } = await openSealed({ parent: ${JSON.stringify(parent)}, prefix: folderPrefix, bytes: ${bytes} });
    writeFileSync(folder + '/canary-name', 'canary-content');
    console.log(folder);
    setInterval(() => undefined, 1000);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [folder] = await once(createInterface({ input: child.stdout }), 'line');
  return { child, base: String(folder).slice(0, String(folder).lastIndexOf('/')) };
}

/** Ends the one program that has a folder for its last argument. */
function killMounted(folder: string): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').endsWith(`\0${folder}\0`)) process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It ended meanwhile.
    }
  }
}

/** Mounts come and go in the kernel's own time; it says so by this file. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

describe('the place of kept inputs', { skip: await sealingSkipReason(tmpdir()) }, () => {
  it('has neither names nor contents on the disk, and what is left after its end is nothing', async (t) => {
    const parent = openParent(t);
    const place = await openSealed({ parent, prefix, bytes });
    writeFileSync(join(place.folder, 'canary-name'), 'canary-content');
    assert.equal(readFileSync(join(place.folder, 'canary-name'), 'utf8'), 'canary-content');
    assert.doesNotMatch(onDisk(parent), /canary/);
    assert.ok(onDisk(parent).includes('gocryptfs.conf'), 'it was looked at');
    assert.equal(place.lost.aborted, false);
    await place.close();
    assert.deepEqual([readdirSync(parent), mountsBelow(parent), place.lost.aborted], [[], [], true]);
  });

  it('each has a key of its own: what one left opens with no other', async (t) => {
    const parent = openParent(t);
    const places = [await openSealed({ parent, prefix, bytes }), await openSealed({ parent, prefix, bytes })] as const;
    const keys = places.map(({ folder }) => readFileSync(join(folder, '../sealed/files/gocryptfs.conf'), 'utf8'));
    assert.notEqual(JSON.parse(keys[0] ?? '').EncryptedKey, JSON.parse(keys[1] ?? '').EncryptedKey);
    for (const place of places) await place.close();
  });

  it('a killed agent takes it along, and the next one removes what is left, which nobody can read', async (t) => {
    const parent = openParent(t);
    const { child, base } = await agentThatKeeps(parent);
    assert.equal(mountsBelow(base).length, 1);
    child.kill('SIGKILL');
    await once(child, 'close');
    await until(() => mountsBelow(base).length === 0);
    assert.doesNotMatch(onDisk(base), /canary/);
    removeLeftovers([parent]);
    assert.deepEqual(readdirSync(parent), []);
  });

  it('what is still open of a dead agent is closed, whether its program lives or not', async (t) => {
    const parent = openParent(t);
    const dead = spawn('/bin/true');
    await once(dead, 'close');
    for (const isKilled of [false, true]) {
      const place = await openSealed({ parent, prefix: `strongroom-agent-${pidNamespace}-${dead.pid}-`, bytes });
      writeFileSync(join(place.folder, 'file'), 'x');
      if (isKilled) {
        killMounted(place.folder);
        await until(() => place.lost.aborted);
        assert.throws(() => statSync(place.folder));
      }
      removeLeftovers([parent]);
      assert.deepEqual([readdirSync(parent), mountsBelow(parent)], [[], []]);
      await place.close();
    }
  });

  it('a place that is lost while it is used is opened anew, empty, and the server is told', async (t) => {
    const parent = openParent(t);
    const said: string[] = [];
    const inputs = createInputs({
      enrolment: { url: 'https://localhost:1', caPem: '', inputs: { bytes, folder: parent } },
      prefix,
      interpreter: () => undefined,
      say: (message) => said.push(message),
    });
    t.after(() => inputs.close());
    assert.equal(inputs.offered(), undefined);
    await inputs.look();
    assert.ok('bytes' in (inputs.offered() ?? {}));
    const [before] = readdirSync(parent);
    killMounted(join(parent, before ?? '', 'open'));
    await until(() => {
      void inputs.look();
      return said.length > 0;
    });
    assert.equal(inputs.offered(), undefined);
    await inputs.look();
    const after = readdirSync(parent);
    assert.ok(after.length === 1 && after[0] !== before, String(after));
    assert.match(said[0] ?? '', /lost.*opened anew/);
    await inputs.close();
    assert.deepEqual(readdirSync(parent), []);
  });
});

it('a node without the programs says which to install, and leaves nothing', async (t) => {
  const parent = openParent(t);
  const without = (name: string) => (asked: string) => (asked.startsWith(name) ? undefined : '/usr/bin/true');
  const open = (name: string) => openSealed({ parent, prefix, bytes, find: without(name) });
  await assert.rejects(
    open('gocryptfs'),
    (error) => error instanceof NoPlace && /apt-get install gocryptfs/.test(error.message),
  );
  await assert.rejects(open('fusermount'), /fuse3 are not installed/);
  await assert.rejects(open('setpriv'), /setpriv is not installed/);
  // A program that is none.
  await assert.rejects(openSealed({ parent, prefix, bytes, find: () => '/usr/bin/false' }), NoPlace);
  await assert.rejects(openSealed({ parent, prefix, bytes, find: () => findProgram('true') }), NoPlace);
  assert.deepEqual(readdirSync(parent), []);
});

it('a folder that others can change, or none at all, keeps nothing, and the server is told why', async (t) => {
  const parent = openParent(t);
  const offered = async (of: { readonly bytes: number; readonly folder?: string }) => {
    const inputs = createInputs({
      enrolment: { url: 'https://localhost:1', caPem: '', inputs: { ...of, isEncrypted: true } },
      prefix,
      interpreter: () => undefined,
      say: () => undefined,
    });
    await inputs.look();
    const told = inputs.offered() ?? {};
    await inputs.close();
    return 'reason' in told ? told.reason : told;
  };
  assert.match(String(await offered({ bytes: 0 })), /agent\.inputBytes is 0/);
  assert.match(String(await offered({ bytes })), /inputFolderIsEncrypted is set and agent\.inputFolder is empty/);
  assert.match(
    String(await offered({ bytes, folder: join(parent, 'none') })),
    /cannot be looked at.*agent\.inputFolder/,
  );
  assert.deepEqual(await offered({ bytes: 1000, folder: parent }), { bytes: 1000 });
  chmodSync(parent, 0o700);
  const closed = await offered({ bytes: 1000, folder: parent });
  if (process.getuid?.() === 0) assert.match(String(closed), /lets no sandbox through.*chmod o\+x/);
  else assert.deepEqual(closed, { bytes: 1000 }, 'its sandboxes are itself');
  chmodSync(parent, 0o777);
  assert.match(String(await offered({ bytes, folder: parent })), /can be changed by other users/);
  assert.deepEqual(readdirSync(parent), []);
});

it('a declared folder has plain files, bounded by half of what is free, and is gone at the end', async (t) => {
  const parent = openParent(t);
  const place = openDeclared({ parent, prefix, bytes: Number.MAX_SAFE_INTEGER });
  assert.ok(place.bytes > 0 && place.bytes < Number.MAX_SAFE_INTEGER);
  assert.ok(existsSync(place.folder));
  await place.close();
  assert.deepEqual(readdirSync(parent), []);
});
