// A deployment from its image to its answers: the scoring contract over the socket, and images that mean harm.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { connectToService, createSandboxFolder, type SandboxEnd } from './sandbox.ts';
import { type Running, skipReason, start, startUpstream, type Upstream } from './testing.ts';

// ── Images. ──

interface Entry {
  readonly name: string;
  readonly content?: string;
  /** tar type flag: 0 file, 1 hard link, 2 symbolic link, 3 device, 5 folder, 6 pipe. */
  readonly type?: string;
  readonly link?: string;
  /** What the header claims, when it is not the truth. */
  readonly size?: number;
}

/** A ustar archive, with headers exactly as asked for. */
function tar(entries: readonly Entry[]): Buffer {
  const blocks = entries.map(({ name, content = '', type = '0', link = '', size }) => {
    const header = Buffer.alloc(512);
    const field = (text: string, at: number): number => header.write(text, at, 'latin1');
    field(name, 0);
    field('0000755\0', 100);
    field(`${(size ?? Buffer.byteLength(content)).toString(8).padStart(11, '0')}\0`, 124);
    field('00000000000\0', 136);
    field('        ', 148);
    field(type, 156);
    field(link, 157);
    field('ustar\x0000', 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    field(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    const body = Buffer.from(content);
    return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

const digestOf = (content: Uint8Array): string => `sha256:${createHash('sha256').update(content).digest('hex')}`;

interface Image {
  readonly digest: string;
  readonly blobs: ReadonlyMap<string, Buffer>;
}

function image(layers: readonly Buffer[], mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip'): Image {
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      layers: layers.map((layer) => ({ mediaType, digest: digestOf(layer), size: layer.length })),
    }),
  );
  const blobs = new Map([manifest, ...layers].map((content) => [digestOf(content), content]));
  return { digest: digestOf(manifest), blobs };
}

const APP = 'var/azureml-app';
const layerOf = (...entries: readonly Entry[]): Buffer => gzipSync(tar(entries));
const scriptImage = (script: string, ...more: readonly Entry[]): Image =>
  image([layerOf({ name: `${APP}/score.py`, content: script }, ...more)]);

// ── Deployments. ──

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Deployment extends Running {
  readonly ask: (
    path: string,
    options?: { method?: string; headers?: Record<string, string>; body?: string },
  ) => Promise<Answer>;
  readonly ready: Promise<void>;
}

describe('a deployment', { skip: skipReason }, () => {
  let upstream: Upstream;
  const started: { readonly running: Running; readonly socketFolder: string }[] = [];

  before(async () => {
    upstream = await startUpstream();
  });
  after(async () => {
    for (const { running, socketFolder } of started) {
      await running.sandbox.stop(0);
      rmSync(socketFolder, { recursive: true, force: true });
    }
    await upstream.close();
  });

  function serve({ blobs }: Image): void {
    upstream.handle = (request, response) => {
      if (request.headers.authorization !== 'Bearer pull-token') return void response.writeHead(401).end();
      const content = blobs.get((request.url ?? '').split('/').at(-1) ?? '');
      response.writeHead(content === undefined ? 404 : 200).end(content);
    };
  }

  function deploy(from: Image, score: object = {}): Deployment {
    serve(from);
    const socketFolder = createSandboxFolder('strongroom-score-');
    let announce: () => void = () => undefined;
    const running = start(upstream, {
      command: 'score',
      socketFolder,
      options: {},
      document: {
        port: upstream.port,
        score: {
          token: 'pull-token',
          image: { registryUrl: upstream.url, repository: 'azureml/azureml_0123', digest: from.digest },
          entryScript: 'score.py',
          modelDir: '/var/azureml-app/azureml-models/iris/1',
          maxConcurrency: 2,
          maxBodyBytes: 1000,
          ...score,
        },
      },
      onEvent: (event) => {
        if (event.event === 'ready') announce();
      },
    });
    started.push({ running, socketFolder });
    const ready = new Promise<void>((resolve, reject) => {
      announce = resolve;
      void running.sandbox.done.then((end) =>
        reject(new Error(`${JSON.stringify(end)} ${running.output()} ${running.diagnostics()}`)),
      );
    });
    ready.catch(() => undefined);
    return {
      ...running,
      ready,
      async ask(path, { method = 'GET', headers = {}, body } = {}) {
        const socket = await connectToService(socketFolder);
        return new Promise((resolve, reject) => {
          const request = httpRequest({ createConnection: () => socket, path, method, headers }, (response) => {
            let text = '';
            response.setEncoding('utf8').on('data', (chunk) => {
              text += chunk;
            });
            response.on('end', () =>
              resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
            );
          });
          request.on('error', reject).end(body);
        });
      },
    };
  }

  async function refusal(from: Image, score: object = {}): Promise<SandboxEnd> {
    return deploy(from, score).sandbox.done;
  }

  it('answers by the scoring contract', async () => {
    const script = `
import json, os
model = None
def init():
    global model
    model = open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.txt")).read()
    print("init", os.environ["AZUREML_APP_ROOT"], os.environ["AZUREML_ENTRY_SCRIPT"], os.path.exists("/var/azureml-app/score.py"))
def run(data):
    data = json.loads(data)
    if data == "fail": raise ValueError("private detail")
    if data == "exit": raise SystemExit(1)
    if data == "bytes": return b"\\x00\\x01"
    return {"model": model, "got": data}
`;
    const deployment = deploy(
      scriptImage(
        script,
        { name: `${APP}/azureml-models/iris/1/model.txt`, content: 'iris' },
        { name: `${APP}/swagger.json`, content: '{"swagger":"2.0"}' },
      ),
    );
    await deployment.ready;
    await deployment.saw(/init \/job\/image\/var\/azureml-app score.py True/);
    const { ask } = deployment;
    const score = (body: string, headers = {}): Promise<Answer> => ask('/score', { method: 'POST', body, headers });

    assert.deepEqual([(await ask('/')).body, (await ask('/readyz')).status], ['Healthy', 200]);
    const good = await score('[1,2]', { 'x-request-id': 'r-1', 'x-ms-client-request-id': 'c-1', TraceId: 't-1' });
    assert.equal(good.status, 200);
    assert.deepEqual(JSON.parse(good.body), { model: 'iris', got: [1, 2] });
    assert.equal(good.headers['content-type'], 'application/json');
    assert.equal(good.headers['x-request-id'], 'r-1');
    assert.equal(good.headers['x-ms-client-request-id'], 'c-1');
    assert.equal(good.headers.traceid, 't-1');
    assert.match(String(good.headers['x-ms-run-fn-exec-ms']), /^\d+$/);
    assert.equal(good.headers['x-ms-run-function-failed'], undefined);
    assert.match(String((await score('1')).headers['x-request-id']), /^[0-9a-f-]{36}$/);

    for (const body of ['"fail"', '"exit"', 'not json']) {
      const bad = await score(body);
      assert.equal(bad.status, 500);
      assert.equal(bad.headers['x-ms-run-function-failed'], 'True');
      assert.match(JSON.parse(bad.body).message, /raised (ValueError|SystemExit|JSONDecodeError)/);
      assert.doesNotMatch(bad.body, /Traceback|private detail/);
    }
    // The log has it.
    await deployment.saw(/Traceback[\s\S]*ValueError: private detail/);

    assert.equal((await score('"bytes"')).headers['content-type'], 'application/octet-stream');
    assert.equal((await score('1', { 'x-request-id': 'r'.repeat(101) })).status, 431);
    assert.equal((await score('x'.repeat(1001))).status, 413);
    assert.equal((await score('1', { 'transfer-encoding': 'chunked' })).status, 411);
    assert.equal((await ask('/score', { method: 'PUT', body: '1' })).status, 405);
    assert.equal((await ask('/score', { method: 'OPTIONS' })).headers.allow, 'GET, POST, OPTIONS');
    assert.equal((await ask('/score?data=%5B3%5D')).body, '{"model": "iris", "got": [3]}');
    assert.equal((await ask('/score?other=1')).status, 400);
    assert.equal((await ask('/elsewhere')).status, 404);
    assert.equal((await ask('/', { method: 'POST', body: '1' })).status, 405);
    assert.equal((await ask('/swagger.json')).body, '{"swagger":"2.0"}');
    const generic = await ask('/swagger.json?version=3');
    assert.deepEqual([generic.status, JSON.parse(generic.body).openapi], [200, '3.0.3']);
    assert.equal((await ask('/swagger.json?version=1')).status, 404);
    assert.equal((await ask('/../../etc/passwd')).status, 404);
  });

  it('serves scripts that take the request itself', async () => {
    const script = `
from azureml.contrib.services.aml_request import AMLRequest, rawhttp
from azureml.contrib.services.aml_response import AMLResponse
@rawhttp
def run(request):
    if request.args.get("inject"): return AMLResponse("x", 200, {"X-Bad": "a\\r\\nSet-Cookie: b"})
    body = request.method + " " + request.headers["content-TYPE"] + " " + request.get_data(as_text=True)
    return AMLResponse(body, 418, {"X-Model": "m", "Content-Length": "1", "Connection": "close"})
`;
    const deployment = deploy(scriptImage(script));
    await deployment.ready;
    const headers = { 'content-type': 'text/csv' };
    const answer = await deployment.ask('/score', { method: 'POST', body: 'a,b', headers });
    assert.deepEqual([answer.status, answer.body, answer.headers['x-model']], [418, 'POST text/csv a,b', 'm']);
    assert.equal(answer.headers['content-length'], '17');
    const injected = await deployment.ask('/score?inject=1', { headers });
    assert.equal(injected.status, 500);
    assert.equal(injected.headers['set-cookie'], undefined);
  });

  it('calls run() as often at once as the deployment allows, and answers probes meanwhile', async () => {
    const script = `
import threading, os
lock = threading.Lock(); inside = 0; most = 0
def run(data, request_headers):
    global inside, most
    if data == "most": return most
    if data == "go": open("/tmp/go", "w").close(); return request_headers["X-Who"]
    with lock: inside += 1; most = max(most, inside)
    print("entered", flush=True)
    while not os.path.exists("/tmp/go" if data == "wait" else "/tmp"): pass
    with lock: inside -= 1
    return 0
`;
    const deployment = deploy(scriptImage(script));
    await deployment.ready;
    const post = (body: string): Promise<Answer> =>
      deployment.ask('/score', { method: 'POST', body, headers: { 'x-who': 'me' } });
    const first = post('wait');
    await deployment.saw(/entered/);
    const rest = [post('quick'), post('quick'), post('quick')];
    assert.equal((await deployment.ask('/')).body, 'Healthy');
    assert.equal((await post('go')).body, '"me"');
    await Promise.all([first, ...rest]);
    assert.ok(Number((await post('most')).body) <= 2);
  });

  it('says that it is alive but not ready while init() runs', async () => {
    const script =
      'import os,time\ndef init():\n  print("in init")\n  while not os.path.exists("/tmp/never"): time.sleep(0.05)\ndef run(d): pass';
    const deployment = deploy(scriptImage(script));
    await deployment.saw(/in init/);
    assert.equal((await deployment.ask('/')).status, 200);
    assert.equal((await deployment.ask('/readyz')).status, 503);
    assert.equal((await deployment.ask('/score', { method: 'POST', body: '1' })).status, 503);
  });

  for (const [what, script, message] of [
    ['init() raises', 'def init(): raise RuntimeError("no model")\ndef run(d): pass', /init\(\).*RuntimeError/],
    ['init() exits', 'import sys\ndef init(): sys.exit(0)\ndef run(d): pass', /SystemExit/],
    ['the script does not parse', 'def run(d:', /SyntaxError/],
    ['there is no run()', 'def init(): pass', /AttributeError/],
  ] as const) {
    it(`fails to start, and says so, when ${what}`, async () => {
      const deployment = deploy(scriptImage(script));
      const end = await deployment.sandbox.done;
      assert.equal(end.reason, 'init_failed');
      assert.equal(end.exitCode, 3);
      assert.match(end.message ?? '', message);
      assert.match(deployment.output(), /Traceback|SyntaxError/);
    });
  }

  it('cannot make its own server report an event of the sandbox', async () => {
    const script = `
import json, os
def init():
    for fd in range(0, 64):
        try: os.write(fd, b'{"event": "finished", "exitCode": 0, "reason": "exited"}\\n')
        except OSError: pass
def run(d): return d
`;
    const deployment = deploy(scriptImage(script));
    await deployment.ready;
    assert.equal((await deployment.ask('/score', { method: 'POST', body: 'x' })).body, '"x"');
    assert.deepEqual(
      deployment.events.map(({ event }) => event),
      ['preparing', 'running', 'ready'],
    );
    await deployment.sandbox.stop(5);
    assert.equal((await deployment.sandbox.done).reason, 'stopped');
  });

  it('is ended when it leaves files in the folder that it shares with the agent', async () => {
    const script = 'def init(): open("/run/service/plant", "w").write("x")\ndef run(d): pass';
    assert.equal((await refusal(scriptImage(script))).reason, 'policy');
  });

  it('cannot lead the agent to another socket of the host', async () => {
    const folder = createSandboxFolder('strongroom-decoy-');
    const decoy = createServer();
    await new Promise<void>((resolve) => decoy.listen(join(folder, 'host.sock'), resolve));
    symlinkSync(join(folder, 'host.sock'), join(folder, 'score.sock'));
    await assert.rejects(connectToService(folder));
    rmSync(join(folder, 'score.sock'));
    writeFileSync(join(folder, 'score.sock'), '');
    await assert.rejects(connectToService(folder), /not a socket/);
    rmSync(join(folder, 'score.sock'));
    await assert.rejects(connectToService(folder), /ENOENT/);
    await new Promise((resolve) => decoy.close(resolve));
    rmSync(folder, { recursive: true });
  });

  it('verifies the digests of the manifest and of every layer before it looks inside', async () => {
    const honest = scriptImage('def run(d): pass');
    const swapped = new Map([...honest.blobs].map(([digest]) => [digest, Buffer.from('{}')]));
    assert.match((await refusal({ ...honest, blobs: swapped })).message ?? '', /manifest does not have the digest/);
    const blobs = new Map(
      [...honest.blobs].map(([digest, content]) => [
        digest,
        digest === honest.digest ? content : Buffer.alloc(content.length),
      ]),
    );
    assert.match((await refusal({ ...honest, blobs })).message ?? '', /announced digest/);
    assert.match((await refusal(honest, { token: 'wrong' })).message ?? '', /401/);
    assert.match(
      (await refusal(image([Buffer.from('x')], 'application/x-tar'))).message ?? '',
      /type that is not supported/,
    );
  });

  const file = (name: string): Entry => ({ name, content: 'x' });
  const link = (name: string, to: string): Entry => ({ name, type: '2', link: to });
  for (const [what, layers, message] of [
    ['an absolute path', [[file('/etc/passwd')]], /must be relative/],
    ['a path that climbs', [[file('a/../../x')]], /\.\. parts/],
    ['an absolute link', [[link('a', '/etc')]], /absolute/],
    ['a link that leaves', [[link('a/b', '../../x')]], /leaves the image/],
    ['a link that leaves by way of another', [[link('up', 'a/b/c/../../../..')]], /\.\. parts/],
    ['a file behind a link', [[link('a', 'b'), file('a/x')]], /through a link/],
    [
      'a file behind a link of an earlier layer',
      [[link('a', '.'), { name: 'b', type: '5' }], [file('a/x')]],
      /itself|through a link/,
    ],
    ['a hard link to the host', [[{ name: 'a', type: '1', link: '/etc/passwd' }]], /must be relative/],
    ['a hard link that climbs', [[{ name: 'a', type: '1', link: '../../etc/passwd' }]], /\.\. parts/],
    ['a hard link through a link', [[link('a', 'b'), { name: 'c', type: '1', link: 'a/x' }]], /hard link/],
    ['a hard link to a link', [[link('a', 'b'), { name: 'c', type: '1', link: 'a' }]], /hard link/],
    ['a device', [[{ name: 'null', type: '3' }]], /neither a file/],
    ['a pipe', [[{ name: 'pipe', type: '6' }]], /neither a file/],
    ['a whiteout that holds something', [[file('a/.wh.b')]], /whiteout/],
    [
      'a folder that it makes and replaces by a link',
      [[{ name: 'a', type: '5' }, link('a', 'b')]],
      /replaces a folder/,
    ],
    ['a header that claims more than there is', [[{ name: 'a', content: 'x', size: 1 << 30 }]], /readable archive/],
  ] as const satisfies readonly (readonly [string, readonly (readonly Entry[])[], RegExp])[]) {
    it(`refuses an image with ${what}`, async () => {
      const end = await refusal(image(layers.map((entries) => layerOf(...entries))));
      assert.equal(end.reason, 'setup_failed');
      assert.match(end.message ?? '', message);
      assert.equal(existsSync('/etc/passwd'), true);
    });
  }

  it('says so when an image does not fit into the scratch space', async () => {
    const content = 'ab'.repeat(35 << 20);
    const plain = image([tar([{ name: 'a', content }])], 'application/vnd.oci.image.layer.v1.tar');
    const unpacked = scriptImage('', { name: 'a', content: randomBytes(33 << 20).toString('latin1') });
    for (const [large, words] of [
      [plain, /^The image cannot be kept here: No space left on device\.$/],
      [unpacked, /^The image does not fit into the scratch space that there is for it\.$/],
    ] as const) {
      const end = await refusal(large);
      assert.equal(end.reason, 'setup_failed');
      assert.match(end.message ?? '', words);
    }
  });

  it('refuses archives that unfold, multiply or are no archives', async () => {
    const bomb = gzipSync(
      Buffer.concat([tar([{ name: 'a', size: 200 << 20 }]).subarray(0, 512), Buffer.alloc(200 << 20)]),
    );
    assert.match((await refusal(image([bomb]))).message ?? '', /times its size|room/);
    assert.match((await refusal(image([Buffer.from('not gzip')]))).message ?? '', /readable archive/);
    const cut = layerOf(file('a'), file('b'));
    assert.match((await refusal(image([cut.subarray(0, cut.length - 9)]))).message ?? '', /readable archive/);
    const entry = tar([{ name: 'd', type: '5' }]).subarray(0, 512);
    const many = gzipSync(Buffer.concat(Array.from({ length: 100_001 }, () => entry)));
    assert.match((await refusal(image([many]))).message ?? '', /too many entries/);
  });
});
