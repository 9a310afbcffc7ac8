// What MLflow's users wait for, against a whole server in a process of its own: registering a model while others stream
// metrics, beside registering it alone; and many small artifacts, beside the floor: an HTTPS server of the same runtime, in a
// process of its own too, that writes each body to a file, syncs it and answers. Pairs are interleaved; the client shares the
// machine. Printed, never asserted.
// Run: node bench/mlflow.bench.ts [rounds]

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { Agent, createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createAuthority, issueLeaf, namesOf } from '../server/src/kernel/http/certificates.ts';
import { openPlace } from '../server/test/child.fixture.ts';
import { makeWorkspace } from '../server/test/work.fixture.ts';

/** The least that durable artifacts can cost: TLS, a file, a sync. */
async function serveFloor(folder: string): Promise<void> {
  const authority = await createAuthority('floor', new Date());
  const { names, addresses } = namesOf('localhost');
  const leaf = await issueLeaf(authority, names, addresses, new Date());
  let count = 0;
  const server = createServer({ key: leaf.privateKeyPem, cert: leaf.certificatePem }, async (asked, answer) => {
    const pieces: Buffer[] = [];
    for await (const piece of asked) pieces.push(piece as Buffer);
    const file = await open(join(folder, String(count++)), 'wx', 0o600);
    await file.write(Buffer.concat(pieces));
    await file.datasync();
    await file.close();
    answer.setHeader('content-type', 'application/json');
    answer.end('{}');
  });
  server.listen(0, '127.0.0.1', () => {
    writeFileSync(join(folder, 'ca.pem'), authority.certificatePem);
    process.stdout.write(`port ${(server.address() as AddressInfo).port}\n`);
  });
}

type Send = (method: string, path: string, body?: unknown) => Promise<Record<string, Record<string, never>>>;

function sender(at: { port: number; host: string; ca: string; token: string; base: string }): Send & { close(): void } {
  const agent = new Agent({ keepAlive: true, maxSockets: 64, ca: at.ca });
  const send: Send = (method, path, body) => {
    const bytes = body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body ?? {}));
    const { promise, resolve, reject } = Promise.withResolvers<Record<string, Record<string, never>>>();
    const sent = request(
      {
        ...{ agent, method, port: at.port, host: '127.0.0.1', servername: at.host, path: `${at.base}${path}` },
        headers: {
          host: `${at.host}:${at.port}`,
          authorization: `Bearer ${at.token}`,
          'content-type': body instanceof Uint8Array ? 'application/octet-stream' : 'application/json',
          'content-length': bytes.length,
        },
      },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        answer.on('end', () => {
          if (answer.statusCode === 200) resolve(JSON.parse(text));
          else reject(new Error(`${path}: ${answer.statusCode} ${text}`));
        });
      },
    );
    sent.on('error', reject);
    sent.end(bytes);
    return promise;
  };
  return Object.assign(send, { close: () => agent.destroy() });
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

async function timed(act: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await act();
  return performance.now() - begun;
}

async function measure(rounds: number): Promise<void> {
  const place = await openPlace();
  const server = await place.start();
  const workspace = await makeWorkspace(server, 'bench', 'bench');
  const { hostname, port } = new URL(server.url);
  const { caFile } = JSON.parse(readFileSync(join(place.folder, 'first-start.json'), 'utf8')) as { caFile: string };
  const token = await server.token(server.owner, server.audience('mlflow'));
  const at = { port: Number(port), host: hostname, ca: readFileSync(caFile, 'utf8'), token };
  const send = sender({ ...at, base: `/mlflow/v1.0${workspace}/api/2.0` });
  const floorFolder = mkdtempSync(join(tmpdir(), 'strongroom-floor-'));
  const floor = spawn(process.execPath, [fileURLToPath(import.meta.url), 'floor', floorFolder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const floorPort = await new Promise<number>((resolve) =>
      floor.stdout.on('data', (text) => resolve(Number(/\d+/.exec(String(text))?.[0]))),
    );
    const ca = readFileSync(join(floorFolder, 'ca.pem'), 'utf8');
    const bare = sender({ port: floorPort, host: 'localhost', ca, token: 'x', base: '' });
    await registering(send, rounds);
    await smallFiles(send, bare, rounds);
    bare.close();
  } finally {
    floor.kill();
    send.close();
    await server.terminate();
    await place.remove();
    rmSync(floorFolder, { recursive: true, force: true });
  }
}

const newRun = async (send: Send): Promise<string> =>
  String((await send('POST', '/mlflow/runs/create', { experiment_id: '0' }))['run']?.['info']?.['run_id']);
const upload = (send: Send, run: string, path: string, bytes: Uint8Array) =>
  send('PUT', `/mlflow-artifacts/artifacts/0/${run}/artifacts/${path}`, bytes);

async function registering(send: Send, rounds: number): Promise<void> {
  const run_id = await newRun(send);
  for (const file of ['MLmodel', 'data/model.bin']) await upload(send, run_id, `model/${file}`, Buffer.alloc(2_000, 1));
  await send('POST', '/mlflow/registered-models/create', { name: 'bench' });
  const acts = {
    CreateModelVersion: () =>
      send('POST', '/mlflow/model-versions/create', { name: 'bench', source: `runs:/${run_id}/model`, run_id }),
    LogMetric: () => send('POST', '/mlflow/runs/log-metric', { run_id, key: 'loss', value: 1, timestamp: Date.now() }),
  };
  for (const [points, writers] of [
    [500, 4],
    [500, 16],
  ] as const) {
    const runs = await Promise.all(Array.from({ length: writers }, () => newRun(send)));
    const found = new Map<string, number[]>();
    const add = (name: string, ms: number) => found.set(name, [...(found.get(name) ?? []), ms]);
    for (let round = 0; round < rounds; round++) {
      for (const [name, act] of Object.entries(acts)) add(`${name} alone`, await timed(act));
      let isOn = true;
      const batch = (run: string, step: number) => ({
        run_id: run,
        metrics: Array.from({ length: points }, (_, key) => ({ key: `k${key}`, value: key, timestamp: 1, step })),
      });
      const streams = runs.map(async (run) => {
        for (let step = round * 100_000; isOn; step++)
          add('LogBatch', await timed(() => send('POST', '/mlflow/runs/log-batch', batch(run, step))));
      });
      // Until each has a batch in line.
      const full = (found.get('LogBatch')?.length ?? 0) + 2 * writers;
      while ((found.get('LogBatch')?.length ?? 0) < full) await new Promise((resolve) => setTimeout(resolve, 20));
      for (const [name, act] of Object.entries(acts)) add(`${name} under load`, await timed(act));
      isOn = false;
      await Promise.all(streams);
    }
    const of = (name: string) => median(found.get(name) ?? []);
    for (const name of Object.keys(acts)) {
      const [alone, under, whole] = [of(`${name} alone`), of(`${name} under load`), of('LogBatch')];
      console.log(
        `${name.padEnd(20)} alone ${alone.toFixed(1).padStart(7)} ms   beside ${String(writers).padStart(2)} streams of batches of ${points} ${under
          .toFixed(1)
          .padStart(8)} ms   ratio ${(under / alone).toFixed(1)}   to one batch in line ${(under / whole).toFixed(2)}`,
      );
    }
  }
}

async function smallFiles(send: Send, bare: Send, rounds: number): Promise<void> {
  const files = 1_000;
  const bytes = Buffer.alloc(2_048, 7);
  for (const callers of [1, 8]) {
    const [ours, least]: [number[], number[]] = [[], []];
    const each = async (act: (at: number) => Promise<unknown>) => {
      let at = 0;
      await Promise.all(
        Array.from({ length: callers }, async () => {
          while (at < files) await act(at++);
        }),
      );
    };
    for (let round = 0; round < rounds; round++) {
      const run = await newRun(send);
      least.push(await timed(() => each(() => bare('PUT', '/file', bytes))));
      ours.push(await timed(() => each((file) => upload(send, run, `files/${file}.bin`, bytes))));
    }
    const [mine, theirs] = [median(ours) / files, median(least) / files];
    console.log(
      `artifact of 2 KiB    ${String(callers).padStart(2)} callers   ${mine.toFixed(2)} ms a file   HTTPS, a file and a sync ${theirs.toFixed(2)} ms   ratio ${(mine / theirs).toFixed(1)}`,
    );
  }
}

const [, , first, second = ''] = process.argv;
if (first === 'floor') await serveFloor(second);
else await measure(Number(first ?? 5));
