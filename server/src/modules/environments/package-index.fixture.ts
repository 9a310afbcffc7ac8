// For tests: a package index on this machine, with the packages that a test makes and the pip that the machine has. It speaks
// the simple repository API, and can be told to misbehave.

import { execFileSync, spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename } from 'node:path';
import { sha256Hex } from '#kernel/crypto/digest';

type IndexedFile = {
  readonly name: string;
  readonly bytes: Buffer;
  readonly requiresPython?: string /** In place of its own. */;
  readonly sha256?: string;
};

/** Where distributions and Python itself lay the wheel of pip. */
const pipWheels = [
  '/usr/share/python-wheels/pip-*.whl',
  '/usr/lib/python3*/ensurepip/_bundled/pip-*.whl',
  '/usr/local/lib/python3*/ensurepip/_bundled/pip-*.whl',
];
export const withoutPip =
  'No pip is on this machine: install python3-pip-whl (Debian, Ubuntu), python3-pip (Fedora) or py3-pip (Alpine).';

const pipScript = `
import io, os, pip, sys, zipfile
root = os.path.dirname(os.path.dirname(pip.__file__))
out = io.BytesIO()
with zipfile.ZipFile(out, "w") as archive:
    for folder, _, names in os.walk(os.path.dirname(pip.__file__)):
        for name in names:
            if not name.endswith(".pyc"):
                path = os.path.join(folder, name)
                archive.write(path, os.path.relpath(path, root))
sys.stdout.buffer.write(out.getvalue())
`;

/** The version of the pip that python3 imports. */
function installedPip(): string | undefined {
  const { status, stdout } = spawnSync('python3', ['-c', 'import pip; print(pip.__version__)'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

export const hasPip = (): boolean => globSync(pipWheels).length > 0 || installedPip() !== undefined;

/** A wheel of pip, as Linux distributions and Python ship it; made of an installed one where there is none. */
export function pipWheel(): IndexedFile {
  const [path] = globSync(pipWheels);
  if (path !== undefined) return { name: basename(path), bytes: readFileSync(path) };
  const version = installedPip();
  if (version === undefined) throw new Error(withoutPip);
  const bytes = execFileSync('python3', ['-c', pipScript], { maxBuffer: 64 * 1024 ** 2 });
  return { name: `pip-${version}-py3-none-any.whl`, bytes };
}

const makeWheelScript = `
import base64, hashlib, json, sys, zipfile
given = json.load(sys.stdin)
info = "%s-%s.dist-info" % (given["module"], given["version"])
files = dict(given["files"])
files[info + "/METADATA"] = "Metadata-Version: 2.1\\nName: %s\\nVersion: %s\\n%s" % (given["name"], given["version"], "".join("Requires-Dist: %s\\n" % one for one in given["requires"]))
files[info + "/WHEEL"] = "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
if given["scripts"]:
    files[info + "/entry_points.txt"] = "[console_scripts]\\n" + "".join("%s = %s\\n" % pair for pair in given["scripts"].items())
rows = []
with zipfile.ZipFile(sys.stdout.buffer, "w") as archive:
    for path, text in sorted(files.items()):
        data = text.encode()
        rows.append("%s,sha256=%s,%d" % (path, base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode(), len(data)))
        archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), data)
    archive.writestr(zipfile.ZipInfo(info + "/RECORD", (2020, 1, 1, 0, 0, 0)), "\\n".join(rows + [info + "/RECORD,,"]) + "\\n")
`;

/** A wheel that pip installs. */
export function packageWheel(
  name: string,
  version: string,
  files: Readonly<Record<string, string>>,
  {
    requires = [],
    scripts = {},
  }: { readonly requires?: readonly string[]; readonly scripts?: Readonly<Record<string, string>> } = {},
): IndexedFile {
  const module = name.replaceAll('-', '_');
  const input = JSON.stringify({ name, version, module, files, requires, scripts });
  const bytes = execFileSync('python3', ['-c', makeWheelScript], { input, maxBuffer: 64 * 1024 ** 2 });
  return { name: `${module}-${version}-py3-none-any.whl`, bytes };
}

const makeSdistScript = `
import io, json, sys, tarfile
given = json.load(sys.stdin)
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|gz") as archive:
    for path, text in sorted(given["files"].items()):
        data = text.encode()
        entry = tarfile.TarInfo("%s-%s/%s" % (given["name"], given["version"], path))
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
`;

/**
 * A source archive whose build runs \`code\`: its backend is part of it, so that nothing else is needed to build it. What it builds
 * is an empty package.
 */
export function sourcePackage(name: string, version: string, code: string): IndexedFile {
  const backend = `
import os, zipfile
def _attack():
${code
  .split('\n')
  .map((line) => `    ${line}`)
  .join('\n')}
def build_wheel(folder, config_settings=None, metadata_directory=None):
    _attack()
    file = "${name}-${version}-py3-none-any.whl"
    info = "${name}-${version}.dist-info"
    with zipfile.ZipFile(os.path.join(folder, file), "w") as archive:
        archive.writestr("${name}.py", "")
        archive.writestr(info + "/METADATA", "Metadata-Version: 2.1\\nName: ${name}\\nVersion: ${version}\\n")
        archive.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(info + "/RECORD", "")
    return file
`;
  const files = {
    'pyproject.toml': '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    'backend.py': backend,
    'PKG-INFO': `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`,
  };
  const input = JSON.stringify({ name, version, files });
  return { name: `${name}-${version}.tar.gz`, bytes: execFileSync('python3', ['-c', makeSdistScript], { input }) };
}

export type PackageIndex = {
  readonly url: string;
  readonly seen: string[];
  add(...files: readonly IndexedFile[]): void;
  /** Answers in place of the index where it answers true. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
  close(): void;
};

const projectOf = (file: string) => (/^(.+?)-\d/.exec(file)?.[1] ?? file).toLowerCase().replaceAll(/[-_.]+/g, '-');

export async function openPackageIndex(): Promise<PackageIndex> {
  const files = new Map<string, IndexedFile>();
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://index').pathname);
    index.seen.push(path);
    if (index.intercept(request, response)) return;
    const project = /^\/simple\/([^/]+)\/$/.exec(path)?.[1];
    const file = /^\/files\/([^/]+)$/.exec(path)?.[1];
    const content = files.get(file ?? '');
    if (content !== undefined)
      return void response.writeHead(200, { 'content-length': content.bytes.length }).end(content.bytes);
    const listed = [...files.values()].filter(({ name }) => projectOf(name) === project);
    if (listed.length === 0) return void response.writeHead(404).end('Not Found');
    const links = listed.map(
      ({ name, bytes, sha256 = sha256Hex(bytes), requiresPython }) =>
        `<a href="../../files/${encodeURIComponent(name)}#sha256=${sha256}"${requiresPython === undefined ? '' : ` data-requires-python="${requiresPython.replaceAll('<', '&lt;').replaceAll('>', '&gt;')}"`}>${name}</a><br />`,
    );
    response
      .writeHead(200, { 'content-type': 'text/html' })
      .end(`<!DOCTYPE html><html><body>\n${links.join('\n')}\n</body></html>`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const index: PackageIndex = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple/`,
    seen: [],
    add: (...added) => {
      for (const file of added) files.set(file.name, file);
    },
    intercept: () => false,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
  return index;
}
