// A Dockerfile's steps in a real sandbox, on an image of this machine's shell and Python: what is sent as the layer, and what hostile
// steps can do: to the machine, to the root, to what is sent, and to the time and memory that there is.

import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { createImageCache, type ImageCache, type ImageUse } from '../images/cache.ts';
import { createImageRegistry } from '../images/registry.ts';
import { image, pythonLayer, shellLayer, testRegistry } from '../images/testing.ts';
import { python, skipReason, start, startUpstream, type Upstream } from './testing.ts';

const MIB = 1024 * 1024;
const never = new AbortController().signal;

describe('the steps of a Dockerfile', { skip: skipReason }, () => {
  let upstream: Upstream;
  let parent: string;
  let cache: ImageCache;
  let use: ImageUse;
  let sent: Buffer | undefined;
  const registry = testRegistry();
  const context: Readonly<Record<string, string>> = {
    'a.txt': 'a\n',
    'src/b.txt': 'b\n',
    'src/deep/c.txt': 'c\n',
    packed: gzipSync('').toString('latin1'),
  };

  before(async () => {
    upstream = await startUpstream((request, response) => {
      const file = /^\/context\/(.*)$/.exec(request.url ?? '')?.[1];
      if (file !== undefined) return response.end(Buffer.from(context[file] ?? '', 'latin1'));
      if (request.method !== 'PUT') return registry.handle(request, response);
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        sent = Buffer.concat(chunks);
        response.writeHead(201).end('{}');
      });
    });
    registry.opens.set('mine', new Set(['reg/base']));
    parent = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'strongroom-test-'));
    chmodSync(parent, 0o711);
    const { url, caPem } = upstream;
    cache = createImageCache({
      parent,
      prefix: 'cache-',
      bytes: 1024 * MIB,
      registry: createImageRegistry({ url, caPem }),
    });
    const name = registry.add(
      'reg/base',
      image([
        shellLayer(),
        pythonLayer(),
        [
          { path: 'opt/kept', content: 'kept' },
          { path: 'opt/twin', type: '1', link: 'opt/kept' },
          { path: 'opt/folder/in', content: 'in' },
          { path: 'opt/out', type: '2', link: '/etc' },
          { path: 'opt/circle', type: '2', link: 'circle' },
        ],
      ]),
    );
    use = await cache.use(name, 'root', 'mine', never);
  });
  after(async () => {
    use?.release();
    await cache?.close();
    await upstream?.close();
    if (parent) rmSync(parent, { recursive: true, force: true });
  });

  type Given = Readonly<Record<string, unknown>>;
  const run = (command: string): Given => ({
    do: 'run',
    line: 2,
    text: 'RUN something',
    argv: ['/bin/sh', '-c', command],
    environment: { PATH: '/usr/bin:/bin' },
    cwd: '/',
  });
  const copy = (sources: readonly string[], to: string, more: Given = {}): Given => ({
    ...{ do: 'copy', line: 3, text: 'COPY something', sources, to, isFolder: to.endsWith('/') },
    ...more,
  });

  /** What was sent: path, and what stands for it. */
  async function build(steps: readonly Given[], options: { readonly seconds?: number; readonly limits?: object } = {}) {
    sent = undefined;
    const files = Object.keys(context).map((path) => ({ path, url: `${upstream.url}/context/${path}` }));
    const given = {
      steps,
      remarks: [],
      result: `${upstream.url}/result`,
      context: files,
    };
    const running = start(upstream, {
      command: 'job',
      document: {
        port: upstream.port,
        writableRoot: true,
        job: {
          token: 'build-token-build-token',
          redact: ['build-token-build-token'],
          timeoutSeconds: options.seconds ?? 60,
          packages: { index: `${upstream.url}/packages` },
          build: given,
        },
      },
      options: { image: use, scratchBytes: 256 * MIB, limits: { ...options.limits } },
    });
    const end = await running.sandbox.done;
    return { end, output: running.output(), layer: layerOf(sent), events: running.events.map(({ event }) => event) };
  }

  /** Path, and what stands for it: plain headers of ustar, as everything here fits into one. */
  function layerOf(bytes: Buffer | undefined): Readonly<Record<string, string>> {
    const found: Record<string, string> = {};
    for (let at = 0; bytes?.[at]; ) {
      const text = (from: number, length: number) =>
        bytes.toString('latin1', at + from, at + from + length).split('\0', 1)[0] ?? '';
      const [mode = 0, uid, gid, size = 0, mtime] = [100, 108, 116, 124, 136].map((from) =>
        parseInt(text(from, 12), 8),
      );
      const [name, type, link] = [text(0, 100), text(156, 1), text(157, 100)];
      assert.deepEqual([mode & 0o7000, uid, gid, mtime], [0, 0, 0, 0], name);
      const content = bytes.toString('utf8', at + 512, at + 512 + Math.min(size, 100));
      found[name] = type === '2' ? `-> ${link}` : type === '5' ? '' : `${mode & 0o100 ? 'x ' : ''}${content}`;
      at += 512 + Math.ceil(size / 512) * 512;
    }
    return found;
  }

  it('what is copied and made is sent, in order, and what is as it was is not', async () => {
    const { end, output, layer, events } = await build([
      { do: 'folder', line: 1, text: 'WORKDIR /app', path: '/app' },
      copy(['a.txt'], '/app/', { mode: '755' }),
      copy(['src'], '/app/src'),
      copy(['a.txt'], '/opt/out/through-a-link'),
      copy(['a.txt'], '/opt/out'),
      run('touch -d 2001-01-01 /opt/kept; echo x >> /opt/folder/in; chmod 000 /app/src; cat /etc/passwd > /dev/null'),
      run('echo $PATH $HOME; cat /opt/twin; ls /opt; id -u'),
    ]);
    assert.deepEqual(end, { exitCode: 0, signal: null, reason: 'exited' }, output);
    assert.deepEqual(layer, {
      'app/': '',
      'app/a.txt': 'x a\n',
      'app/src/': '',
      'app/src/b.txt': 'b\n',
      'app/src/deep/': '',
      'app/src/deep/c.txt': 'c\n',
      'etc/a.txt': 'a\n',
      'etc/through-a-link': 'a\n',
      'opt/folder/in': 'x inx\n',
    });
    assert.match(
      output,
      /Step 7\/7 : RUN something\n\/usr\/bin:\/bin \/root\nkeptcircle\nfolder\nkept\nout\ntwin\n65534\n/,
    );
    assert.deepEqual(events, ['preparing', 'running', 'finished']);
  });

  it('what is gone, and what became something else, is said so', async () => {
    const { layer, output } = await build([
      run(
        `${python('import os, shutil; os.unlink("/opt/kept"); shutil.rmtree("/opt/folder"); os.mkdir("/opt/kept"); open("/opt/kept/in", "w"); os.unlink("/opt/out"); os.symlink("../../usr", "/opt/out"); os.rename("/opt/circle", "/opt/ring"); os.mkdir("/empty")')}`,
      ),
    ]);
    assert.deepEqual(
      layer,
      {
        'empty/': '',
        'opt/.wh.circle': '',
        'opt/.wh.folder': '',
        'opt/kept/': '',
        'opt/kept/in': '',
        'opt/out': '-> ../../usr',
        'opt/ring': '-> circle',
      },
      output,
    );
  });

  it('nothing of set-uid bits, owners, devices and sockets goes along, and what the sandbox has is not of the image', async () => {
    const { layer, output, end } = await build([
      run(
        `${python(`
import os, socket
open("/suid", "w").close(); os.chmod("/suid", 0o6755)
os.mkfifo("/pipe")
socket.socket(socket.AF_UNIX).bind("/socket")
for act in (lambda: os.mknod("/device", 0o20666, os.makedev(1, 3)), lambda: os.chown("/suid", 0, 0), lambda: os.setuid(0), lambda: os.chroot("/tmp"), lambda: open("/etc/passwd", "a"), lambda: os.listdir("/proc/1/root"), lambda: os.listdir("/proc/1/fd"), lambda: open("/proc/sys/kernel/hostname", "w").write("x")):
    try:
        act(); print("DONE")
    except OSError as failure:
        print("refused")
for path in ("/tmp/x", "/dev/shm/x", "/job/x"):
    open(path, "w").close()
print(os.path.exists("/base"), os.path.exists("/context"), os.path.exists("/image"), os.path.exists("/run/strongroom/server.sock"))
`)}`,
      ),
    ]);
    assert.equal(end.exitCode, 0, output);
    assert.doesNotMatch(output, /DONE/);
    assert.match(output, /refused\nFalse False False False\n/);
    assert.match(output, /not kept: \/pipe is neither a file/);
    assert.deepEqual(layer, { suid: 'x ' });
  });

  it('a step of a root that a step before has made hostile follows nothing out of it, and fails in words', async () => {
    for (const [hostile, to, words] of [
      ['import os, shutil; shutil.rmtree("/opt"); os.symlink("/proc/1/root/run/strongroom", "/opt")', '/opt/x', /: /],
      ['import os; os.symlink("circle", "/a"); os.symlink("a", "/circle")', '/a/x', /too many links/],
      ['open("/file", "w")', '/file/x/y', /is no folder/],
      ['import os; os.makedirs("/there/a.txt")', '/there/', /is a folder, and a file was to be put there/],
      ['0', '/proc/x', /: /],
      ['0', '/dev/x', /Read-only/],
    ] as const) {
      const { end, output, layer } = await build([run(python(hostile)), copy(['a.txt'], to)]);
      assert.deepEqual([end.reason, end.exitCode, layer], ['exited', 1, {}], `${hostile} ${output}`);
      assert.match(end.message ?? '', words, hostile);
      assert.match(end.message ?? '', /^Line 3 of the Dockerfile, COPY something: /);
    }
    const { end } = await build([copy(['a.txt'], '/opt/circle/x')]);
    assert.match(end.message ?? '', /too many links/);
  });

  it('names that no image can hold, and trees without end, end the build', async () => {
    for (const [program, words] of [
      ['open("/new\\nline", "w")', /no image can hold/],
      ['open(b"/\\xff", "w")', /no image can hold/],
      ['open("/.wh.kept", "w")', /such names delete files/],
      ['import os\nfor _ in range(100): os.mkdir("d"); os.chdir("d")', /no image can hold/],
      ['import os\nfor _ in range(3000): os.mkdir("d" * 100); os.chdir("d" * 100)', /cannot be read|no image can hold/],
    ] as const) {
      const { end, layer } = await build([run(python(program))]);
      assert.deepEqual([end.reason, end.exitCode, layer], ['exited', 1, {}], program);
      assert.match(end.message ?? '', words, program);
    }
  });

  it('a command that writes without end, forks without end, hangs or eats memory is ended, and so is the build', async () => {
    const full = await build([run('while true; do cat /usr/bin/python3; done > /big')], {
      limits: { fileBytes: 1 << 30 },
    });
    assert.deepEqual([full.end.exitCode === 0, full.layer], [false, {}], full.output);
    const many = await build(
      [run(python('import os\nn = 0\nwhile True:\n    open("/f%d" % n, "w").close(); n += 1'))],
      { seconds: 5 },
    );
    assert.notEqual(many.end.exitCode, 0);
    const forks = await build([run('bomb() { bomb | bomb & }; bomb; sleep 60')], { seconds: 3 });
    assert.notEqual(forks.end.exitCode, 0);
    const hangs = await build([run('sleep 60 & exec sleep 60')], { seconds: 1 });
    assert.equal(hangs.end.reason, 'timeout');
    const hungry = await build([run(python('x = bytearray(b"x") * (400 << 20)\nimport time\ntime.sleep(60)'))], {
      limits: { memoryBytes: 128 * MIB },
    });
    assert.notEqual(hungry.end.exitCode, 0);
    assert.deepEqual([forks.layer, hangs.layer, hungry.layer], [{}, {}, {}]);
  });

  it('there is no network, the token is not printed, and what a command left running is gone with it', async () => {
    const { end, output, layer } = await build([
      run(
        `${python(`
import socket, urllib.request
for host, port in (("1.1.1.1", 443), ("169.254.169.254", 80)):
    try:
        socket.create_connection((host, port), 3); print("REACHED")
    except OSError:
        print("no way")
import os
print({name: value for name, value in os.environ.items() if not name.startswith("PIP")}, os.listdir("/job"))
try:
    urllib.request.urlopen(os.environ["PIP_INDEX_URL"] + "six/")
except OSError as failure:
    print("the door says", failure.code)
`)}; (while true; do echo late > /late; done) &`,
      ),
      run(
        `${python('import os; os.unlink("/late")')}; i=0; until [ $i = 300000 ]; do i=$((i+1)); done; cat /late || echo nobody`,
      ),
    ]);
    assert.equal(end.exitCode, 0, output);
    assert.doesNotMatch(output, /REACHED|build-token/);
    assert.match(output, /no way\nno way\n/);
    assert.match(output, /the door says 401/);
    assert.ok(upstream.requests.includes('GET /packages/simple/six/'));
    assert.match(output, /nobody\n/);
    assert.deepEqual(layer, {});
  });

  it('an image whose shell was replaced is an image whose shell was replaced: nothing else runs it', async () => {
    const { end, layer } = await build([
      run(
        python(
          'open("/evil", "w").write("#!/usr/bin/python3\\nprint(1)\\n"); import os; os.chmod("/evil", 0o755); os.replace("/evil", "/bin/sh")',
        ),
      ),
    ]);
    assert.equal(end.exitCode, 0);
    assert.equal(Object.values(layer).join(), 'x #!/usr/bin/python3\nprint(1)\n');
  });

  it('an archive that ADD would unpack ends the build, and what is none does not', async () => {
    const plain = await build([copy(['a.txt'], '/a', { noArchive: true })]);
    assert.deepEqual(plain.layer, { a: 'a\n' });
    const packed = await build([copy(['packed'], '/a', { noArchive: true })]);
    assert.match(packed.end.message ?? '', /packed is an archive, which ADD would unpack/);
  });
});
