// What an operator is told: that sandboxes work, or the line that makes them work.
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { findBubblewrap, interpreterCandidates } from './host.ts';
import { isInChroot, type Probe, probeSandbox } from './probe.ts';
import { startSandbox } from './sandbox.ts';
import { pythonsHere, skipReason, startUpstream } from './testing.ts';

function refusalOf(probe: Probe): { readonly reason: string; readonly remedy: string } {
  assert.equal(probe.available, false);
  return probe.available ? assert.fail() : probe;
}

/** A program that stands where bubblewrap would, on a host where it cannot do its work. */
async function withProgram(script: string, use: (path: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-probe-'));
  chmodSync(folder, 0o755);
  const path = join(folder, 'bwrap');
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  try {
    await use(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('the probe', () => {
  it('finds bubblewrap and an interpreter below /usr', { skip: skipReason }, async () => {
    const probe = await probeSandbox();
    assert.ok(probe.available);
    assert.match(probe.version, /^\d+\.\d+/);
    assert.match(probe.pythons.own.program, /^\/usr\//);
    assert.equal(probe.pythons.offered()[0], probe.pythons.own);
  });

  it('names the line that installs what is missing', { skip: process.platform !== 'linux' }, async () => {
    const refusal = refusalOf(await probeSandbox({ bubblewrap: undefined, interpreters: [] }));
    assert.match(refusal.reason, /not installed/);
    assert.match(refusal.remedy, /^sudo \S+ \S+ bubblewrap$/);
    const python = await probeSandbox({ bubblewrap: findBubblewrap(), interpreters: ['/usr/bin/false'] });
    if (findBubblewrap() !== undefined) assert.match(refusalOf(python).remedy, /python/);
  });

  it('refuses a release that cannot bound memory, and a host that forbids namespaces', {
    skip: process.platform !== 'linux',
  }, async () => {
    await withProgram('echo bubblewrap 0.4.1', async (bubblewrap) => {
      const { reason } = refusalOf(await probeSandbox({ bubblewrap, interpreters: interpreterCandidates() }));
      assert.match(reason, /0\.4\.1 is older/);
    });
    const script =
      '[ "$1" = --version ] && echo bubblewrap 0.9.0 && exit; echo "No permissions to create namespace" >&2; exit 1';
    await withProgram(script, async (bubblewrap) => {
      const refusal = refusalOf(await probeSandbox({ bubblewrap, interpreters: interpreterCandidates() }));
      assert.match(refusal.reason, /No permissions/);
      assert.match(refusal.remedy, /\S/);
    });
  });

  it('tells an interpreter that gives no answer in time from one that cannot be used', {
    skip: process.platform !== 'linux' || interpreterCandidates().length === 0,
  }, async () => {
    const [own = ''] = interpreterCandidates();
    const folder = mkdtempSync('/var/tmp/strongroom-probe-');
    chmodSync(folder, 0o755);
    const named = ['hangs', 'fails', 'talks'].map((name, index) => {
      const program = join(folder, name, 'bin', `python3.${index + 20}`);
      mkdirSync(dirname(program), { recursive: true });
      copyFileSync(own, program);
      return program;
    });
    const version = /3\.\d+$/.exec(own)?.[0] ?? '3.11';
    const answer = JSON.stringify({
      ...{ implementation: 'cpython', version, release: `${version}.1`, abi: `cpython-${version.replace('.', '')}-x` },
      ...{ prefix: '/usr', stdlib: `/usr/lib/python${version}` },
    });
    const script = [
      '[ "$1" = --version ] && echo bubblewrap 0.9.0 && exit',
      'case "$*" in */hangs/*) exec sleep 600 ;; */fails/*) echo broken >&2; exit 1 ;; */talks/*) exec yes ;; esac',
      `echo '${answer}'`,
    ].join('\n');
    try {
      await withProgram(script, async (bubblewrap) => {
        const probe = await probeSandbox({ bubblewrap, interpreters: [own], named, askMs: 2_000 });
        assert.ok(probe.available, JSON.stringify(probe));
        const remarks = probe.pythons.remarks.map((remark) => remark.replace(/^.*\/bin\//, ''));
        assert.deepEqual(remarks, [
          'python3.20 did not answer in time; it is not offered.',
          'python3.21 cannot be used in a sandbox: broken; it is not offered.',
          'python3.22 cannot be used in a sandbox: y; it is not offered.',
        ]);
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('tells a chroot from a machine, because no container option helps there', () => {
    const mount = (at: string) => `36 35 98:0 / ${at} rw,noatime - ext4 /dev/root rw`;
    assert.equal(isInChroot([mount('/proc'), mount('/dev/shm'), ''].join('\n')), true);
    assert.equal(isInChroot([mount('/'), mount('/proc'), ''].join('\n')), false);
  });

  it('is not needed to refuse a spec that makes no sense', { skip: skipReason }, async () => {
    const upstream = await startUpstream();
    const spec = {
      label: 'test',
      command: 'job',
      limits: { memoryBytes: 1 << 28, processes: 8, openFiles: 64, fileBytes: 1 << 20 },
      scratchBytes: 1 << 24,
      document: { port: 8443 },
      serverSocket: upstream.serverSocket,
      caPem: upstream.caPem,
      own: pythonsHere().own,
      onOutput: () => undefined,
    } as const;
    for (const wrong of [
      { label: 'a b' },
      { label: '' },
      { document: { port: 0 } },
      { scratchBytes: Number.NaN },
      { limits: { ...spec.limits, processes: 0 } },
      { limits: { ...spec.limits, memoryBytes: Number.POSITIVE_INFINITY } },
      { hostNames: ['a b'] },
      { hostNames: ['a\n1.2.3.4 b'] },
      { serverSocket: '/usr' },
    ]) {
      assert.throws(() => startSandbox({ ...spec, ...wrong }), /must be/, JSON.stringify(wrong));
    }
    await upstream.close();
  });
});
