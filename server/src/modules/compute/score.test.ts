// A scoring script from its image to its answers, through the agent's gateway: the registry is a stand-in of three routes, the
// rest is real. The way that endpoints go, to this machine and to an agent that only connects out.

import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { pack } from 'tar-stream';
import { sha256Hex } from '#kernel/crypto/digest';
import { open, route, unrecorded } from '#kernel/http/route';
import type { Surface } from '#kernel/http/surface';
import { canary, openInstallation } from './testing/installation.ts';
import { clusterId, grant, specOf } from './testing/world.ts';

const script = `
import json
def init():
    global factor
    factor = 3
    print("loaded")
def run(raw):
    return {"answer": json.loads(raw)["x"] * factor}
`;

async function layerOf(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of Object.entries(files)) archive.entry({ name }, content);
  archive.finalize();
  const parts: Buffer[] = [];
  for await (const part of archive) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

const digestOf = (bytes: Uint8Array) => `sha256:${sha256Hex(bytes)}`;

async function imageOf(files: Readonly<Record<string, string>>) {
  const layer = await layerOf(files);
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: digestOf(layer), size: layer.length }],
    }),
  );
  const blobs = new Map([layer, manifest].map((bytes) => [digestOf(bytes), bytes]));
  return { digest: digestOf(manifest), blobs };
}

const registry: Surface = {
  name: 'registry',
  ignoresCase: false,
  collapsesSlashes: true,
  recognise: ({ segments }) => (segments[0] === 'v2' ? segments : undefined),
  schemes: [],
  render: (failure) => ({ status: failure.status, body: failure.code }),
};

const places = { 'of this machine': {}, 'elsewhere, through its tunnel': { isElsewhere: true } } as const;

for (const [place, further] of Object.entries(places))
  describe(`a scoring script under an agent ${place}`, () => {
    const more = { kind: 'score', computeId: 'isElsewhere' in further ? clusterId('far') : undefined } as const;
    const cleanups: (() => unknown)[] = [];
    const suite = { after: (fn: () => unknown) => void cleanups.push(fn) } as unknown as Pick<TestContext, 'after'>;
    let installation: Awaited<ReturnType<typeof openInstallation>>;

    before(async () => {
      const image = await imageOf({
        'var/azureml-app/score.py': script,
        'var/azureml-app/bad.py': 'def init(): 1 / 0\ndef run(raw): pass\n',
      });
      const serve = (kind: 'manifests' | 'blobs') =>
        route({
          operation: `Test_${kind}`,
          surface: 'registry',
          method: 'GET',
          path: `/v2/{repository}/${kind}/{digest}`,
          summary: 'A stand-in.',
          access: open('a stand-in for the registry'),
          audit: unrecorded('a stand-in'),
          handle: (_grant, { params }) => {
            const body = image.blobs.get(params['digest'] ?? '');
            return body === undefined ? { status: 404 } : { status: 200, body };
          },
        });
      installation = await openInstallation(
        suite,
        ({ label }, port) => ({
          score: {
            token: canary,
            image: { registryUrl: `https://localhost:${port}`, repository: 'scoring', digest: image.digest },
            entryScript: `${label}.py`,
          },
        }),
        { surfaces: [registry], routes: [serve('manifests'), serve('blobs')], ...further },
      );
    });
    after(async () => {
      for (const cleanup of cleanups.reverse()) await cleanup();
    });

    it('answers through the gateway until it is stopped', async () => {
      const { compute, owner } = installation;
      const spec = specOf('score', more);
      await compute.work.submit(grant, spec);
      await owner.heard(spec.id, 'ready');
      const ask = async (body: string) => {
        const call = compute.work.call(spec.id, {
          method: 'POST',
          path: '/score',
          headers: { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) },
          body: Buffer.from(body),
          signal: AbortSignal.timeout(10_000),
        });
        if (call === undefined) return undefined;
        const answer = await call.answer;
        const parts: Buffer[] = [];
        for await (const part of answer.body) parts.push(part as Buffer);
        return { status: answer.status, body: Buffer.concat(parts).toString() };
      };
      const answers = await Promise.all([1, 2, 3, 4].map((x) => ask(JSON.stringify({ x }))));
      assert.deepEqual(
        answers.map((answer) => [answer?.status, JSON.parse(answer?.body ?? 'null').answer]),
        [
          [200, 3],
          [200, 6],
          [200, 9],
          [200, 12],
        ],
      );
      assert.match(owner.outputOf(spec.id), /loaded/);
      await compute.work.cancel(grant, spec.id, 2);
      await owner.heard(spec.id, 'finished');
      assert.equal(await ask('{}'), undefined);
    });

    it('ends with the reason when init() fails', async () => {
      const { compute, owner } = installation;
      const spec = specOf('bad', more);
      await compute.work.submit(grant, spec);
      await owner.heard(spec.id, 'finished');
      const end = owner.endOf(spec.id);
      assert.ok(end?.type === 'finished' && end.reason === 'init_failed');
      assert.match(end.message ?? '', /ZeroDivisionError/);
      assert.ok(!owner.typesOf(spec.id).includes('ready'));
    });
  });
