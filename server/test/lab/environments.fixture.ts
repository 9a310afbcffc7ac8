// For tests of environments: a lab with a package index of one project, a job's environment, and a build that sends what the runner would.

import { Readable } from 'node:stream';
import tar from 'tar-stream';
import { sha256Hex } from '#kernel/crypto/digest';
import { type Bench, jobIn, openBench, running } from './jobs.fixture.ts';
import { offeredPython } from './modules.fixture.ts';

const wheel = Buffer.from('a wheel of six');
export const wheelDigest = sha256Hex(wheel);
export const wheelName = 'six-1.17.0-py2.py3-none-any.whl';
export const lock = (
  packages: readonly object[] = [{ name: 'six', version: '1.17.0', file: wheelName, sha256: wheelDigest }],
) => JSON.stringify({ python: '3.11', abi: offeredPython('3.11').abi, builder: '1', packages });

export async function archive(files: readonly (readonly [string, string, Partial<tar.Header>?])[]): Promise<Buffer> {
  const pack = tar.pack();
  for (const [name, content, more = {}] of files) pack.entry({ name, ...more }, more.type === 'symlink' ? '' : content);
  pack.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of pack) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
/** As the runner makes one. */
export const good = () =>
  archive([
    ['env/bin/six', '#!/env/bin/python\n', { mode: 0o755 }],
    ['env/lib/python3.11/site-packages/six.py', 'x = 1\n'],
    ['env/pyvenv.cfg', 'home = /usr/bin\n'],
    ['env/strongroom-lock.json', lock()],
  ]);

export async function openEnvironments(...[t]: Parameters<typeof openBench>) {
  const bench = await openBench(t);
  const { lab, workspaceId } = bench;
  const asked: string[] = [];
  lab.seam.fetch = async (url) => {
    asked.push(url.href);
    const isPage = url.pathname === '/simple/six/';
    const isFile = url.pathname === `/files/${wheelName}`;
    const body = isPage ? `<a href="/files/${wheelName}#sha256=${wheelDigest}">six</a>` : isFile ? wheel : 'no';
    return { status: isPage || isFile ? 200 : 404, headers: {}, body: Readable.from([Buffer.from(body)]), url };
  };
  const environment = async (name: string, condaFile: string, image = 'strongroom/node-python') => {
    const id = `${workspaceId}/environments/${name}/versions/1`;
    await lab.must(lab.owner, 'PUT', id, { body: { properties: { image, condaFile } } });
    return id;
  };
  const environmentId = await environment('six', 'dependencies: [python=3.11, six]');
  const buildOf = async (name: string) => String((await bench.job(name)).properties['strongroom.environment.build']);
  const given = async (build: string, item = bench.of(build)) => {
    const document = jobIn(await lab.work.take(item));
    const told = JSON.parse(document.environment['STRONGROOM_BUILD'] ?? '{}');
    return { token: document.token, document, build: { ...told, index: `${document.packages?.index}/simple/` } };
  };
  const path = (url: string) => new URL(url).pathname;
  return {
    ...bench,
    asked,
    environment,
    environmentId,
    buildOf,
    given,
    /** What the runner would do. */
    async make(build: string, content?: Buffer, item = bench.of(build)) {
      await lab.work.tell(item, running);
      const { token, build: told } = await given(build, item);
      const page = await lab.must(token, 'GET', path(`${told.index}six/`));
      const href = /href="([^"#]+)#/.exec(page.bytes.toString())?.[1] ?? '';
      await lab.must(token, 'GET', path(new URL(href, `${told.index}six/`).href));
      return lab.call(token, 'PUT', path(told.result), {
        body: content ?? (await good()),
        headers: { 'content-type': 'application/x-tar' },
      });
    },
    send: async (build: string, body: Buffer) => {
      const { token, build: told } = await given(build);
      return lab.call(token, 'PUT', path(told.result), { body, headers: { 'content-type': 'application/x-tar' } });
    },
  };
}
export type Opened = Bench & Awaited<ReturnType<typeof openEnvironments>>;
