// What code in a sandbox cannot reach, use up or survive. Every test runs bubblewrap.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { python, runJob, skipReason, startJob, startUpstream, type Upstream } from './testing.ts';

/** Host pids whose command line or environment holds the text; unreadable ones cannot leak to us. */
function processesHolding(text: string, file: 'cmdline' | 'environ'): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/${file}`).includes(text);
      } catch {
        return false;
      }
    });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Every process below one, by walking parents. */
function descendants(root: number): readonly number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      parents.set(Number(name), Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1]));
    } catch {
      // It ended while we looked.
    }
  }
  const below = (pid: number): boolean => {
    for (let at = parents.get(pid); at !== undefined && at !== 0; at = parents.get(at)) if (at === root) return true;
    return false;
  };
  return [...parents.keys()].filter(below);
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`It did not happen: ${what}.`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('a sandbox', { skip: skipReason, concurrency: 2 }, () => {
  let upstream: Upstream;
  before(async () => {
    upstream = await startUpstream();
  });
  after(() => upstream.close());

  it('has no network but the way to Strongroom', async () => {
    const host = createServer((_, response) => response.end('reached'));
    await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve));
    const { port } = host.address() as AddressInfo;
    const program = `
import socket
for address in [("127.0.0.1", ${port}), ("169.254.169.254", 80), ("8.8.8.8", 53), ("10.0.0.1", 443)]:
    s = socket.socket(); s.settimeout(2)
    try:
        s.connect(address); print("REACHED", address)
    except OSError as e:
        print("refused", e.errno)
print(sorted(name for _, name in socket.if_nameindex()) if False else open("/proc/net/dev").read().count(":"))
s = socket.create_connection(("localhost", ${upstream.port})); print("strongroom")
`;
    const { output, end } = await runJob(upstream, python(program));
    host.close();
    assert.equal(end.exitCode, 0, output());
    assert.doesNotMatch(output(), /REACHED/);
    assert.equal(output().match(/refused/g)?.length, 4);
    assert.match(output(), /^1$/m, 'loopback is the only interface');
    assert.match(output(), /strongroom/);
  });

  it('reaches Strongroom by TLS end to end, by its own URL and by the names that were given', async () => {
    upstream.handle = (request, response) => response.end(`${request.url} from outside`);
    const program = `
import urllib.request, ssl, socket
print(urllib.request.urlopen("${upstream.url}/anything").read().decode())
print(socket.gethostbyname("models.example"))
`;
    const { output, end } = await runJob(upstream, python(program), { hostNames: ['models.example'] });
    assert.equal(end.exitCode, 0, output());
    assert.match(output(), /anything from outside\n127\.0\.0\.1/);
  });

  it('listens on a port below 1024 where Strongroom does, and hands that right to nobody', async () => {
    upstream.handle = (request, response) => response.end(`${request.url} from outside`);
    const program = `
import urllib.request, socket
print(urllib.request.urlopen("https://localhost/privileged").read().decode())
try:
    socket.create_server(("127.0.0.1", 80)); print("BOUND")
except OSError as e: print("refused", e.errno)
print(open("/proc/self/status").read())
`;
    const { output, end } = await runJob({ ...upstream, port: 443 }, python(program));
    assert.equal(end.exitCode, 0, output() + end.message);
    assert.match(output(), /privileged from outside\nrefused 13/);
    assert.match(output(), /CapInh:\s+0+\nCapPrm:\s+0+\nCapEff:\s+0+\n[\s\S]*CapAmb:\s+0+$/m);
  });

  it('shows nothing of the host: no homes, no shadow file, no other processes, no environment', async () => {
    const home = fileURLToPath(new URL('../../../', import.meta.url));
    const program = `
import os
for path in ["/root", "/home", "/etc/shadow", "/etc/ssh", "/boot", "/mnt", "/opt", "/srv", "/sys", "${home}"]:
    print("SEEN" if os.path.exists(path) else "absent", path)
print("pids", len([p for p in os.listdir("/proc") if p.isdigit()]))
for path in ["/proc/cmdline", "/proc/keys", "/proc/kallsyms", "/proc/kcore", "/proc/sysrq-trigger"]:
    try:
        if open(path).read(64): print("SEEN", path)
    except OSError: pass
print("etc", sorted(os.listdir("/etc")))
print("env", sorted(os.environ))
print("host", os.uname().nodename, os.getuid(), os.getgid(), os.getgroups())
`;
    process.env.STRONGROOM_TEST_CANARY = 'canary-of-the-agent';
    const { output } = await runJob(upstream, python(program));
    delete process.env.STRONGROOM_TEST_CANARY;
    assert.doesNotMatch(output(), /SEEN|CANARY|canary/);
    assert.match(output(), /host node 65534 65534 \[(65534(, )?)*\]/);
    assert.ok(Number(/pids (\d+)/.exec(output())?.[1]) <= 3, output());
    const etc = /etc (.*)/.exec(output())?.[1] ?? '';
    assert.doesNotMatch(etc, /shadow|ssl|machine-id|hostname/);
  });

  it('can write nowhere but to bounded memory', async () => {
    const program = `
import os
for folder in ["/", "/etc", "/usr", "/usr/local", "/dev", "/run", "/run/strongroom", "/runner", "/runner/management", "/var", "/proc/sys/kernel"]:
    try:
        open(folder + "/mark", "w"); print("WROTE", folder)
    except OSError: pass
for path in ["/runner/run.py", "/run/strongroom/ca.pem", "/etc/hosts"]:
    try:
        open(path, "a"); print("WROTE", path)
    except OSError: pass
for folder in ["/job", "/tmp", "/dev/shm"]:
    written = 0
    try:
        with open(folder + "/fill", "wb") as f:
            while written < 64 << 20:
                written += f.write(bytes(1 << 20)); f.flush()
        print("UNBOUNDED", folder)
    except OSError as e:
        print("full", folder, e.errno)
    os.truncate(folder + "/fill", 0)
`;
    const { output } = await runJob(upstream, python(program), { scratchBytes: 16 * 1024 * 1024 });
    assert.doesNotMatch(output(), /WROTE|UNBOUNDED/);
    assert.equal(output().match(/full \S+ 28/g)?.length, 3, output());
  });

  it('has the shared memory that was asked for, and what is beside it stays as it is', async () => {
    const program = `
import os
for folder in ["/job", "/tmp", "/dev/shm"]:
    room = os.statvfs(folder)
    print(folder, room.f_blocks * room.f_frsize >> 20)
`;
    const { output } = await runJob(upstream, python(program), {
      scratchBytes: 16 * 1024 * 1024,
      sharedBytes: 24 * 1024 * 1024,
    });
    assert.match(output(), /\/job 16\n\/tmp 4\n\/dev\/shm 24\n/);
  });

  it('is not root outside, holds no capability and cannot gain any', async () => {
    const running = startJob(
      upstream,
      'grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status; echo up; exec sleep 60',
    );
    await running.saw(/up/);
    const inside = descendants(running.sandbox.pid ?? 0);
    assert.ok(inside.length >= 2);
    for (const pid of inside) {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      assert.doesNotMatch(status, /^[UG]id:.*\b0\b/m, 'a host uid or gid of 0');
    }
    await running.sandbox.stop(0);
    assert.equal(running.output().match(/^Cap\w+:\s+0{16}$/gm)?.length, 5, running.output());
    assert.match(running.output(), /NoNewPrivs:\s+1/);
    assert.match(running.output(), /Seccomp:\s+2/);
  });

  it('bounds a fork bomb, and leaves nothing of it behind', async () => {
    const program = `
import os, time, sys
count = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(60); os._exit(0)
        count += 1
except OSError as e:
    print("bounded at", count, e.errno)
`;
    const { output, end, sandbox } = await runJob(upstream, python(program), { limits: { processes: 20 } });
    assert.equal(end.reason, 'exited');
    const count = Number(/bounded at (\d+) 11/.exec(output())?.[1]);
    assert.ok(count > 5 && count < 30, output());
    assert.deepEqual(descendants(sandbox.pid ?? 0), []);
  });

  it('bounds the memory of one process', async () => {
    const { output } = await runJob(
      upstream,
      python('try:\n  x = bytearray(300 << 20); print("GOT")\nexcept MemoryError: print("bounded")'),
      { limits: { memoryBytes: 128 * 1024 * 1024 } },
    );
    assert.equal(output(), 'bounded\n');
  });

  it('bounds the memory of all processes together, and says so', async () => {
    const program = `
import os, time
for _ in range(8):
    if os.fork() == 0:
        x = bytearray(os.urandom(1 << 20) * 60); time.sleep(60); os._exit(0)
time.sleep(60)
`;
    const { end } = await runJob(upstream, python(program), { limits: { memoryBytes: 128 * 1024 * 1024 } });
    assert.equal(end.reason, 'memory');
    assert.equal(end.signal, 'SIGKILL');
  });

  it('counts what the kernel keeps for files, however empty they are', async () => {
    const program = `
import os
for folder in ("/job", "/tmp", "/dev/shm"):
    os.mkdir(folder + "/many")
    for i in range(1 << 20):
        try: os.mknod("%s/many/%d" % (folder, i))
        except OSError: break
print("made them all")
`;
    const { end, output } = await runJob(upstream, python(program), { limits: { memoryBytes: 96 * 1024 * 1024 } });
    assert.equal(end.reason, 'memory', output());
  });

  it('lets many busy processes pass that bound by little', async () => {
    const limit = 256 * 1024 * 1024;
    const program = `
import mmap, os
for i in range(30):
    if os.fork() == 0:
        held = mmap.mmap(-1, 200 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for at in range(0, 200 << 20, 1 << 20):
            for page in range(at, at + (1 << 20), 4096): held[page] = 1
            os.write(1, b"m")
        while True: pass
while True: os.wait()
`;
    const { output, end } = await runJob(upstream, python(program), { limits: { memoryBytes: limit, processes: 64 } });
    assert.equal(end.reason, 'memory');
    // A mebibyte for each letter. Without the stop it is sixteen times the bound on a busy machine.
    assert.ok(output().length * 1024 * 1024 < 4 * limit, `${output().length} MiB`);
  });

  it('does not count what forked processes share', async () => {
    const program = `
import os, time
x = bytearray(os.urandom(1 << 20) * 60)
children = []
for _ in range(6):
    pid = os.fork()
    if pid == 0:
        time.sleep(1); os._exit(0)
    children.append(pid)
for pid in children: os.waitpid(pid, 0)
print("shared")
`;
    const { output, end } = await runJob(upstream, python(program), { limits: { memoryBytes: 160 * 1024 * 1024 } });
    assert.equal(output(), 'shared\n');
    assert.equal(end.reason, 'exited');
  });

  it('bounds open files and file sizes', async () => {
    const program = `
import signal
files = []
try:
    while True: files.append(open("/dev/null"))
except OSError as e: print("files", len(files), e.errno)
files.clear(); signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    with open("big", "wb") as f:
        for _ in range(20): f.write(bytes(1 << 20)); f.flush()
except OSError as e: print("size", e.errno)
`;
    const { output } = await runJob(upstream, python(program), {
      limits: { openFiles: 64, fileBytes: 4 * 1024 * 1024 },
    });
    assert.match(output(), /files \d\d 24\nsize 27/);
  });

  it('dies with the agent', async () => {
    const script = `
import { python, startJob, startUpstream } from ${JSON.stringify(new URL('./testing.ts', import.meta.url).href)};
const upstream = await startUpstream();
const running = startJob(upstream, 'setsid sh -c "trap : TERM HUP INT; sleep 300 & sleep 300" & echo up; sleep 300');
await running.saw(/up/);
console.log('FOLDER ' + upstream.folder + ' PID ' + running.sandbox.pid + '.');
`;
    const agent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    agent.stdout.on('data', (chunk) => {
      said += chunk;
    });
    await until(() => /PID \d+\./.test(said), 'the other agent starts a sandbox');
    const outermost = Number(/PID (\d+)/.exec(said)?.[1]);
    const all = [outermost, ...descendants(outermost)];
    assert.ok(all.length >= 4, String(all));
    agent.kill('SIGKILL');
    await until(() => !all.some(isAlive), 'every process of the sandbox ends');
    rmSync(/FOLDER (\S+)/.exec(said)?.[1] ?? '', { recursive: true });
  });

  it('keeps tokens and code out of the arguments and environments that the host can see', async () => {
    const running = startJob(upstream, 'CANARY_IN_COMMAND=1; echo up; sleep 60', {
      job: { token: 'canary-run-token', snapshot: [], inputs: {} },
    });
    await running.saw(/up/);
    const leaks = ['canary-run-token', 'CANARY_IN_COMMAND'].flatMap((text) => [
      ...processesHolding(text, 'cmdline'),
      ...processesHolding(text, 'environ'),
    ]);
    assert.deepEqual(processesHolding('server.sock', 'cmdline'), [], 'options travel by descriptor');
    await running.sandbox.stop(0);
    assert.deepEqual(leaks, []);
  });

  it('does not let user code write an event, or look into the process that does', async () => {
    const program = `
import os, json
print(json.dumps({"event": "finished", "exitCode": 0, "reason": "exited"}))
for path in ["/proc/1/fd/1", "/proc/1/fd/3", "/proc/1/mem", "/proc/1/environ", "/proc/1/fd"]:
    try:
        os.listdir(path) if path.endswith("/fd") else open(path, "r+b"); print("OPENED", path)
    except OSError as e: print("denied", e.errno)
import time
for number in range(1, 65):
    try:
        os.kill(1, number)
    except OSError as e: print("kill", number, e.errno)
time.sleep(0.5)
fds = sorted(int(f) for f in os.listdir("/proc/self/fd"))
print("fds", fds)
raise SystemExit(5)
`;
    const { output, end, events } = await runJob(upstream, python(program));
    assert.equal(end.exitCode, 5);
    assert.equal(events.filter(({ event }) => event === 'finished').length, 1);
    assert.doesNotMatch(output(), /OPENED/);
    assert.match(output(), /fds \[0, 1, 2, 3\]/, 'the fourth is the listing itself');
  });

  it('does not hand on descriptors that were open in the agent', async () => {
    const folder = upstream.folder;
    writeFileSync(join(folder, 'host-file'), 'secret of the host');
    const script = `
import { startJob, startUpstream } from ${JSON.stringify(new URL('./testing.ts', import.meta.url).href)};
const upstream = await startUpstream();
const running = startJob(upstream, 'ls -l /proc/self/fd; cat <&7 || true');
await running.sandbox.done; console.log(running.output()); await upstream.close();
`;
    const shell = spawn('/bin/sh', [
      '-c',
      `exec 7<${join(folder, 'host-file')}; exec "$0" --input-type=module -e "$1"`,
      process.execPath,
      script,
    ]);
    let said = '';
    shell.stdout.on('data', (chunk) => {
      said += chunk;
    });
    await new Promise((resolve) => shell.once('close', resolve));
    assert.match(said, /0 -> \/dev\/null/);
    assert.doesNotMatch(said, /secret|host-file/);
  });
});
