// From a build context to what is built of it: the Dockerfile read and refused where it must be, what it begins with fixed by its digest,
// and all of it in one normal form that it is found again by. Reads and runs nothing else of what the folder holds.

import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { nodePython } from '@strongroom/contract/assets';
import { registryActions } from '@strongroom/contract/registry.actions';
import type { Assets, BuildContext } from '#assets';
import { baseIn, type Images } from '#images';
import { type Imports, type Source, textOfSource } from '#imports';
import type { EnvironmentImage } from '#jobs';
import type { Grant, Grants } from '#kernel/authority/grant';
import { sha256Hex } from '#kernel/crypto/digest';
import { repositoryScope } from '#registry';
import type { Workspaces } from '#workspaces';
import { type BaseConfig, type Built, buildOf, type ImageConfig, stageOf } from './build-steps.rules.ts';
import { dockerfileBytesMax, readDockerfile } from './dockerfile.rules.ts';
import { environmentsDuties } from './duties.ts';
import { environmentsFailures } from './environments.errors.ts';
import { importedRepository } from './fetched-images.rules.ts';
import { isIgnored, type Pattern, readIgnore, TooMuchWork } from './path-patterns.rules.ts';

/** Raised whenever the same context would give another image. */
const builderVersion = '1';

/** What an image of a Dockerfile is made of. */
export type ContextRecipe = Built & {
  readonly builder: string;
  /** The node's, which it stands on: `3.11`. One of the two. */
  readonly python?: string;
  readonly base?: EnvironmentImage;
  /** What its base is fetched as, where that is an image of another registry. */
  readonly fetched?: Source;
  readonly context: { readonly digest: string; readonly ignored: readonly Pattern[] };
};

export type ReadContext = {
  readonly recipe: ContextRecipe;
  /** `sha256:…`: what it is found again by. */
  readonly digest: string;
  readonly remarks: readonly string[];
};

export type Contexts = {
  /**
   * @param standsFor what an image that FROM names is here: an image of the workspace's registry, one to be fetched from another, or the
   *   node's own Python
   * @throws Failure `invalid` with the line and what to do
   */
  read(
    grant: Grant,
    workspaceId: string,
    build: BuildContext,
    standsFor: (image: string) => Promise<EnvironmentImage | Source | typeof nodePython>,
  ): Promise<ReadContext>;
  /** The files of a context that a build gets. */
  filesOf(workspaceId: string, recipe: ContextRecipe): Promise<Content>;
};

type Content = Pick<Awaited<ReturnType<Assets['code']>>, 'digest' | 'files'>;

/** As Linux distributions have it, where an image says nothing. */
const pathUnsaid = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Of the sandbox that a job on the node's own Python has. */
export const nodeEnvironment: Readonly<Record<string, string>> = {
  PATH: '/env/bin:/usr/local/bin:/usr/bin:/bin',
  VIRTUAL_ENV: '/env',
};
const nodeConfig = (): BaseConfig => ({
  environment: new Map(Object.entries(nodeEnvironment)),
  workingDir: '/',
  shell: undefined,
  config: {},
});
const kept = [
  'Cmd',
  'Entrypoint',
  'ExposedPorts',
  'Healthcheck',
  'Labels',
  'Shell',
  'StopSignal',
  'User',
  'Volumes',
] as const;
const configBytesMax = 64 * 1024;
const ignoreBytesMax = 64 * 1024;
/** Of one file against all lines of `.dockerignore`: about a millisecond. */
const workOfFile = 300_000;

export function createContexts(deps: {
  readonly assets: Pick<Assets, 'snapshots'>;
  readonly workspaces: Workspaces;
  readonly images: Pick<Images, 'describe'>;
  readonly imports: Pick<Imports, 'describe'>;
  readonly grants: Pick<Grants, 'duty'>;
  /** The one that is taken when none is asked for first. */
  readonly versions: () => Promise<readonly string[]>;
}): Contexts {
  const { assets, workspaces, images, grants } = deps;

  async function textOf(grant: Grant, workspaceId: string, { digest, files }: Content, path: string, most: number) {
    const file = files.find((each) => each.path === path);
    if (file === undefined) return undefined;
    if (file.size > most) throw environmentsFailures.contextFile(path, `is larger than ${most / 1024} KiB.`);
    const { stream } = await assets.snapshots.openFile(grant, workspaceId, digest, path);
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer); // binary streams give buffers
    return Buffer.concat(chunks);
  }

  /** What .dockerignore leaves out, by the one beside the Dockerfile where there is one. */
  async function ignoredIn(grant: Grant, workspaceId: string, content: Content, dockerfile: string) {
    for (const path of [`${dockerfile}.dockerignore`, '.dockerignore']) {
      const bytes = await textOf(grant, workspaceId, content, path, ignoreBytesMax);
      if (bytes === undefined) continue;
      const patterns = readIgnore(bytes.toString('utf8'));
      if (typeof patterns === 'string') throw environmentsFailures.contextFile(path, `cannot be followed: ${patterns}`);
      return patterns;
    }
    return [];
  }

  async function without(content: Content, patterns: readonly Pattern[]): Promise<Content> {
    if (patterns.length === 0) return content;
    const files: Content['files'][number][] = [];
    let work = { left: workOfFile };
    for (const file of content.files) {
      try {
        if (!isIgnored(patterns, file.path, work)) files.push(file);
      } catch (thrown) {
        if (!(thrown instanceof TooMuchWork)) throw thrown;
        throw environmentsFailures.contextFile(
          '.dockerignore',
          'has more patterns than are compared. Name folders in it.',
        );
      }
      if (work.left > workOfFile / 2) continue;
      work = { left: workOfFile };
      await yieldToEventLoop();
    }
    return { ...content, files };
  }

  /** An image of another registry as it will lie here, and what it says of itself there. */
  async function foundElsewhere(workspaceId: string, image: string, source: Source) {
    const workspace = await workspaces.get(grants.duty(environmentsDuties.prepare, workspaceId), workspaceId);
    const { digest, mediaType, manifest, config } = await deps.imports.describe(source);
    const registryId = workspace.containerRegistry;
    const repository = importedRepository(workspace.uniqueId, source);
    const pullScope = repositoryScope({ registry: registryId, repository });
    const base: EnvironmentImage = { registryId, repository, digest, pullScope, source: textOfSource(source) };
    return { base, config: configFrom(image, baseIn(mediaType, manifest, config)) };
  }

  async function configOf(workspaceId: string, image: string, base: EnvironmentImage): Promise<BaseConfig> {
    const workspace = await workspaces.get(grants.duty(environmentsDuties.prepare, workspaceId), workspaceId);
    const pull = workspaces.asIdentity(workspace, registryActions.pull, base.registryId, 'look for the image of a job');
    const named = { repository: base.repository, reference: base.digest };
    return configFrom(image, await images.describe(pull, base.registryId, named));
  }

  function configFrom(image: string, { environment, config }: Awaited<ReturnType<Images['describe']>>): BaseConfig {
    if (Array.isArray(config['OnBuild']) && config['OnBuild'].length > 0)
      throw environmentsFailures.BaseImageRefused(
        image,
        'which has ONBUILD instructions: they would run in your build, and your Dockerfile does not show them. Begin with an image without.',
      );
    const said: ImageConfig = Object.fromEntries(
      kept.flatMap((name) => (config[name] === undefined || config[name] === null ? [] : [[name, config[name]]])),
    );
    if (JSON.stringify(said).length > configBytesMax)
      throw environmentsFailures.BaseImageRefused(image, 'whose configuration is too large. Begin with another image.');
    const { WorkingDir: folder, Shell: shell } = config;
    const variables = new Map(
      environment.map((each) => [each.slice(0, each.indexOf('=')), each.slice(each.indexOf('=') + 1)]),
    );
    return {
      environment: variables.has('PATH') ? variables : new Map([...variables, ['PATH', pathUnsaid]]),
      workingDir: typeof folder === 'string' && folder.startsWith('/') ? folder : '/',
      shell: isTexts(shell) ? shell : undefined,
      config: said,
    };
  }

  /** The version that the name of the image says where the nodes have it, else their own: the operator lets that stand for it. */
  async function pythonFor(image: string): Promise<string> {
    const offered = await deps.versions();
    const named = /(?:^|\/)python:(3\.\d{1,3})(?=[.-]|$)/.exec(image)?.[1];
    return offered.find((version) => version === named) ?? offered[0] ?? '';
  }

  return {
    async read(grant, workspaceId, { address, snapshot, dockerfile }, standsFor) {
      if (snapshot === undefined) throw environmentsFailures.contextMissing(address);
      const content = await assets.snapshots.get(grant, workspaceId, snapshot);
      const path = pathIn(dockerfile);
      const bytes =
        path === undefined ? undefined : await textOf(grant, workspaceId, content, path, dockerfileBytesMax);
      if (path === undefined || bytes === undefined)
        throw environmentsFailures.contextFile(
          dockerfile,
          'is not in its context. Name it by dockerfile_path, below the folder.',
        );
      const stage = stageOf(readDockerfile(bytes));
      const ignored = await ignoredIn(grant, workspaceId, content, path);
      const files = (await without(content, ignored)).files.map((file) => file.path);
      const found = await standsFor(stage.image);
      const isNode = found === nodePython;
      const python = isNode ? await pythonFor(stage.image) : undefined;
      const { base, config, fetched } = isNode
        ? { base: undefined, config: nodeConfig(), fetched: undefined }
        : 'host' in found
          ? { ...(await foundElsewhere(workspaceId, stage.image, found)), fetched: found }
          : { base: found, config: await configOf(workspaceId, stage.image, found), fetched: undefined };
      const recipe: ContextRecipe = {
        builder: builderVersion,
        ...(python === undefined ? {} : { python }),
        ...(base === undefined ? {} : { base }),
        ...(fetched === undefined ? {} : { fetched }),
        context: { digest: content.digest, ignored },
        ...buildOf(stage.rest, config, files),
      };
      const stands =
        base === undefined
          ? `the node's own Python ${python}, with packages at /env`
          : (base.source ?? `${base.repository}@${base.digest}`);
      return { recipe, digest: digestOf(recipe), remarks: [`FROM ${stage.image.slice(0, 150)}: ${stands}`] };
    },
    async filesOf(workspaceId, { context }) {
      const grant = grants.duty(environmentsDuties.prepare, workspaceId);
      const content = await assets.snapshots.get(grant, workspaceId, `azureml://snapshots/${context.digest}`);
      return without(content, context.ignored);
    },
  };
}

/** Not how it is written: comments, and where a line stands. */
function digestOf({ steps, base, ...recipe }: ContextRecipe): string {
  const normal = { ...recipe, base: base?.digest, steps: steps.map(({ line: _, text: __, ...step }) => step) };
  return `sha256:${sha256Hex(Buffer.from(JSON.stringify(normal)))}`;
}

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'string');

/** Below the context, in normal form; undefined for what leads elsewhere. */
function pathIn(path: string): string | undefined {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  return path.startsWith('/') || parts.length === 0 || parts.includes('..') ? undefined : parts.join('/');
}

/** Ids that a build reads beside its own: its context, and the image that it stands on. */
export const readsOf = (workspaceId: string, { context, base }: ContextRecipe): readonly string[] => [
  `${workspaceId}/snapshots/${context.digest}`,
  ...(base === undefined ? [] : [base.pullScope]),
];
