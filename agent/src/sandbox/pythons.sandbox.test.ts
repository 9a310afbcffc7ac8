// Work on the interpreters of this machine, each in a real sandbox: what runs is the version that was asked for, on an environment that
// does not know where it lies, and the management code stays on the node's own.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { probeSandbox } from './probe.ts';
import { otherPythons } from './pythons.fixture.ts';
import type { Interpreter } from './pythons.ts';
import { pythonsHere, runJob, skipReason, startUpstream, type Upstream } from './testing.ts';

const others = skipReason === false ? await otherPythons(pythonsHere().own.version) : undefined;
after(() => others?.close());
const none = 'this machine has one Python; STRONGROOM_TEST_PYTHONS names others';
if (process.env['CI'] === 'true' && (others?.all.length ?? 0) === 0) throw new Error(none);
const skip = { skip: skipReason || (others?.all.length === 0 ? none : false) };

/** An environment as a build makes one, unpacked. */
function environmentFor(version: string): string {
  const folder = mkdtempSync('/var/tmp/strongroom-environment-');
  chmodSync(folder, 0o755);
  const packages = join(folder, `env/lib/python${version}/site-packages`);
  for (const part of [join(folder, 'env/bin'), packages]) mkdirSync(part, { recursive: true });
  writeFileSync(join(packages, 'greeting.py'), 'word = "hello"\n');
  writeFileSync(
    join(folder, 'env/pyvenv.cfg'),
    `home = /runner/python/bin\ninclude-system-site-packages = false\nversion = ${version}\n`,
  );
  for (const name of ['python', 'python3', `python${version}`])
    symlinkSync('/runner/bin/python', join(folder, 'env/bin', name));
  return folder;
}

describe('work on another interpreter of the node', skip, () => {
  let upstream: Upstream;
  let offered: readonly Interpreter[] = [];
  const folders: string[] = [];
  before(async () => {
    upstream = await startUpstream();
    const probe = await probeSandbox({ named: others?.all.map(({ program }) => program) ?? [] });
    assert.ok(probe.available);
    assert.deepEqual(probe.pythons.remarks, []);
    offered = probe.pythons.offered();
  });
  after(async () => {
    await upstream.close();
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  async function runOn(python: Interpreter, command: string, image = environmentFor(python.version)) {
    folders.push(image);
    const job = await runJob(upstream, command, {
      python,
      image: { folder: image, as: 'environment' },
    });
    return { ...job, said: job.output() + job.diagnostics() };
  }

  it('python, python3 and pythonX.Y are it, with its library, in an environment at /env', async () => {
    assert.equal(offered.length, 1 + (others?.all.length ?? 0));
    for (const python of offered) {
      const { version, release } = python;
      const program = `import sys, ssl, ctypes, json, greeting, os, subprocess
print(json.dumps([sys.version.split()[0], sys.prefix, os.path.realpath(sys.base_prefix), greeting.word, os.path.realpath(sys.executable)]))`;
      const { end, said } = await runOn(
        python,
        `for name in python python3 python${version}; do $name -c '${program}' || exit 1; done; command -v python; command -v python3`,
      );
      assert.equal(end.exitCode, 0, said);
      const lines = said.trim().split('\n');
      for (const line of lines.slice(0, 3))
        assert.deepEqual(JSON.parse(line), [release, '/env', python.prefix, 'hello', python.program]);
      assert.deepEqual(lines.slice(3), ['/env/bin/python', '/env/bin/python3']);
    }
  });

  it('of its installation libraries and headers are there, read-only, and nothing beside them', async () => {
    const python = offered.at(-1);
    assert.ok(python?.folders.length);
    const { said } = await runOn(
      python,
      `ls ${python.prefix} ${python.prefix}/bin | tr '\\n' ' '; ls -d ${python.prefix}/../* | wc -l; touch ${python.prefix}/lib/x ${python.prefix}/x`,
    );
    assert.doesNotMatch(said, /share|pip/);
    assert.match(said, /: bin include lib .*bin: python3\.\d+ 1\n/);
    assert.equal(said.match(/Read-only file system/g)?.length, 2, said);
  });

  it('an environment for another version is refused before anything of it runs', async () => {
    const [own, other] = [offered[0], offered[1]];
    assert.ok(own && other);
    const { end } = await runOn(other, 'python -c 1', environmentFor(own.version));
    assert.equal(end.reason, 'setup_failed');
    assert.equal(
      end.message,
      `The environment of the image is for Python ${own.version}, and it was to run on ${other.version}.`,
    );
  });
});
