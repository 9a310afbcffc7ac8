// The package index as builds see it, and jobs where they may: pages of projects, and the files that these list. The address of a file is the one that the
// index has on its page, never the caller's; what is handed on has the digest that the page names, or ends as a broken transfer.
// Each of them has a bound on how often it asks and how much it gets.

import { Readable } from 'node:stream';
import type { Clock } from '#kernel/clock/clock';
import { createSha256 } from '#kernel/crypto/digest';
import { type Given, givenKey } from './bill.rules.ts';
import { environmentsFailures } from './environments.errors.ts';
import type { BuildOf } from './environments.types.ts';
import { createPageReader, type IndexFile, isFileName, linkOf, pageFoot, pageHead } from './index-page.rules.ts';
import type { Fetch, FetchAnswer } from './packages.port.ts';
import { isProjectName, projectName } from './recipe.rules.ts';

export type Packages = {
  /** The page of a project, for pip. */
  page(build: string, project: string): Promise<Readable>;
  /** One file of a project, or its metadata where the name ends in `.metadata`. */
  file(build: string, project: string, sha256: string, name: string): Promise<PackageFile>;
  /** Idempotent: from here on what a build is given is known. */
  begin(build: string): void;
  /** Whether all that a build was given is known: not where it began under an earlier process. */
  isKnown(build: string): boolean;
  /** The files that a build was given, by `givenKey`. */
  given(build: string): ReadonlyMap<string, Given>;
  /** It is over, and asks for nothing any more. */
  forget(build: string): void;
  /** For how many it is known what they were given. */
  known(): number;
};

export type PackageFile = { readonly size: number | undefined; readonly stream: Readable };

/** What builds, and jobs, are told apart by here. */
export const keyOfBuild = ({ workspaceId, build }: BuildOf): string => `${workspaceId} ${build}`.toLowerCase();

export type PackageBounds = { readonly requests: number; readonly bytes: number };
const packageBounds: PackageBounds = { requests: 4_000, bytes: 16 * 1024 ** 3 };

const pageBytesMax = 64 * 1024 * 1024;
const pageMs = 120_000;
const fileMs = 1_800_000;
const keptPages = 256;
/** pip reads one after another. */
const readingMax = 16;
/** Over all pages that are kept. */
const keptFiles = 200_000;
const keptMs = 600_000;
/** At once: of those that have ended nothing is kept. */
const builds = 1_000;

type Told = { requests: number; bytes: number; readonly files: Map<string, Given> };
type Page = { readonly files: readonly IndexFile[]; readonly untilMs: number };

export function createPackages(deps: {
  /** The address of the index that a project comes from, which ends in a slash; undefined: there is none. */
  readonly indexOf: (project: string) => URL | undefined;
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly bounds?: PackageBounds;
  /** Who asks, in what is said to them. */
  readonly who: 'build' | 'job';
}): Packages {
  const { clock, who, bounds = packageBounds } = deps;
  const pages = new Map<string, Promise<Page>>();
  /** Files on each page that is kept. */
  const sizes = new Map<string, number>();
  const told = new Map<string, Told>();

  function toldOf(build: string): Told {
    const present = told.get(build) ?? { requests: 0, bytes: 0, files: new Map() };
    if (!told.has(build)) {
      const oldest = told.keys().next().value;
      if (told.size >= builds && oldest !== undefined) told.delete(oldest);
      told.set(build, present);
    }
    return present;
  }

  function ask(build: string): Told {
    const of = toldOf(build);
    of.requests += 1;
    if (of.requests > bounds.requests)
      throw environmentsFailures.PackageLimit(who, `more than ${bounds.requests} files and pages`);
    if (of.bytes > bounds.bytes) throw environmentsFailures.PackageLimit(who, `more than ${bounds.bytes} bytes`);
    return of;
  }

  async function fetched(url: URL, signal: AbortSignal): Promise<FetchAnswer> {
    try {
      return await deps.fetch(url, signal);
    } catch (thrown) {
      throw environmentsFailures.IndexUnavailable(thrown instanceof Error ? thrown.message : 'no reason was given');
    }
  }

  /** Pages that are read at this moment, each of which may be large. */
  let reading = 0;
  async function read(project: string): Promise<Page> {
    if (reading >= readingMax) throw environmentsFailures.PackageLimit(who, `more than ${readingMax} pages at once`);
    reading += 1;
    try {
      return await readPage(project);
    } finally {
      reading -= 1;
    }
  }

  function pageUrl(project: string): URL {
    const index = deps.indexOf(project);
    if (index === undefined) throw environmentsFailures.NoPackageIndex();
    return new URL(`${project}/`, index);
  }

  async function readPage(project: string): Promise<Page> {
    const signal = AbortSignal.timeout(pageMs);
    const { status, body, url } = await fetched(pageUrl(project), signal);
    if (status !== 200) {
      body.destroy();
      if (status === 404 || status === 410) throw environmentsFailures.ProjectNotFound(project);
      throw environmentsFailures.IndexUnavailable(`it answered ${status} for '${project}'`);
    }
    const reader = createPageReader(url);
    const files: IndexFile[] = [];
    const decoder = new TextDecoder();
    let bytes = 0;
    try {
      for await (const chunk of body) {
        bytes += (chunk as Buffer).length; // binary streams give buffers
        if (bytes > pageBytesMax) throw new Error(`the page of '${project}' is too large`);
        for (const file of reader.feed(decoder.decode(chunk as Buffer, { stream: true }))) files.push(file);
      }
    } catch (thrown) {
      body.destroy();
      throw environmentsFailures.IndexUnavailable(thrown instanceof Error ? thrown.message : 'its page ended early');
    }
    return { files, untilMs: clock.epochMs() + keptMs };
  }

  /** Kept for a while: pip asks for files right after the page, and many builds ask for the same projects. */
  async function pageOf(project: string): Promise<Page> {
    const page = await keptPageOf(project);
    let files = 0;
    // The newest stay: what is asked for next is on them.
    for (const [name, kept] of [...sizes].reverse()) {
      files += kept;
      if (files > keptFiles && name !== project) forgetPage(name);
    }
    return page;
  }

  function forgetPage(project: string): void {
    pages.delete(project);
    sizes.delete(project);
  }

  async function keptPageOf(project: string): Promise<Page> {
    const present = await pages.get(project)?.catch(() => undefined);
    if (present !== undefined && present.untilMs > clock.epochMs()) return present;
    const page = read(project);
    forgetPage(project);
    pages.set(project, page);
    page.then(
      ({ files }) => pages.get(project) === page && sizes.set(project, files.length),
      () => pages.get(project) === page && forgetPage(project),
    );
    const oldest = pages.keys().next().value;
    if (pages.size > keptPages && oldest !== undefined) forgetPage(oldest);
    return page;
  }

  function checked(project: string): string {
    const normal = projectName(project);
    if (!isProjectName(normal)) throw environmentsFailures.ProjectNotFound(project);
    return normal;
  }

  return {
    async page(build, given) {
      const project = checked(given);
      ask(build);
      const { files } = await pageOf(project);
      function* lines(): Generator<Buffer> {
        yield Buffer.from(pageHead);
        for (let at = 0; at < files.length; at += 100)
          yield Buffer.from(
            files
              .slice(at, at + 100)
              .map((file) => linkOf(file, project))
              .join(''),
          );
        yield Buffer.from(pageFoot);
      }
      return Readable.from(lines(), { objectMode: false });
    },

    async file(build, given, sha256, name) {
      const project = checked(given);
      const of = ask(build);
      const isMetadata = name.endsWith('.metadata');
      const base = isMetadata ? name.slice(0, -'.metadata'.length) : name;
      const { files } = isFileName(base) ? await pageOf(project) : { files: [] };
      const file = files.find((listed) => listed.name === base && listed.sha256 === sha256);
      const digest = isMetadata ? file?.metadata : file?.sha256;
      if (file === undefined || digest === undefined) throw environmentsFailures.ProjectNotFound(`${project}/${name}`);
      const url = new URL(isMetadata ? `${file.url}.metadata` : file.url);
      const { status, headers, body } = await fetched(url, AbortSignal.timeout(fileMs));
      if (status !== 200) {
        body.destroy();
        throw environmentsFailures.IndexUnavailable(`it answered ${status} for '${name}'`);
      }
      async function* verified(): AsyncGenerator<Buffer> {
        const hash = createSha256();
        // The last piece waits until all of it is known to be right: whoever reads has never the whole of something else.
        let held: Buffer | undefined;
        for await (const chunk of body as AsyncIterable<Buffer>) {
          of.bytes += chunk.length;
          // Of all that it reads at once: each alone might fit.
          if (of.bytes > bounds.bytes) throw environmentsFailures.PackageLimit(who, `more than ${bounds.bytes} bytes`);
          hash.update(chunk);
          if (held !== undefined) yield held;
          held = chunk;
        }
        if (hash.hex() !== digest)
          throw environmentsFailures.IndexUnavailable(`'${name}' has not the digest that its page names`);
        if (!isMetadata) of.files.set(givenKey(project, sha256), { file: name, page: pageUrl(project).href });
        if (held !== undefined) yield held;
      }
      // Nothing is read before somebody asks: what goes wrong is told to whoever listens by then.
      const stream = Readable.from(verified(), { objectMode: false });
      stream.on('close', () => body.destroy());
      const size = Number(headers['content-length']);
      return { size: Number.isSafeInteger(size) && size >= 0 ? size : undefined, stream };
    },

    begin: (build) => void toldOf(build),
    isKnown: (build) => told.has(build),
    given: (build) => told.get(build)?.files ?? new Map(),
    forget: (build) => void told.delete(build),
    known: () => told.size,
  };
}
