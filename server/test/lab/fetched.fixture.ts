// For tests of images that come from another registry: a lab whose operator and workspace permit one on this machine.

import type { TestContext } from 'node:test';
import { image, type TestImage } from '../image.fixture.ts';
import { openUpstreamRegistry, wayTo } from '../registry.fixture.ts';
import { type Opened as Environments, openEnvironments } from './environments.fixture.ts';

/** Of one layer for each name. */
export const named = (...names: readonly string[]): TestImage =>
  image(
    names.map((name) => [{ path: name, content: name }]),
    { os: 'linux', architecture: 'amd64' },
  );

export async function openFetched(t: TestContext) {
  const upstream = await openUpstreamRegistry(t);
  const bench: Environments = await openEnvironments(t);
  const { lab, workspaceId } = bench;
  lab.seam.upstream = wayTo(t, [upstream]);
  const permit = async (patterns: readonly string[]) => {
    lab.seam.registries = patterns;
    await lab.restart();
  };
  const say = (patterns: readonly string[], workspace = workspaceId) =>
    lab.call(lab.owner, 'PATCH', workspace, { body: { properties: { imageRegistries: patterns } } });
  await permit([upstream.host]);
  await lab.must(lab.owner, 'PATCH', workspaceId, { body: { properties: { imageRegistries: [upstream.host] } } });
  await lab.now().tasks.drain();
  let versions = 0;
  const settled = () => lab.now().tasks.drain();
  return {
    ...bench,
    upstream,
    permit,
    say,
    settled,
    async version(content: object, workspace = workspaceId): Promise<string> {
      const id = `${workspace}/environments/elsewhere/versions/${++versions}`;
      await lab.must(lab.owner, 'PUT', id, { body: { properties: content } });
      return id;
    },
    name: (reference: string, repository = 'team/base') =>
      `${upstream.host}/${repository}${reference.startsWith('sha256:') ? '@' : ':'}${reference}`,
    told: async (name: string) => {
      const { properties } = await bench.job(name);
      return {
        source: properties['strongroom.environment.source'] as string | undefined,
        image: properties['strongroom.environment.image'] as string | undefined,
      };
    },
    /** Holds back what is asked at this path until it is let go, or as a whole. */
    hold(path: RegExp) {
      const asked = Promise.withResolvers<void>();
      const free = Promise.withResolvers<void>();
      const closed = Promise.withResolvers<void>();
      let isFree = false;
      upstream.misbehave = (request, response) => {
        if (isFree || !path.test(request.url ?? '')) return false;
        asked.resolve();
        response.on('close', () => closed.resolve());
        void free.promise.then(() => upstream.answer(request, response));
        return true;
      };
      return {
        asked: asked.promise,
        closed: closed.promise,
        /** Whoever was held gets what it has asked for. */
        free: () => {
          isFree = true;
          free.resolve();
        },
      };
    },
    /** What failed in passing is tried again. */
    async again() {
      await settled();
      await lab.clock.advance(400_000);
      await settled();
    },
    fetches: () => lab.now().audit.entries.filter(({ intent }) => intent.operation === 'Environments_FetchImage'),
  };
}
export type Fetched = Environments & Awaited<ReturnType<typeof openFetched>>;
