// What images cost: from the submission of a job to its first line on a warm node, in an image that lies there already, beside the
// node's own Python, and beside the first job of the image, which fetches and unpacks it; and the unpacking of one layer in its
// sandbox, beside tar into the same folder. The sides take turns, so that a busy moment is everybody's. Nothing is asserted.
// Run: node bench/images.bench.ts [rounds] [MiB of the layer]

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { tar } from '../agent/src/images/testing.ts';
import { sandboxIdentity } from '../agent/src/sandbox/sandbox.ts';
import { unpackImage } from '../agent/src/sandbox/unpack.ts';
import { image, pushImage, shellLayer } from '../server/test/image.fixture.ts';
import { openServer } from '../server/test/server.fixture.ts';
import { makeCluster, makeWorkspace } from '../server/test/work.fixture.ts';

const ROUNDS = Number(process.argv[2] ?? 10);
const MIB = Number(process.argv[3] ?? 128);
const say = (line: string) => process.stdout.write(`${line}\n`);
const median = (values: readonly number[]): number =>
  [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;
const timed = async (act: () => unknown): Promise<number> => {
  const from = performance.now();
  await act();
  return performance.now() - from;
};

async function submissions(): Promise<void> {
  const bench = await openServer({ embedded: true });
  try {
    const workspace = await makeWorkspace(bench, 'Bench', 'Bench');
    const computeId = await makeCluster(bench, workspace, 'cpu');
    const token = await bench.ownerToken();
    const { body } = await bench.arm(token, 'GET', workspace);
    const registry = String(body.properties.containerRegistry).split('/').at(-1)?.toLowerCase() ?? '';
    const environmentId = `${workspace}/environments/image/versions/1`;
    await pushImage(
      (method, path, sent, type) => bench.send(path, { method, token, body: sent, headers: { 'content-type': type } }),
      `${registry}/team/base`,
      'v1',
      image([shellLayer(), [{ path: 'opt/filling', content: randomBytes(64 << 20) }]]),
    );
    await bench.arm(token, 'PUT', environmentId, { properties: { image: `${registry}/team/base:v1` } });
    let jobs = 0;
    /** To the first line; the end is waited for outside of the time, so that the node is free again. */
    const firstLine = async (more: object): Promise<number> => {
      const id = `${workspace}/jobs/job-${++jobs}`;
      const properties = { jobType: 'Command', computeId, command: 'echo line', ...more };
      const took = await timed(async () => {
        const made = await bench.arm(token, 'PUT', id, { properties });
        if (made.status >= 300) throw new Error(made.text);
        while (!(await bench.arm(token, 'GET', `${id}/log?offset=0`)).text.includes('line'));
      });
      while ((await bench.arm(token, 'GET', id)).body.properties.status !== 'Completed');
      return took;
    };
    for (let warm = 0; warm < 3; warm++) await firstLine({});
    const cold = await firstLine({ environmentId });
    const plain: number[] = [];
    const within: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      plain.push(await firstLine({}));
      within.push(await firstLine({ environmentId }));
    }
    const [without, inImage] = [median(plain), median(within)];
    say(`submission to first line, node's Python   ${without.toFixed(0)} ms   1.00`);
    say(`… in an image that is on the node         ${inImage.toFixed(0)} ms   ${(inImage / without).toFixed(2)}`);
    say(`… its first job, 64 MiB fetched, unpacked ${cold.toFixed(0)} ms   ${(cold / without).toFixed(2)}`);
  } finally {
    await bench.close();
  }
}

async function unpacking(): Promise<void> {
  const folder = mkdtempSync('/dev/shm/strongroom-bench-');
  chmodSync(folder, 0o711);
  try {
    // Half of it packs, half does not, in files of a quarter of a mebibyte.
    const files = Array.from({ length: MIB * 4 }, (_, index) => ({
      path: `data/${index % 64}/${index}`,
      content: index % 2 === 0 ? randomBytes(1 << 18) : Buffer.alloc(1 << 18, `${index} `),
    }));
    const path = join(folder, 'layer');
    writeFileSync(path, gzipSync(tar(files), { level: 1 }), { mode: 0o444 });
    const { uid, gid } = sandboxIdentity();
    const ours: number[] = [];
    const theirs: number[] = [];
    for (let round = 0; round < Math.min(ROUNDS, 5); round++) {
      const target = join(folder, 'root');
      const fresh = () => {
        rmSync(target, { recursive: true, force: true });
        mkdirSync(target);
        if (process.getuid?.() === 0) execFileSync('chown', [`${uid}:${gid}`, target]);
      };
      fresh();
      theirs.push(await timed(() => execFileSync('tar', ['-xzf', path, '-C', target])));
      fresh();
      const { signal } = new AbortController();
      const spec = { layers: [{ path, gzip: true }], folder: target, isRoot: false, mostBytes: 2 ** 40, signal };
      ours.push(
        await timed(async () => {
          const told = await unpackImage(spec);
          if ('refused' in told) throw new Error(told.refused);
        }),
      );
    }
    const [tarred, unpacked] = [median(theirs), median(ours)];
    say(`a layer of ${MIB} MiB by tar                 ${tarred.toFixed(0)} ms   1.00`);
    say(`… by the reader in its sandbox            ${unpacked.toFixed(0)} ms   ${(unpacked / tarred).toFixed(2)}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await unpacking();
await submissions();
