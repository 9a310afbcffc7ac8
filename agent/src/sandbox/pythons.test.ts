// Which interpreters a node offers: what may become one, what is believed of it, and what becomes of it afterwards. Inventories are made
// up, of files that are never run; the interpreters of this machine are in pythons.sandbox.test.ts.
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { candidates, candidatesMax, type Installation, installationAt, Unanswered } from './installations.ts';
import { type Ask, checkAnswer, findPythons, type Interpreter, offeredMax } from './pythons.ts';
import { faultAbove, faultOf, readAccounts } from './trust.ts';

const folder = mkdtempSync('/var/tmp/strongroom-inventory-');
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true, force: true }));
const accounts = readAccounts();
let made = 0;

/** The head of a program of this kind of machine, and nothing that could run. */
function writeProgram(path: string): void {
  const head = Buffer.alloc(64);
  head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
  head.writeUInt16LE(process.arch === 'arm64' ? 183 : 62, 18);
  writeFileSync(path, head, { mode: 0o755 });
}

/** An installation of files alone: a program of this machine's kind that is not run. */
function install(version: string, prefix = join(folder, `installation-${++made}`)): string {
  for (const part of ['', 'bin', 'lib', `lib/python${version}`]) mkdirSync(join(prefix, part), { recursive: true });
  writeFileSync(join(prefix, `lib/python${version}/os.py`), '');
  const program = join(prefix, 'bin', `python${version}`);
  writeProgram(program);
  return program;
}

const answerOf = (version: string, prefix: string, more: object = {}) => ({
  implementation: 'cpython',
  version,
  release: `${version}.4`,
  abi: `cpython-${version.replace('.', '')}-x86_64-linux-gnu`,
  prefix,
  stdlib: `${prefix}/lib/python${version}`,
  ...more,
});

/** As an interpreter of this name would answer that does not lie. */
const honest: Ask = async (installation) => {
  const version = /python(3\.\d+)$/.exec(installation.program)?.[1] ?? '';
  return checkAnswer(installation, answerOf(version, dirname(dirname(installation.program))));
};
const own: Interpreter = {
  ...{ program: process.execPath, prefix: '/usr', folders: [], links: [] },
  ...{ version: '3.11', release: '3.11.2', abi: 'cpython-311-x86_64-linux-gnu' },
};
const named = (...paths: readonly string[]) => ({
  named: paths,
  found: () => candidates(paths, [], join(folder, 'none')).filter(({ isNamed }) => isNamed),
});
const find = (paths: readonly string[], ask: Ask = honest) => findPythons({ own, ask, ...named(...paths) });
const versionsOf = (pythons: { offered(): readonly Interpreter[] }) => pythons.offered().map(({ version }) => version);

describe('what may become an interpreter', () => {
  const unfit = (path: string, why: RegExp) =>
    assert.rejects(installationAt(path, accounts), (thrown: Error) => {
      assert.match(thrown.message, why);
      return true;
    });

  it('is a program that root or the agent itself owns, with every folder above and every file of its installation', async () => {
    const program = install('3.10');
    assert.deepEqual((await installationAt(program, accounts)).folders, [join(dirname(dirname(program)), 'lib')]);
    const prefix = dirname(dirname(program));
    for (const [path, mode, why] of [
      [program, 0o757, /everybody may write to .*python3\.10/],
      [program, 0o775, /a group may write to .*python3\.10/],
      [join(prefix, 'bin'), 0o777, /everybody may write to .*bin/],
      [prefix, 0o775, /a group may write to/],
      [join(prefix, 'lib/python3.10'), 0o1777, /everybody may write to .*lib\/python3\.10/],
      [join(prefix, 'lib/python3.10/os.py'), 0o666, /everybody may write to .*os\.py/],
    ] as const) {
      chmodSync(path, mode);
      await unfit(program, why);
      chmodSync(path, 0o755);
    }
    if (process.getuid?.() === 0) {
      chownSync(join(prefix, 'lib/python3.10/os.py'), 65534, 65534);
      await unfit(program, /os\.py belongs to the user 65534/);
    }
  });

  it('is no script, no folder, nothing that is not there, and lies in no place that a sandbox has for itself', async () => {
    const script = join(folder, 'python3.9');
    writeFileSync(script, '#!/bin/sh\nexec /usr/bin/python3 "$@"\n', { mode: 0o755 });
    await unfit(script, /is a script/);
    await unfit(join(folder, 'missing'), /is not there/);
    await unfit('python3.10', /not a whole path/);
    await unfit(folder, /no file that can be run/);
    const truncated = join(folder, 'python3.7');
    writeFileSync(truncated, '\x7fELF', { mode: 0o755 });
    await unfit(truncated, /is a script/);
    const below = mkdtempSync('/tmp/strongroom-inventory-');
    chmodSync(below, 0o755);
    try {
      await unfit(install('3.10', join(below, 'x')), /lies below \/tmp, which every sandbox has for itself/);
    } finally {
      rmSync(below, { recursive: true });
    }
    const flat = join(folder, 'flat');
    mkdirSync(flat);
    writeProgram(join(flat, 'python3.10'));
    await unfit(join(flat, 'python3.10'), /folder bin of its installation/);
  });

  it('shows nothing of an installation but its libraries and headers, and follows no link out of it', async () => {
    const program = install('3.10');
    const prefix = dirname(dirname(program));
    symlinkSync('lib', join(prefix, 'lib64'));
    mkdirSync(join(prefix, 'etc'));
    assert.deepEqual((await installationAt(program, accounts)).links, [{ path: join(prefix, 'lib64'), target: 'lib' }]);
    unlinkSync(join(prefix, 'lib64'));
    symlinkSync('/etc', join(prefix, 'lib64'));
    await unfit(program, /has no folder at .*lib64/);
    assert.ok((await installationAt(install('3.9'), accounts)).folders.every((path) => !path.endsWith('/etc')));
    const home = { ...accounts, homes: new Set([prefix]) };
    unlinkSync(join(prefix, 'lib64'));
    await assert.rejects(installationAt(program, home), /which holds other things/);
  });

  it('is told by owner and mode alone, whatever stands in front of them', () => {
    const entry = (uid: number, mode: number, kind: 'folder' | 'file' | 'link' = 'folder', gid = 50) => ({
      ...{ uid, gid, mode },
      isDirectory: () => kind === 'folder',
      isSymbolicLink: () => kind === 'link',
    });
    const staff = { homes: new Set<string>(), peopled: new Set([0, 1000]) };
    assert.equal(faultOf('/opt/x', entry(0, 0o777, 'link')), undefined);
    assert.match(faultOf('/opt/x', entry(12345, 0o777, 'link')) ?? '', /belongs to the user 12345/);
    assert.equal(faultAbove('/var/tmp', entry(0, 0o1777), staff), undefined);
    assert.match(faultAbove('/var/tmp', entry(12345, 0o1777), staff) ?? '', /belongs to/);
    // Debian's group staff, while nobody is in it, and only where Debian has it so.
    assert.equal(faultAbove('/usr/local/bin', entry(0, 0o2775), staff), undefined);
    assert.match(faultAbove('/usr/local/bin', entry(0, 0o2775, 'folder', 1000), staff) ?? '', /a group may write/);
    assert.match(faultAbove('/opt/local', entry(0, 0o2775), staff) ?? '', /a group may write/);
    assert.match(faultAbove('/usr/local/bin', entry(0, 0o2777), staff) ?? '', /everybody may write/);
    for (const unread of [readAccounts('/nowhere'), readAccounts('/etc/passwd', '/nowhere')])
      assert.match(faultAbove('/usr/local/bin', entry(0, 0o2775), unread) ?? '', /a group may write/);
  });

  it('is looked for where administrators install, and elsewhere only when it is named', () => {
    const optional = join(folder, 'optional');
    const two = install('3.12', join(optional, 'python', '3.12.1'));
    const one = install('3.10', join(optional, 'python3.10'));
    const home = install('3.9');
    const inPath = join(folder, 'path');
    mkdirSync(inPath);
    for (const program of [one, home]) symlinkSync(program, join(inPath, program.slice(program.lastIndexOf('/') + 1)));
    const found = candidates([], [inPath], optional).map(({ path }) => path);
    assert.ok(found.includes(two) && found.some((path) => path.endsWith('python3.10')), found.join());
    assert.ok(!found.some((path) => path.endsWith('python3.9')));
    const first = candidates([dirname(dirname(home))], [inPath], optional)[0];
    assert.deepEqual(first, { path: home, isNamed: true });
  });
});

describe('what an interpreter says of itself', () => {
  const installation: Installation = { program: '/opt/x/bin/python3.10', prefix: '/opt/x', folders: [], links: [] };
  const say = (more: object) => () => checkAnswer(installation, answerOf('3.10', '/opt/x', more));

  it('is held against its name, its place, its library and its ABI', () => {
    assert.equal(say({})().release, '3.10.4');
    for (const [more, why] of [
      [{ version: '3.11', release: '3.11.4' }, /is named python3\.10 and says that it is a 3\.11/],
      [{ version: '3.7', release: '3.7.1' }, /3\.8 is the oldest/],
      [{ version: '2.7' }, /which version/],
      [{ version: 3.1 }, /which version/],
      [{ version: '3.10\n3.11' }, /which version/],
      [{ release: '3.1.4' }, /which release/],
      [{ abi: 'cpython-311-x86_64-linux-gnu' }, /another ABI/],
      [{ abi: 'cpython-310d-x86_64-linux-gnu' }, /another ABI/],
      [{ abi: 'pypy310-pp73-x86_64-linux-gnu', implementation: 'pypy' }, /no CPython/],
      [{ prefix: '/usr', stdlib: '/usr/lib/python3.10' }, /not where it lies itself/],
      [{ stdlib: '/opt/x/lib/python3.11' }, /library of another version/],
      [{ stdlib: '/tmp/lib/python3.10' }, /library of another version/],
      [{ stdlib: '/bad/x/lib/python3.10' }, /library of another version/],
    ] as const)
      assert.throws(say(more), why, JSON.stringify(more));
    for (const answer of [undefined, null, 'x', [], {}]) assert.throws(() => checkAnswer(installation, answer));
    const free = { ...installation, program: '/opt/x/bin/python3.13t' };
    const threads = answerOf('3.13', '/opt/x', { abi: 'cpython-313t-x86_64-linux-gnu' });
    assert.throws(() => checkAnswer(free, threads), /another ABI/);
  });

  it('one that lies is named and not offered; the others are', async () => {
    const [good, liar] = [install('3.10'), install('3.12')];
    const pythons = await find([liar, good], async (installation) =>
      installation.program === liar
        ? checkAnswer(installation, answerOf('3.11', dirname(dirname(liar))))
        : honest(installation),
    );
    assert.deepEqual(versionsOf(pythons), ['3.11', '3.10']);
    assert.match(
      pythons.remarks.join(),
      /^agent\.pythons: .*python3\.12 is named python3\.12 and says.*; it is not offered\.$/,
    );
  });
});

describe('what a node offers', () => {
  it('is its own first, then the newest, one of a version; what is named twice is said', async () => {
    const programs = ['3.9', '3.12', '3.11', '3.9'].map((version) => install(version));
    const pythons = await find(programs);
    assert.deepEqual(versionsOf(pythons), ['3.11', '3.12', '3.9']);
    assert.equal((await pythons.use(undefined)).program, own.program);
    assert.equal((await pythons.use('3.9')).program, programs[0]);
    assert.match(pythons.remarks[0] ?? '', /is a Python 3\.11, as the node's own is; it is not offered/);
    assert.match(pythons.remarks[1] ?? '', /is a Python 3\.9, and there is one already/);
  });

  it('of a thousand interpreters a bounded number is asked, and fewer are offered', async () => {
    const paths = Array.from({ length: 80 }, (_, index) => install(`3.${index + 20}`));
    const thousand = Array.from({ length: 1000 }, (_, index) => ({ path: paths[index % 80] ?? '', isNamed: false }));
    let asked = 0;
    const pythons = await findPythons({
      own,
      named: [],
      found: () => thousand,
      ask: async (installation) => {
        asked += 1;
        return honest(installation);
      },
    });
    assert.equal(asked, candidatesMax);
    assert.equal(pythons.offered().length, offeredMax);
    assert.match(pythons.remarks.join(), /More than 64 interpreters were found/);
  });

  it('is looked at again before each use: the same version elsewhere will do, another one never', async () => {
    const prefix = join(folder, 'changing');
    const program = install('3.10', prefix);
    const ask: { now: Ask } = { now: honest };
    const pythons = await findPythons({ own, ask: (installation) => ask.now(installation), ...named(prefix) });
    const known = await pythons.use('3.10');
    assert.equal((await pythons.use('3.10')).program, known.program);
    // A patch release in its place.
    unlinkSync(program);
    install('3.10', prefix);
    ask.now = async (installation) => ({ ...(await honest(installation)), release: '3.10.9' });
    assert.equal((await pythons.use('3.10')).release, '3.10.9');
    await assert.rejects(
      pythons.use('3.10', 'cpython-310-x86_64-linux-musl'),
      /of the ABI cpython-310-x86_64-linux-musl/,
    );
    // Another version under its name.
    ask.now = async (installation) => checkAnswer(installation, answerOf('3.11', prefix));
    renameSync(program, `${program}-before`);
    writeProgram(program);
    await assert.rejects(
      pythons.use('3.10'),
      /This node has no Python 3\.10; it has 3\.11\. Nothing runs on another version/,
    );
  });

  it('of what has gone, or can be changed by others, is offered no more, and again when it is what it was', async () => {
    const prefix = join(folder, 'coming-and-going');
    const program = install('3.12', prefix);
    const linkOut = (part: string) => {
      renameSync(part, `${part}-away`);
      symlinkSync('/etc', part);
    };
    const putBack = (part: string) => {
      unlinkSync(part);
      renameSync(`${part}-away`, part);
    };
    let looks = 0;
    const pythons = await findPythons({
      ...{ own, ask: honest, named: [prefix] },
      found: () => {
        looks += 1;
        return named(prefix).found();
      },
    });
    assert.deepEqual(versionsOf(pythons), ['3.11', '3.12']);
    await pythons.refresh();
    assert.equal(looks, 1);
    for (const [change, back] of [
      [() => renameSync(program, `${program}-away`), () => renameSync(`${program}-away`, program)],
      [() => chmodSync(prefix, 0o777), () => chmodSync(prefix, 0o755)],
      [() => linkOut(join(prefix, 'lib')), () => putBack(join(prefix, 'lib'))],
    ] as const) {
      change();
      await pythons.refresh();
      assert.deepEqual(versionsOf(pythons), ['3.11']);
      const before: number = looks;
      await pythons.refresh();
      await assert.rejects(pythons.use('3.12'), /This node has no Python 3\.12; it has 3\.11/);
      assert.equal(looks, before);
      back();
      assert.equal((await pythons.use('3.12')).program, program);
      assert.deepEqual(versionsOf(pythons), ['3.11', '3.12']);
    }
  });

  it('of one that gave no answer in time is asked again, later each time; who has what he wants does not wait for it', async () => {
    const [slow, quick] = [install('3.12'), install('3.10')];
    const asked: string[] = [];
    const [clock, state] = [{ now: 0 }, { isSlow: true }];
    const pythons = await findPythons({
      own,
      ...named(slow, quick),
      nowMs: () => clock.now,
      ask: async (installation) => {
        asked.push(installation.program);
        if (installation.program === slow && state.isSlow) throw new Unanswered('did not answer in time');
        return honest(installation);
      },
    });
    const asks = () => asked.filter((program) => program === slow).length;
    assert.deepEqual(versionsOf(pythons), ['3.11', '3.10']);
    assert.match(pythons.remarks.join(), /python3\.12 did not answer in time; it is not offered/);
    for (const [minutes, expected] of [
      ...([
        [0.9, 1],
        [1, 2],
        [2.9, 2],
        [3, 3],
        [7, 4],
        [15, 5],
        [31, 6],
        [63, 7],
      ] as const),
      ...([
        [122.9, 7],
        [123, 8],
        [183, 9],
      ] as const),
    ] as const) {
      clock.now = minutes * 60_000;
      const before = asks();
      await pythons.use('3.10');
      assert.equal(asks(), before, 'who uses another version does not wait');
      await pythons.refresh();
      assert.equal(asks(), expected, `after ${minutes} minutes`);
    }
    state.isSlow = false;
    clock.now += 3_600_000;
    assert.equal((await pythons.use('3.12')).program, slow);
    assert.deepEqual([versionsOf(pythons), pythons.remarks], [['3.11', '3.12', '3.10'], []]);
    // What has answered and is what it was is not asked again beside it, and nothing is once all have answered.
    assert.equal(asked.length, 1 + asks());
    clock.now += 36_000_000;
    await pythons.refresh();
    assert.equal(asked.length, 1 + asks());
  });

  it('what became a link, or can be changed by others since, is not used any more', async () => {
    for (const change of [
      (program: string) => {
        const other = install('3.12');
        unlinkSync(program);
        symlinkSync(other, program);
      },
      (program: string) => chmodSync(dirname(program), 0o777),
      (program: string) => rmSync(dirname(dirname(program)), { recursive: true }),
      (program: string) => {
        rmSync(join(dirname(dirname(program)), 'lib'), { recursive: true });
        symlinkSync('/etc', join(dirname(dirname(program)), 'lib'));
      },
    ]) {
      const program = install('3.12');
      const pythons = await find([program], async (installation) => {
        // The link's target is one of its own: what it says is not what was named.
        assert.ok(installation.program.startsWith(folder));
        return honest(installation);
      });
      assert.equal((await pythons.use('3.12')).program, program);
      change(program);
      const then = await pythons.use('3.12').catch((thrown: Error) => thrown);
      assert.ok(then instanceof Error || then.program !== program);
      if (then instanceof Error) assert.match(then.message, /no Python 3\.12/);
    }
  });
});
