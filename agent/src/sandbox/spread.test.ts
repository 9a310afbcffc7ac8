// A command that is several processes of one node: what each is told, how they find each other, how they end.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { python, runJob, skipReason, startJob, startUpstream, type Upstream } from './testing.ts';

describe('a job of several processes', { skip: skipReason }, () => {
  let upstream: Upstream;
  before(async () => {
    upstream = await startUpstream();
  });
  after(() => upstream.close());
  const pytorch = (processes: number): object => ({ spread: { kind: 'PyTorch', processes } });

  it('tells each who it is and where the others meet, so that they find each other', async () => {
    const program = [
      'import os, socket, sys',
      'rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])',
      'place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])',
      'if rank == 0:',
      '    with socket.create_server(place) as server:',
      '        seen = sorted(server.accept()[0].recv(1) for _ in range(world - 1))',
      '    print("met", seen, os.environ["LOCAL_RANK"], os.environ["LOCAL_WORLD_SIZE"], os.environ["NODE_RANK"])',
      'else:',
      '    while True:',
      '        try: near = socket.create_connection(place); break',
      '        except ConnectionRefusedError: pass',
      '    near.sendall(str(rank).encode())',
      '    print("rank", rank, os.environ["LOCAL_RANK"], os.environ["GIVEN"])',
    ].join('\n');
    const job = { ...pytorch(3), environment: { GIVEN: 'to all' } };
    const { output, end } = await runJob(upstream, python(program), { job });
    assert.equal(end.exitCode, 0, output());
    assert.deepEqual(output().trim().split('\n').sort(), [
      "[0] met [b'1', b'2'] 0 3 0",
      '[1] rank 1 1 to all',
      '[2] rank 2 2 to all',
    ]);
  });

  it('ends all with the first that fails, as that one ended', async () => {
    const program = [
      'import os, signal, sys, time',
      'def asked(*_): print("asked to end", flush=True); sys.exit(0)',
      'signal.signal(signal.SIGTERM, asked)',
      'open("/tmp/" + os.environ["RANK"], "w")',
      'while len(os.listdir("/tmp")) < 2: pass',
      'if os.environ["RANK"] == "1": sys.exit(7)',
      'time.sleep(600)',
    ].join('\n');
    const { output, end } = await runJob(upstream, python(program), { job: pytorch(2) });
    assert.deepEqual([end.reason, end.exitCode], ['exited', 7], output());
    assert.match(output(), /^\[1\] ended with exit code 7; the others are ended\.$/m);
    assert.match(output(), /^\[0\] asked to end$/m);
  });

  it('tells of a signal that ended one', async () => {
    const { end, output } = await runJob(upstream, 'if [ $RANK = 1 ]; then kill -SEGV $$; fi; sleep 600', {
      job: pytorch(2),
    });
    assert.deepEqual([end.reason, end.signal], ['signal', 'SIGSEGV'], output());
    assert.match(output(), /\[1\] ended by the signal 11/);
  });

  it('gives TensorFlow its cluster, and ends parameter servers when the workers have ended', async () => {
    const program = [
      'import json, os, time',
      'config = json.loads(os.environ["TF_CONFIG"])',
      'cluster, task = config["cluster"], config["task"]',
      'print(task["type"], task["index"], len(cluster["worker"]), len(cluster["ps"]), len({*cluster["worker"], *cluster["ps"]}), flush=True)',
      'if task["type"] == "ps": time.sleep(600)',
    ].join('\n');
    const job = { spread: { kind: 'TensorFlow', workers: 2, servers: 1 } };
    const { output, end } = await runJob(upstream, python(program), { job });
    assert.equal(end.exitCode, 0, output());
    const lines = output().trim().split('\n').sort();
    assert.deepEqual(lines.slice(-2), ['[worker 0] worker 0 2 1 3', '[worker 1] worker 1 2 1 3']);
  });

  it('keeps lines whole and takes secrets out of them', async () => {
    const program =
      'import sys\nfor _ in range(200): print("a" * 50 + "pa55-w0rd", flush=True)\nsys.stdout.write("end")';
    const job = { ...pytorch(4), redact: ['pa55-w0rd'] };
    const { output } = await runJob(upstream, python(program), { job });
    const lines = output().trim().split('\n');
    assert.equal(lines.length, 4 * 201);
    assert.ok(lines.every((line) => /^\[[0-3]\] (a{50}\[redacted\]|end)$/.test(line)));
  });

  it('is stopped like any other job', async () => {
    const running = startJob(upstream, 'trap "echo stopping; exit 0" TERM; echo begun; sleep 600 & wait', {
      job: pytorch(2),
    });
    await running.saw(/\[0\] begun[\s\S]*\[1\] begun|\[1\] begun[\s\S]*\[0\] begun/);
    await running.sandbox.stop(10);
    assert.equal((await running.sandbox.done).reason, 'stopped');
  });
});
