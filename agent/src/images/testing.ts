// What the tests of images share: layers written by hand, an image of this machine's own shell and Python, and a registry in the place
// of the server's that gives each token what it was told. For tests only.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { interpreterCandidates } from '../sandbox/host.ts';
import type { Handler } from '../sandbox/testing.ts';
import type { ImageName } from './registry.ts';

export interface TarEntry {
  readonly path: string;
  readonly content?: string | Buffer;
  readonly mode?: number;
  /** `0` a file, `1` a hard link, `2` a link, `3` a device, `5` a folder. */
  readonly type?: '0' | '1' | '2' | '3' | '5';
  readonly link?: string;
}

const BLOCK = 512;
const octal = (value: number, length: number): string => `${value.toString(8).padStart(length - 1, '0')}\0`;

function field(header: Buffer, at: number, text: string | Buffer): void {
  Buffer.from(text).copy(header, at);
}

/** POSIX ustar, with a record of pax where a path is too long for it. */
export function tar(entries: readonly TarEntry[]): Buffer {
  const parts: Buffer[] = [];
  const add = (
    path: string,
    body: Buffer,
    { mode = 0o755, type = '0', link = '' }: Omit<TarEntry, 'path' | 'type'> & { readonly type?: string },
  ) => {
    const header = Buffer.alloc(BLOCK);
    field(header, 0, Buffer.from(path).subarray(0, 100));
    field(header, 100, octal(mode, 8) + octal(0, 8) + octal(0, 8) + octal(body.length, 12) + octal(0, 12));
    field(header, 148, ' '.repeat(8));
    field(header, 156, type + link.slice(0, 100));
    field(header, 257, 'ustar\x0000');
    const sum = header.reduce((total, byte) => total + byte, 0);
    field(header, 148, `${sum.toString(8).padStart(6, '0')}\0 `);
    parts.push(header, body, Buffer.alloc((BLOCK - (body.length % BLOCK)) % BLOCK));
  };
  for (const { path, content = '', ...rest } of entries) {
    if (Buffer.byteLength(path) > 100) {
      const record = (length: number): string => `${length} path=${path}\n`;
      let length = Buffer.byteLength(record(0));
      while (Buffer.byteLength(record(length)) !== length) length = Buffer.byteLength(record(length));
      add('pax', Buffer.from(record(length)), { type: 'x' });
    }
    add(path, Buffer.from(content), rest);
  }
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

/** A file of this machine as it lies there, with every link on the way to it. */
function fromHost(path: string): readonly TarEntry[] {
  const real = realpathSync(path);
  const file: TarEntry = { path: real.slice(1), content: readFileSync(real), mode: 0o755 };
  return real === path ? [file] : [file, { path: path.slice(1), type: '0', content: readFileSync(real), mode: 0o755 }];
}

/** What these programs need to run: themselves, and the libraries that the loader names. */
function programs(paths: readonly string[]): readonly TarEntry[] {
  const libraries = paths.flatMap((path) =>
    [...execFileSync('ldd', [path], { encoding: 'utf8' }).matchAll(/(?:=> )?(\/\S+) \(/g)].map(([, found]) =>
      String(found),
    ),
  );
  const all = [...paths, ...libraries].flatMap(fromHost);
  return [...new Map(all.map((entry) => [entry.path, entry])).values()];
}

function below(folder: string, keep: (path: string) => boolean): readonly TarEntry[] {
  return readdirSync(folder).flatMap((name): readonly TarEntry[] => {
    const path = join(folder, name);
    if (!keep(path)) return [];
    const entry = lstatSync(path);
    if (entry.isDirectory()) return below(path, keep);
    if (entry.isSymbolicLink()) return [{ path: path.slice(1), type: '2', link: readlinkSync(path) }];
    return entry.isFile() ? [{ path: path.slice(1), content: readFileSync(path), mode: 0o644 }] : [];
  });
}

/** A shell and a few programs. */
export function shellLayer(): readonly TarEntry[] {
  const names = ['ls', 'cat', 'id', 'touch', 'env', 'sleep'].map((name) => join('/usr/bin', name));
  const shell = programs(['/bin/sh']);
  return [...shell, ...programs(names.filter((path) => existsSync(path)))].filter(
    ({ path }, index, all) => all.findIndex((other) => other.path === path) === index,
  );
}

/** This machine's Python with its standard library, as `/usr/bin/python3` of the image. */
export function pythonLayer(): readonly TarEntry[] {
  const interpreter = interpreterCandidates()[0];
  if (interpreter === undefined) throw new Error('This machine has no Python below /usr.');
  const version = /python(3\.\d+)$/.exec(interpreter)?.[1] ?? '';
  const library = join(dirname(dirname(interpreter)), 'lib', `python${version}`);
  const keep = (path: string) =>
    !/\/(?:__pycache__|test|tests|site-packages|dist-packages|idlelib|tkinter|config-[^/]*)$/.test(path);
  const modules = below(library, keep);
  const needed = modules
    .filter(({ path }) => /\/_(?:ssl|ctypes|hashlib)\.[^/]*\.so$/.test(path))
    .map(({ path }) => `/${path}`);
  const found = new Map(
    [...modules, ...programs([interpreter, ...needed])].map((entry) => [entry.path, entry] as const),
  );
  return [
    ...found.values(),
    // Absolute, as images of distributions have them.
    ...(interpreter === '/usr/bin/python3' ? [] : [{ path: 'usr/bin/python3', type: '2', link: interpreter } as const]),
  ];
}

export interface TestImage {
  readonly digest: string;
  readonly manifest: Buffer;
  readonly blobs: ReadonlyMap<string, Buffer>;
}

export const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const architecture = process.arch === 'x64' ? 'amd64' : process.arch;

export function image(
  layers: readonly (readonly TarEntry[] | Buffer)[],
  config: object = {},
  of: { readonly manifest?: object } = {},
): TestImage {
  const blobs = new Map<string, Buffer>();
  const put = (bytes: Buffer, mediaType: string) => {
    blobs.set(digestOf(bytes), bytes);
    return { mediaType, digest: digestOf(bytes), size: bytes.length };
  };
  const packed = layers.map((layer) =>
    put(
      Buffer.isBuffer(layer) ? layer : gzipSync(tar(layer), { level: 1 }),
      'application/vnd.oci.image.layer.v1.tar+gzip',
    ),
  );
  const rootfs = {
    type: 'layers',
    diff_ids: layers.map((layer) => digestOf(Buffer.isBuffer(layer) ? layer : tar(layer))),
  };
  const described = put(
    Buffer.from(JSON.stringify({ architecture, os: 'linux', rootfs, ...config })),
    'application/vnd.oci.image.config.v1+json',
  );
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, config: described, layers: packed, ...of.manifest }));
  return { digest: digestOf(manifest), manifest, blobs };
}

export interface TestRegistry {
  readonly handle: Handler;
  /** `TOKEN METHOD PATH`. */
  readonly asked: string[];
  /** Which repositories a token opens; changed by tests. */
  readonly opens: Map<string, Set<string>>;
  add(repository: string, image: TestImage): ImageName;
  /** Held back until it settles, for each blob. */
  hold: Promise<void> | undefined;
}

export function testRegistry(): TestRegistry {
  const repositories = new Map<string, Map<string, Buffer>>();
  const registry: TestRegistry = {
    asked: [],
    opens: new Map(),
    hold: undefined,
    add(repository, { digest, manifest, blobs }) {
      const held = repositories.get(repository) ?? new Map<string, Buffer>();
      for (const [at, bytes] of blobs) held.set(`blobs/${at}`, bytes);
      held.set(`manifests/${digest}`, manifest);
      repositories.set(repository, held);
      return { repository, digest };
    },
    handle(request, response) {
      const token = request.headers.authorization?.replace('Bearer ', '') ?? '';
      registry.asked.push(`${token} ${request.method} ${request.url}`);
      const [, repository = '', path = ''] = /^\/v2\/(.+)\/((?:manifests|blobs)\/[^/]+)$/.exec(request.url ?? '') ?? [];
      const answer = () => {
        if (registry.opens.get(token)?.has(repository) !== true) return response.writeHead(401).end();
        const bytes = repositories.get(repository)?.get(path);
        return bytes === undefined ? response.writeHead(404).end() : response.writeHead(200).end(bytes);
      };
      if (path.startsWith('blobs/')) void (registry.hold ?? Promise.resolve()).then(answer);
      else answer();
    },
  };
  return registry;
}
