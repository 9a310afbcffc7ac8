// Images of a node: what runs in one sees it and nothing else, each is unpacked once, and neither an image nor whoever runs in one
// gets at what is not his. Every image is unpacked by the real reader in a real sandbox.

import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { folderProblem } from '../folders.ts';
import { interpreterCandidates } from '../sandbox/host.ts';
import { LIMITS, python, runJob, skipReason, startUpstream, type Upstream } from '../sandbox/testing.ts';
import { createImageCache, type ImageCache, NoRoom } from './cache.ts';
import { createImageRegistry, ImageRefused } from './registry.ts';
import {
  digestOf,
  image,
  pythonLayer,
  shellLayer,
  type TarEntry,
  type TestImage,
  type TestRegistry,
  tar,
  testRegistry,
} from './testing.ts';

const MIB = 1024 * 1024;
const never = new AbortController().signal;

describe('images of a node', { skip: skipReason }, () => {
  let upstream: Upstream;
  let registry: TestRegistry;
  let parent: string;
  let cache: ImageCache;
  let shell: readonly TarEntry[];
  const caches: ImageCache[] = [];

  const open = (bytes = 1024 * MIB, arch = process.arch): ImageCache => {
    const { url, caPem } = upstream;
    const made = createImageCache({
      parent,
      prefix: 'cache-',
      bytes,
      registry: createImageRegistry({ url, caPem, arch }),
    });
    caches.push(made);
    return made;
  };
  /** In a repository that the token `mine` opens. */
  const push = (made: TestImage, repository = 'reg/mine') => registry.add(repository, made);
  const refusal = (words: RegExp) => (error: unknown) => error instanceof ImageRefused && words.test(error.message);
  const rootOf = (layers: readonly (readonly TarEntry[])[]) => image([shell, ...layers]);
  /** Runs a command in an image, to its end. */
  const runIn = async (made: TestImage, command: string, more: object = {}) => {
    const use = await cache.use(push(made), 'root', 'mine', never);
    try {
      return await runJob(upstream, command, { image: use, ...more });
    } finally {
      use.release();
    }
  };

  before(async () => {
    upstream = await startUpstream();
    shell = shellLayer();
  });
  beforeEach(() => {
    registry = testRegistry();
    registry.opens.set('mine', new Set(['reg/mine']));
    upstream.handle = registry.handle;
    parent = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'strongroom-test-'));
    chmodSync(parent, 0o711);
    cache = open();
  });
  afterEach(async () => {
    for (const each of caches.splice(0)) await each.close();
    assert.deepEqual(readdirSync(parent), []);
    rmSync(parent, { recursive: true, force: true });
  });
  after(() => upstream.close());

  it('a job has the image for its root: its layers in order, and nothing of this machine', async () => {
    const made = rootOf([
      [
        { path: 'opt/kept', content: 'one' },
        { path: 'opt/gone', content: 'x' },
        { path: 'opt/whole/old', content: 'x' },
        { path: 'opt/folder/in', content: 'x' },
        { path: 'opt/away/deep/file', content: 'x' },
        { path: 'opt/absolute', type: '2', link: '/opt/kept' },
        { path: 'opt/system\\x2d.slice', content: 'x' },
      ],
      [
        { path: 'opt/.wh.gone' },
        { path: 'opt/whole/new', content: 'y' },
        { path: 'opt/whole/.wh..wh..opq' },
        { path: 'opt/folder', content: 'now a file' },
        { path: 'opt/.wh.away' },
        { path: 'opt/away/again', content: 'z' },
        { path: 'opt/.wh.never-there' },
      ],
    ]);
    const { end, output } = await runIn(
      made,
      'cd /opt; ls; ls whole away; cat absolute folder; echo; pwd -P; ls /; ls /run/strongroom; ls /usr/lib/python3 /runner /layers /image 2>/dev/null || echo nothing; echo $PWD $HOME',
    );
    assert.deepEqual(end, { exitCode: 0, signal: null, reason: 'exited' }, output());
    const lines = output().split('\n');
    assert.deepEqual(lines.slice(0, 5), ['absolute', 'away', 'folder', 'kept', 'system\\x2d.slice']);
    assert.match(output(), /away:\nagain\n\nwhole:\nnew\nonenow a file\n\/opt\n/);
    assert.match(output(), /ca\.pem\nnothing\n\/opt \/job\n$/);
    assert.equal(lines.includes('runner') || lines.includes('image') || lines.includes('server.sock'), false, output());
  });

  it('a job in an image reads inputs that its node keeps, and changes none of them', async (t) => {
    const kept = mkdtempSync(join(tmpdir(), 'strongroom-test-'));
    t.after(() => rmSync(kept, { recursive: true, force: true }));
    chmodSync(kept, 0o755);
    writeFileSync(join(kept, 'a.csv'), 'one');
    const command = 'cd /job/inputs/data; ls; cat a.csv; echo; touch new || echo refused';
    const { end, output } = await runIn(rootOf([]), command, { inputs: new Map([['data', kept]]) });
    assert.equal(end.exitCode, 0, output());
    assert.match(output(), /^a\.csv\none\n.*\nrefused\n$/);
  });

  it('Python of the image runs in it, with the variables of the image under those of the service', async () => {
    const layers = [
      shell,
      pythonLayer(),
      [{ path: 'opt/tools/hello', content: '#!/bin/sh\necho hello from a tool\n' }],
    ];
    const config = {
      config: {
        Env: ['PATH=/opt/tools:/usr/bin:/bin', 'HOME=/root', 'COLOUR=of the image', 'GIVEN=image'],
        User: 'root',
        WorkingDir: '/x',
      },
    };
    const { end, output, diagnostics } = await runIn(
      image(layers, config),
      `${python('import os, ssl, sys; print(sys.version_info[0], os.getcwd(), os.getuid(), os.environ["COLOUR"], os.environ["HOME"], os.environ["GIVEN"])')}; hello`,
      { job: { environment: { GIVEN: 'by the job' } } },
    );
    assert.equal(end.exitCode, 0, output() + diagnostics());
    assert.equal(output(), '3 /job/code 65534 of the image /job by the job\nhello from a tool\n');
  });

  it('outputs of a job in an image are taken, and its limits hold whatever interpreter it brings', async () => {
    const uploads: string[] = [];
    upstream.handle = (request, response) => {
      if (request.method !== 'PUT') return registry.handle(request, response);
      uploads.push(request.url ?? '');
      request.resume().on('end', () => response.end('{}'));
    };
    const made = image([shell, pythonLayer()]);
    const job = { upload: { artifactBaseUrl: `${upstream.url}/artifacts` } };
    const { end } = await runIn(made, 'mkdir -p outputs; echo x > outputs/model; ls /job/image 2>/dev/null', { job });
    assert.deepEqual([end.reason, uploads], ['exited', ['/artifacts/outputs/model']]);
    const hungry = await runIn(made, python('x = bytearray(b"x") * (400 << 20)\nimport time\ntime.sleep(60)'), {
      limits: { memoryBytes: 128 * MIB },
    });
    assert.notEqual(hungry.end.exitCode, 0);
    const spread = await runIn(made, 'true', { job: { spread: { kind: 'PyTorch', processes: 2 } } });
    assert.deepEqual([spread.end.reason, /torchrun/.test(spread.end.message ?? '')], ['setup_failed', true]);
    const late = await runIn(made, 'sleep 60', { job: { timeoutSeconds: 1 } });
    assert.equal(late.end.reason, 'timeout');
  });

  it('what runs in an image changes nothing of it, leaves it for no other root, and sees no socket of this machine', async () => {
    const probe = `
import os, ctypes
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, act):
    try:
        act()
        print("DONE", name)
    except OSError as failure:
        print("refused", name)
for path in ("/new", "/usr/new", "/etc/passwd", "/dev/new", "/run/new", "/proc/new", "/bin/sh"):
    attempt("write " + path, lambda: open(path, "w"))
attempt("chroot", lambda: os.chroot("/tmp"))
attempt("root of process 1", lambda: os.listdir("/proc/1/root"))
attempt("descriptors of process 1", lambda: os.listdir("/proc/1/fd"))
attempt("remount", lambda: libc.mount(b"none", b"/", None, 32, None) and (_ for _ in ()).throw(OSError()))
attempt("namespace", lambda: libc.unshare(0x10000000) and (_ for _ in ()).throw(OSError()))
for number in os.listdir("/proc/self/fd"):
    attempt("descriptor", lambda: os.listdir("/proc/self/fd/" + number))
status = open("/proc/self/status").read()
print([line for line in status.splitlines() if line.startswith(("CapEff", "CapPrm", "CapAmb", "CapInh", "NoNewPrivs"))])
print(sorted(os.listdir("/run")), sorted(os.listdir("/run/strongroom")))
`;
    const { end, output } = await runIn(image([shell, pythonLayer()]), python(probe));
    assert.equal(end.exitCode, 0, output());
    assert.doesNotMatch(output(), /DONE/);
    assert.match(
      output(),
      /CapInh:\\t0{16}', 'CapPrm:\\t0{16}', 'CapEff:\\t0{16}', 'CapAmb:\\t0{16}', 'NoNewPrivs:\\t1'/,
    );
    assert.match(output(), /\['strongroom'\] \['ca\.pem'\]\n$/);
  });

  it('is unpacked once: two at once wait for one, and who comes later finds it, by a token that the registry takes', async () => {
    const name = push(rootOf([]));
    registry.opens.set('other', new Set(['reg/mine']));
    const held = Promise.withResolvers<void>();
    registry.hold = held.promise;
    const both = Promise.all([cache.use(name, 'root', 'mine', never), cache.use(name, 'root', 'other', never)]);
    held.resolve();
    const [one, other] = await both;
    assert.equal(one?.folder, other?.folder);
    const blobs = () => registry.asked.filter((line) => line.includes('/blobs/')).length;
    assert.equal(blobs(), 2);
    const third = await cache.use(name, 'root', 'mine', never);
    assert.deepEqual([blobs(), third.folder], [2, one?.folder]);
    assert.equal(registry.asked.filter((line) => line.includes('/manifests/')).length, 3);
    // Somebody who knows the digest, whose token opens another repository, or nothing at all any more.
    registry.opens.set('stranger', new Set(['reg/theirs']));
    for (const [repository, token] of [
      ['reg/mine', 'stranger'],
      ['reg/theirs', 'stranger'],
      ['reg/mine', 'ended'],
    ] as const)
      await assert.rejects(
        cache.use({ ...name, repository }, 'root', token, never),
        refusal(/could not be fetched\. Strongroom answered 40[14]/),
      );
    assert.equal(blobs(), 2);
  });

  it('a token that ends while its image is fetched takes nobody else down', async () => {
    const name = push(rootOf([]));
    registry.opens.set('ending', new Set(['reg/mine']));
    const held = Promise.withResolvers<void>();
    registry.hold = held.promise;
    const asked = async (what: RegExp) => {
      while (!registry.asked.some((line) => what.test(line))) await new Promise((resolve) => setImmediate(resolve));
    };
    const first = cache.use(name, 'root', 'ending', never);
    await asked(/^ending .*blobs/);
    const second = cache.use(name, 'root', 'mine', never);
    await asked(/^mine .*manifests/);
    registry.opens.delete('ending');
    held.resolve();
    await assert.rejects(first, refusal(/Strongroom answered 401/));
    assert.ok(existsSync((await second).folder));
  });

  it('nothing is unpacked whose digest lies, and a part that lies fails alone', async () => {
    const honest = rootOf([]);
    const [layer] = [...honest.blobs].reverse();
    const lying = { ...honest, blobs: new Map(honest.blobs) };
    for (const [digest, bytes] of honest.blobs)
      (lying.blobs as Map<string, Buffer>).set(
        digest,
        digest === layer?.[0] ? Buffer.concat([bytes.subarray(0, -1), Buffer.from('x')]) : bytes,
      );
    await assert.rejects(cache.use(push(lying), 'root', 'mine', never), refusal(/does not have the digest/));
    const other = Buffer.from(honest.manifest.toString().replace('"schemaVersion":2', '"schemaVersion": 2'));
    await assert.rejects(
      cache.use(push({ ...honest, manifest: other }), 'root', 'mine', never),
      refusal(/does not have the digest/),
    );
    const larger = image([shell], {}, {});
    const bomb = gzipSync(Buffer.alloc(512 * MIB), { level: 9 });
    await assert.rejects(cache.use(push(image([shell, bomb])), 'root', 'mine', never), refusal(/more than 200 times/));
    (await cache.use(push(larger), 'root', 'mine', never)).release();
    assert.equal(readdirSync(join(parent, readdirSync(parent)[0] ?? '')).length, 1);
  });

  it('layers that are hostile are refused in words, and what is set-uid is so no more', async () => {
    const cases: readonly (readonly [RegExp, readonly TarEntry[]])[] = [
      [/neither a file, a folder nor a link/, [{ path: 'dev/sda', type: '3' }]],
      [/bad path/, [{ path: '../out', content: 'x' }]],
      [/bad path/, [{ path: '/etc/out', content: 'x' }]],
      [
        /writes through a link/,
        [
          { path: 'way', type: '2', link: '/tmp' },
          { path: 'way/out', content: 'x' },
        ],
      ],
      [
        /hard link .* does not lead/,
        [{ path: 'hard', type: '1', link: '../../etc/shadow' }].map((entry) => ({
          ...entry,
          type: '1' as const,
          link: 'nowhere/shadow',
        })),
      ],
      [/bad path/, [{ path: 'hard', type: '1', link: '../../etc/shadow' }]],
      [/whiteout/, [{ path: 'opt/.wh..' }]],
      [/whiteout/, [{ path: '.wh.x/file', content: 'x' }]],
    ];
    for (const [words, entries] of cases)
      await assert.rejects(cache.use(push(rootOf([entries])), 'root', 'mine', never), refusal(words), String(words));
    const { output } = await runIn(
      rootOf([[{ path: 'opt/su', content: '#!/bin/sh\n', mode: 0o6755 }]]),
      'ls -l /opt/su; id -u',
    );
    assert.match(output(), /^-rwxr-xr-x .*\n65534\n$/);
  });

  it('an image without a shell, of another architecture, of too many layers or of unknown ones is refused in words', async () => {
    const use = (made: TestImage) => cache.use(push(made), 'root', 'mine', never);
    await assert.rejects(use(image([[{ path: 'a', content: 'x' }]])), refusal(/no \/bin\/sh/));
    await assert.rejects(
      use(image([shell, [{ path: 'bin/sh', type: '2', link: '/nowhere' }]])),
      refusal(/no \/bin\/sh/),
    );
    await assert.rejects(
      use(image([shell], { architecture: 's390x' })),
      refusal(/linux\/s390x and this node is linux/),
    );
    await assert.rejects(use(image([shell], { os: 'windows' })), refusal(/windows\//));
    await assert.rejects(use(image(Array(129).fill([]))), refusal(/1 to 128 layers/));
    const layer = gzipSync(tar([]));
    const layers = [
      { mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd', digest: digestOf(layer), size: layer.length },
    ];
    await assert.rejects(use(image([layer], {}, { manifest: { layers } })), refusal(/type that is not supported/));
  });

  it('links of an image lead nowhere outside it, not even in the place of what is mounted', async () => {
    const link = (path: string, to: string): TarEntry => ({ path, type: '2', link: to });
    const made = rootOf([
      ['etc', 'proc', 'dev', 'tmp', 'job', 'run'].map((path) => link(path, `/../../../..${parent}`)),
      [link('opt/host', parent), link('opt/link', '/dev/shm/../../../../../root')],
    ]);
    writeFileSync(join(parent, 'secret'), 'of the host');
    const { end, output } = await runIn(
      made,
      'cat /etc/passwd; ls /opt/host /opt/link 2>/dev/null; cat /opt/host/secret 2>/dev/null || echo none',
    );
    rmSync(join(parent, 'secret'));
    assert.equal(end.reason, 'exited', end.message);
    assert.match(output(), /^user:x:65534.*\n\/opt\/host\n\/opt\/link\nnone\n$/);
  });

  it('images have a bound together: the longest unused gives way, what is used stays, and what does not fit is told', async () => {
    const filled = (name: string, mib: number) =>
      image([shell, [{ path: `opt/${name}`, content: Buffer.alloc(mib * MIB, name) }]]);
    const small = open(40 * MIB);
    const names = ['a', 'b', 'c'].map((name) => push(filled(name, 10)));
    const use = (index: number) => small.use(names[index] ?? push(filled('', 0)), 'root', 'mine', never);
    const first = await use(0);
    (await use(1)).release();
    const third = await use(2);
    assert.ok(existsSync(first.folder) && existsSync(third.folder));
    const fetched = () => registry.asked.filter((line) => line.includes('/blobs/')).length;
    const before = fetched();
    (await use(0)).release();
    assert.equal(fetched(), before);
    third.release();
    (await use(1)).release();
    assert.ok(fetched() > before, 'the one that nobody used had given way');
    await assert.rejects(
      small.use(push(filled('d', 60)), 'root', 'mine', never),
      (error) => error instanceof NoRoom && /agent\.imageBytes/.test(error.message),
    );
    first.release();
  });

  it('what was changed at rest is not used: it is unpacked anew', async () => {
    const name = push(rootOf([]));
    const first = await cache.use(name, 'root', 'mine', never);
    first.release();
    const entry = join(first.folder, '..');
    for (const change of [
      () => chmodSync(entry, 0o777),
      () => rmSync(join(entry, 'image.json')),
      () => chmodSync(first.folder, 0o777),
      () => {
        rmSync(join(first.folder, 'etc'), { recursive: true });
        symlinkSync('/etc', join(first.folder, 'etc'));
      },
    ]) {
      change();
      const fetched = registry.asked.length;
      const again = await cache.use(name, 'root', 'mine', never);
      again.release();
      assert.ok(registry.asked.length > fetched + 1, 'it was fetched again');
      assert.ok(statSync(join(again.folder, 'etc')).isDirectory() && (statSync(entry).mode & 0o022) === 0);
    }
  });

  it('two agents in one folder keep to themselves, and a folder that others can change is none', async () => {
    const name = push(rootOf([]));
    const other = open();
    const [one, two] = [await cache.use(name, 'root', 'mine', never), await other.use(name, 'root', 'mine', never)];
    assert.notEqual(one.folder, two.folder);
    two.release();
    await other.close();
    assert.ok(existsSync(one.folder) && !existsSync(two.folder));
    one.release();
    assert.equal(folderProblem(parent), undefined);
    chmodSync(parent, 0o777);
    assert.match(folderProblem(parent) ?? '', /other users/);
    chmodSync(parent, 0o711);
    assert.match(folderProblem('/nowhere') ?? '', /cannot/);
    const link = join(parent, 'link');
    symlinkSync(tmpdir(), link);
    assert.match(folderProblem(link) ?? '', /is not a folder/);
    rmSync(link);
  });

  it('who leaves while it waits holds nothing, and a cache that closes ends what is unpacked', async () => {
    const name = push(rootOf([]));
    registry.hold = new Promise(() => undefined);
    const leaving = new AbortController();
    const waiting = cache.use(name, 'root', 'mine', leaving.signal);
    const staying = cache.use(name, 'root', 'mine', never);
    setImmediate(() => leaving.abort());
    await assert.rejects(waiting, { name: 'AbortError' });
    const closed = assert.rejects(staying);
    await cache.close();
    await closed;
    assert.deepEqual(readdirSync(parent), []);
  });

  it('the environment of an image lies at /job/image, with the interpreter of the sandbox, and is only read', async () => {
    const version = /python(3\.\d+)$/.exec(interpreterCandidates()[0] ?? '')?.[1] ?? '3';
    const made = image([
      [
        { path: 'env/pyvenv.cfg', content: `home = /usr/bin\nversion = ${version}\n` },
        { path: `env/lib/python${version}/site-packages/x.py`, content: 'y = 1\n' },
        { path: 'env/bin/python', content: 'not an interpreter' },
      ],
    ]);
    const use = await cache.use(push(made), 'environment', 'mine', never);
    const command = `cat /job/image/env/pyvenv.cfg; touch /job/image/env/new || echo kept; /job/image/env/bin/python${version} -c "import sys; print(sys.prefix)"`;
    const { output } = await runJob(upstream, command, { image: use, limits: LIMITS });
    use.release();
    assert.match(output(), /^home = \/runner\/python\/bin\nversion = 3\.\d+\n.*\nkept\n\/job\/image\/env\n$/);
  });
});
