// A job from its snapshot to its outputs, against a TLS server through the tunnel: what arrives, what is refused, how it ends.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { after, before, beforeEach, describe, it } from 'node:test';
import { python, pythonsHere, runJob, sha256, skipReason, startJob, startUpstream, type Upstream } from './testing.ts';

const ARTIFACTS = '/mlflow/v1.0/api/2.0/mlflow-artifacts/artifacts/exp/run';

interface Received {
  readonly bytes: number;
  readonly sha256: string;
  readonly authorization: string | undefined;
}

async function receive(request: IncomingMessage): Promise<Received> {
  const digest = createHash('sha256');
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    digest.update(chunk);
  }
  return { bytes, sha256: digest.digest('hex'), authorization: request.headers.authorization };
}

describe('a job', { skip: skipReason }, () => {
  let upstream: Upstream;
  const files = new Map<string, string>();
  const uploads = new Map<string, Received>();
  const file = (path: string, content: string): object => {
    files.set(`/code/${path}`, content);
    const url = `${upstream.url}/code/${encodeURI(path)}`;
    return { path, url, sha256: sha256(content), size: Buffer.byteLength(content) };
  };
  const upload = (): object => ({ artifactBaseUrl: upstream.url + ARTIFACTS });

  before(async () => {
    upstream = await startUpstream();
  });
  beforeEach(() => {
    files.clear();
    uploads.clear();
    upstream.requests.length = 0;
    upstream.handle = (request, response) => {
      if (request.headers.authorization !== 'Bearer run-token') return void response.writeHead(401).end();
      if (request.method === 'PUT') {
        return void receive(request).then((received) => {
          uploads.set(decodeURIComponent(request.url ?? ''), received);
          response.end('{}');
        });
      }
      const content = files.get(decodeURI(request.url ?? ''));
      response.writeHead(content === undefined ? 404 : 200).end(content);
    };
  });
  after(() => upstream.close());

  it('brings code and inputs in, runs in the code folder, and takes outputs and logs out', async () => {
    const job = {
      snapshot: [
        file('train.py', 'import lib.part\n'),
        file('lib/part.py', 'print("in", open("/job/inputs/data/d é.csv").read())\n'),
      ],
      inputs: { data: [file('d é.csv', 'a,b')] },
      environment: { AZUREML_RUN_ID: 'run-1' },
      upload: upload(),
    };
    const command =
      'pwd; echo $AZUREML_RUN_ID; python train.py && mkdir -p outputs/model && echo weights > "outputs/model/ä %2e#.bin" && echo l > logs/l.txt && echo no > other.txt';
    const { output, end, events } = await runJob(upstream, command, { job });
    assert.deepEqual(end, { exitCode: 0, signal: null, reason: 'exited' }, output());
    assert.equal(output(), '/job/code\nrun-1\nin a,b\n');
    assert.deepEqual([...uploads.keys()].sort(), [`${ARTIFACTS}/logs/l.txt`, `${ARTIFACTS}/outputs/model/ä %2e#.bin`]);
    assert.equal(uploads.get(`${ARTIFACTS}/logs/l.txt`)?.sha256, sha256('l\n'));
    assert.deepEqual(
      events.map(({ event }) => event),
      ['preparing', 'running', 'finalizing', 'finished'],
    );
  });

  it('by each of its names runs the interpreter that was chosen, whatever else of the host has that name', async () => {
    const { version, program } = pythonsHere().own;
    const names = ['python', 'python3', `python${version}`];
    const command = `for name in ${names.join(' ')}; do command -v $name; readlink -f $(command -v $name); done; echo $PATH`;
    const { output } = await runJob(upstream, command);
    assert.equal(
      output(),
      [
        ...names.flatMap((name) => [`/runner/bin/${name}`, program]),
        '/runner/bin:/usr/local/bin:/usr/bin:/bin',
        '',
      ].join('\n'),
    );
  });

  it('makes the folders of named outputs, and says so when the snapshot is in their way', async () => {
    const job = { outputs: ['model', 'plots'], upload: upload() };
    const { end } = await runJob(
      upstream,
      'cd / && echo x > /job/code/outputs/model/m && rmdir /job/code/outputs/plots',
      { job },
    );
    assert.equal(end.reason, 'exited');
    assert.deepEqual([...uploads.keys()], [`${ARTIFACTS}/outputs/model/m`]);
    for (const [path, outputs] of [
      ['outputs', []],
      ['outputs/model', ['model']],
    ] as const) {
      const blocked = await runJob(upstream, 'true', { job: { outputs, snapshot: [file(path, 'a file')] } });
      assert.equal(blocked.end.reason, 'setup_failed');
      assert.match(blocked.end.message ?? '', new RegExp(`a file in the place of the folder ${path}\\.`));
    }
    assert.equal((await runJob(upstream, 'true', { job: { outputs: ['../x'] } })).end.reason, 'setup_failed');
  });

  it('takes secrets that it was given out of its output', async () => {
    const job = { environment: { DB: 'pa55-w0rd' }, redact: ['pa55-w0rd'] };
    const { output } = await runJob(upstream, 'echo "DB is $DB."; printf pa55; sleep 0.1; echo -w0rd', { job });
    assert.equal(output(), 'DB is [redacted].\n[redacted]\n');
  });

  it('brings in everything below a prefix of a blob container, page by page', async () => {
    const blob = (name: string, size: number): string =>
      `<Blob><Name>${name}</Name><Properties><Content-Length>${size}</Content-Length></Properties></Blob>`;
    const page = (blobs: string, next: string): string =>
      `<?xml version="1.0"?><EnumerationResults><Blobs>${blobs}</Blobs><NextMarker>${next}</NextMarker></EnumerationResults>`;
    upstream.handle = (request, response) => {
      const url = new URL(request.url ?? '', upstream.url);
      assert.equal(request.headers.authorization, 'Bearer run-token');
      if (url.searchParams.get('comp') === 'list') {
        const second = url.searchParams.get('marker') === 'm2';
        return void response.end(second ? page(blob('code/v1/b/c.txt', 1), '') : page(blob('code/v1/a.txt', 2), 'm2'));
      }
      response.end(url.pathname.endsWith('a.txt') ? 'AA' : 'C');
    };
    const job = { snapshot: { url: `${upstream.url}/account/container/code/v1` } };
    const { output, end } = await runJob(upstream, 'cat a.txt b/c.txt', { job });
    assert.equal(end.exitCode, 0, `${end.message}`);
    assert.equal(output(), 'AAC');
    assert.ok(upstream.requests.includes('GET /account/container/code/v1/b/c.txt'), upstream.requests.join());
  });

  it('logs what its processes use under the names of MLflow, whatever the server makes of it', async () => {
    type Batch = {
      readonly run_id: string;
      readonly metrics: readonly { readonly key: string; readonly value: number; readonly step: number }[];
    };
    const batches: Batch[] = [];
    let enough = () => {};
    const logged = new Promise<void>((resolve) => {
      enough = resolve;
    });
    upstream.handle = async (request, response) => {
      assert.equal(request.headers.authorization, 'Bearer run-token');
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      batches.push(JSON.parse(Buffer.concat(chunks).toString()) as Batch);
      // The first is refused, the third never answered: its end waits for neither.
      if (batches.length === 3) return enough();
      response.writeHead(batches.length === 1 ? 503 : 200).end('{}');
    };
    const url = `${upstream.url}/mlflow/v1.0/api/2.0/mlflow/runs/log-batch`;
    const job = { systemMetrics: { url, runId: 'run-1', intervalSeconds: 1 } };
    const busy = 'data = b"x" * 200_000_000\nwhile True: pass';
    const running = startJob(upstream, python(busy), { job });
    await logged;
    await running.sandbox.stop(0);
    assert.equal((await running.sandbox.done).reason, 'stopped');
    assert.deepEqual(
      batches.map(({ run_id, metrics }) => [run_id, metrics[0]?.step]),
      [
        ['run-1', 0],
        ['run-1', 1],
        ['run-1', 2],
      ],
    );
    const last = new Map(batches[2]?.metrics.map(({ key, value }) => [key, value]));
    assert.ok((last.get('system/system_memory_usage_megabytes') ?? 0) > 190, JSON.stringify([...last]));
    assert.ok((last.get('system/cpu_utilization_percentage') ?? 0) > 1, JSON.stringify([...last]));
    assert.ok((last.get('system/cpu_utilization_percentage') ?? 200) <= 100);
    assert.equal(last.size, 6);
  });

  it('streams output while it runs', async () => {
    const running = startJob(upstream, python('import sys,time; print("first"); time.sleep(60)'));
    await running.saw(/first/);
    await running.sandbox.stop(0);
    assert.equal((await running.sandbox.done).reason, 'stopped');
  });

  it('passes output on that is not text, is split in characters, or is long', async () => {
    const program =
      'import sys,time\nw=sys.stdout.buffer\nw.write(b"\\xc3"); w.flush(); time.sleep(.05); w.write(b"\\xa4\\x00\\xff|"); w.write(b"x"*3000000); w.flush()';
    const { output } = await runJob(upstream, python(program));
    assert.equal(output().slice(0, 4), 'ä\u0000\ufffd|');
    assert.equal(output().length, 3_000_004);
  });

  for (const [what, path] of [
    ['an absolute path', '/etc/cron'],
    ['a path that climbs', '../../x'],
    ['a path that climbs later', 'a/../../x'],
    ['a backslash', 'a\\b'],
    ['a control character', 'a\nb'],
    ['an empty part', 'a//b'],
  ] as const) {
    it(`refuses a snapshot with ${what}`, async () => {
      const job = { snapshot: [{ ...file('ok.py', ''), path }] };
      const { end, output } = await runJob(upstream, 'echo RAN', { job });
      assert.equal(end.reason, 'setup_failed');
      assert.match(end.message ?? '', /bad path/);
      assert.equal(output(), '');
    });
  }

  it('refuses a file that is not what was announced', async () => {
    for (const [wrong, message] of [
      [{ sha256: sha256('other') }, /digest/],
      [{ size: 2 }, /larger/],
      [{ size: 999 }, /shorter/],
      [{ url: 'https://localhost:1/x' }, /not one of Strongroom/],
      [{ url: 'file:///etc/passwd' }, /not one of Strongroom/],
      [{ url: `${upstream.url}/code/absent` }, /404/],
    ] as const) {
      const job = { snapshot: [{ ...file('a.py', 'print(1)'), ...wrong }] };
      const { end, output } = await runJob(upstream, 'echo RAN', { job });
      assert.equal(end.reason, 'setup_failed');
      assert.match(end.message ?? '', message);
      assert.equal(output(), '');
    }
  });

  it('refuses two files for one path, and a redirect, which would carry the token away', async () => {
    const twice = await runJob(upstream, 'echo RAN', { job: { snapshot: [file('a', '1'), file('a', '1')] } });
    assert.match(twice.end.message ?? '', /two entries/);
    upstream.handle = (_, response) => response.writeHead(302, { location: 'https://localhost:1/' }).end();
    const moved = await runJob(upstream, 'echo RAN', { job: { snapshot: [file('a', '1')] } });
    assert.match(moved.end.message ?? '', /302/);
  });

  it('does not speak to a server whose certificate is not from the CA', async () => {
    const other = await startUpstream();
    const job = { snapshot: [file('a', '1')] };
    const { end } = await runJob({ ...upstream, caPem: other.caPem }, 'echo RAN', { job });
    await other.close();
    assert.match(end.message ?? '', /certificate/);
    assert.deepEqual(upstream.requests, []);
  });

  it('uploads files of any size without reading them whole', async () => {
    const program = 'f=open("outputs/big","wb")\nfor i in range(48): f.write(bytes([i])*(1<<20))';
    const job = { upload: upload() };
    const { end } = await runJob(upstream, python(program), { job });
    assert.equal(end.reason, 'exited');
    const expected = createHash('sha256');
    for (let i = 0; i < 48; i += 1) expected.update(Buffer.alloc(1 << 20, i));
    assert.equal(uploads.get(`${ARTIFACTS}/outputs/big`)?.sha256, expected.digest('hex'));
  });

  it('uploads no link, no pipe, and nothing through a linked folder', async () => {
    const command =
      'ln -s /job/command outputs/link; ln -s /usr/lib outputs/folder; mkfifo outputs/pipe; rmdir logs; ln -s /etc logs; echo x > outputs/real';
    const { end, output } = await runJob(upstream, command, { job: { upload: upload() } });
    assert.deepEqual([...uploads.keys()], [`${ARTIFACTS}/outputs/real`]);
    assert.equal(end.reason, 'exited');
    assert.equal(
      output(),
      '[not kept: "outputs/folder": It is a link.]\n[not kept: "outputs/link": It is a link.]\n[not kept: "outputs/pipe": It is not a file.]\n[not kept: "logs": It is a link.]\n',
    );
  });

  for (const [what, command, said] of [
    ['a file that cannot be read', 'echo x > outputs/f; chmod 000 outputs/f', '"outputs/f": Permission denied'],
    ['a folder that cannot be read', 'mkdir outputs/d; chmod 000 outputs/d', '"outputs/d": Permission denied'],
    ['a folder that cannot be entered', 'mkdir outputs/d; >outputs/d/f; chmod 600 outputs/d', '"outputs/d/f": Permi'],
    ['a name with a line break', "> 'outputs/a\nb'", '"outputs/a\\nb": A path must not contain control characters'],
    ['a name that is no text', python('open(b"outputs/\\xff", "w")'), '"outputs/\\\\udcff": A path must not contain'],
    [
      'a tree deeper than a stack',
      python('import os\nos.chdir("outputs")\nfor i in range(2000): os.mkdir("d"); os.chdir("d")'),
      'A path must not be deeper than 64 folders.',
    ],
    ['a name that holds a secret', "> 'outputs/a\\hunter2'", '"outputs/a\\\\[redacted]": A path must use'],
  ] as const)
    it(`says what it could not keep: ${what}; the rest is kept`, async () => {
      const { end, output } = await runJob(upstream, `${command}; echo real > outputs/real`, {
        job: { upload: upload(), redact: ['hunter2'] },
      });
      assert.deepEqual(
        [end.reason, end.exitCode, end.message],
        ['upload_failed', 0, '1 files could not be uploaded; the log names them.'],
      );
      assert.ok(output().includes(`[not kept: `) && output().includes(said), output());
      assert.deepEqual([...uploads.keys()], [`${ARTIFACTS}/outputs/real`]);
    });

  it('is no success when the command has left no file in an output that must have one', async () => {
    const placed = { there: { baseUrl: `${upstream.url}/there`, query: 'v=1', file: 'a.txt' } };
    const job = { upload: upload(), outputs: ['folder'], placed, required: ['file', 'folder', 'there'] };
    const all = [
      'echo x > outputs/file',
      'mkdir outputs/folder/in; > outputs/folder/in/x',
      '> /job/outputs/there/a.txt',
    ];
    for (const [left, missing] of [
      [all, undefined],
      [all.toSpliced(0, 1), 'file'],
      [all.toSpliced(0, 1, 'mkdir outputs/file'), 'file'],
      [all.toSpliced(0, 1, 'ln -s /etc/passwd outputs/file'), 'file'],
      [all.toSpliced(1, 1, 'mkdir outputs/folder/in'), 'folder'],
      [all.toSpliced(2, 1), 'there'],
    ] as const) {
      const { end, output } = await runJob(upstream, left.join('\n'), { job });
      assert.deepEqual(
        [end.reason, end.exitCode, end.message],
        missing === undefined ? ['exited', 0, undefined] : ['output_missing', 0, missing],
        `${left.join('; ')}: ${output()}`,
      );
    }
    const failed = await runJob(upstream, 'exit 3', { job });
    assert.deepEqual([failed.end.reason, failed.end.exitCode], ['exited', 3], 'a command that failed says why');
  });

  it('tries again when the server is away for a moment', async () => {
    let refusals = 2;
    const accept = upstream.handle;
    upstream.handle = (request, response) => {
      refusals -= 1;
      if (refusals === 1) return void request.socket.destroy();
      if (refusals === 0) return void response.writeHead(503).end('later');
      accept(request, response);
    };
    const { end } = await runJob(upstream, 'echo x > outputs/x', { job: { upload: upload() } });
    assert.equal(end.reason, 'exited');
    assert.equal(uploads.get(`${ARTIFACTS}/outputs/x`)?.sha256, sha256('x\n'));
  });

  it('reports each upload that failed, and does not call the job a success', async () => {
    upstream.handle = (request, response) => {
      request.resume();
      response.writeHead(403).end();
    };
    const { end, output } = await runJob(upstream, 'echo x > outputs/x; echo y > logs/y', {
      job: { upload: upload() },
    });
    assert.equal(end.reason, 'upload_failed');
    assert.deepEqual(
      output()
        .match(/"[^"]+": .*403/g)
        ?.map((line) => line.split('"')[1]),
      ['outputs/x', 'logs/y'],
    );
  });

  it('bounds the number of uploads', async () => {
    const program = 'for i in range(2100): open("outputs/%d" % i, "w").close()';
    const { end } = await runJob(upstream, python(program), { job: { upload: upload() } });
    assert.equal(end.reason, 'upload_failed');
    assert.equal(uploads.size, 2000);
  });

  it('ends at its timeout, and still hands in what it wrote', async () => {
    const job = { timeoutSeconds: 0.5, upload: upload() };
    const { end } = await runJob(upstream, 'echo early > outputs/early; exec sleep 60', { job });
    assert.deepEqual(end, { exitCode: null, signal: 'SIGTERM', reason: 'timeout' });
    assert.ok(uploads.has(`${ARTIFACTS}/outputs/early`));
  });

  it('passes a stop to the processes of the user, waits for them, then uploads', async () => {
    const program =
      'import signal,time,sys\ndef leave(*_): open("outputs/checkpoint","w").write("kept"); print("leaving"); sys.exit(9)\nsignal.signal(signal.SIGTERM, leave)\nprint("up")\nwhile True: time.sleep(1)';
    const running = startJob(upstream, `exec ${python(program)}`, { job: { upload: upload() } });
    await running.saw(/up/);
    await running.sandbox.stop(10);
    const end = await running.sandbox.done;
    assert.deepEqual(end, { exitCode: 9, signal: null, reason: 'stopped' });
    assert.match(running.output(), /leaving/);
    assert.ok(uploads.has(`${ARTIFACTS}/outputs/checkpoint`));
  });

  it('kills what ignores a stop, orphans and sessions of their own included', async () => {
    const stubborn = python(
      'import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print("up", flush=True); time.sleep(60)',
    );
    const running = startJob(upstream, `setsid ${stubborn} & trap "" TERM; ${stubborn}; sleep 60`);
    await running.saw(/up[\s\S]*up/);
    await running.sandbox.stop(0.3);
    assert.deepEqual(await running.sandbox.done, { exitCode: null, signal: 'SIGKILL', reason: 'stopped' });
  });

  it('can be stopped while it still fetches', async () => {
    let asked: () => void = () => undefined;
    const waiting = new Promise<void>((resolve) => {
      asked = resolve;
    });
    upstream.handle = () => asked();
    const running = startJob(upstream, 'echo RAN', { job: { snapshot: [file('a', '1')] } });
    await waiting;
    await running.sandbox.stop(5);
    assert.equal((await running.sandbox.done).reason, 'stopped');
    assert.equal(running.output(), '');
  });

  it('ends with the command, though it left processes in the background', async () => {
    const { end } = await runJob(upstream, 'setsid sleep 300 & exit 4');
    assert.deepEqual(end, { exitCode: 4, signal: null, reason: 'exited' });
  });

  it('uses a renewed token for what comes later', async () => {
    const seen: (string | undefined)[] = [];
    upstream.handle = (request, response) => {
      seen.push(request.headers.authorization);
      request.resume().on('end', () => response.end());
    };
    const running = startJob(upstream, 'echo up; sleep 0.5; touch outputs/x', { job: { upload: upload() } });
    await running.saw(/up/);
    running.sandbox.renewToken('renewed');
    await running.sandbox.done;
    assert.deepEqual(seen, ['Bearer renewed']);
  });

  it('refuses a document that is not as described, without running anything', async () => {
    for (const job of [{ snapshot: 7 }, { inputs: { '../x': [] } }, { environment: { A: 1 } }, { token: undefined }]) {
      const { end, output } = await runJob(upstream, 'echo RAN', { job });
      assert.equal(end.reason, 'setup_failed', JSON.stringify(end));
      assert.equal(output(), '');
    }
  });
});
