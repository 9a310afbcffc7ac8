// MLflow's model registry over the workspace's own: which names, aliases, stages and tags there may be, where a version may
// come from, what a search finds. A version is a copy: what its run logs later changes nothing of it. Names cannot be
// changed, because roles are assigned at them.

import type {
  RegisteredModel as WireModel,
  RegisteredVersion as WireVersion,
} from '@strongroom/contract/registered-models';
import type { Grant } from '#kernel/authority/grant';
import type { WorkspaceDatabases } from '../databases.service.ts';
import type { TagInput } from '../experiments.service.ts';
import { findModel } from '../models/models.store.ts';
import { requireRunId, requireText } from '../names.rules.ts';
import { alreadyExists, invalid, noModel, noRun, runsFailures, tooMany } from '../runs.errors.ts';
import { requireActive } from '../runs.service.ts';
import { findRun } from '../runs.store.ts';
import type { Searched, SearchInput } from '../search/search.service.ts';
import { latestOf, latestOfAll, registeredUri, shownModel, shownVersion } from './registered.view.ts';
import {
  aliasesMax,
  checkedDescribed,
  checkedTags,
  type Described,
  descriptionCharactersMax,
  requireAlias,
  requireFew,
  requireName,
  requireNumber,
  shownStage,
  stageOf,
  storedStage,
} from './registered-names.rules.ts';
import type { ModelRegistry, RegisteredModel, RegisteredVersion, Texts } from './registry.types.ts';
import { isPrompt, promptTag, searchModels, searchVersions } from './registry-search.service.ts';
import { parseSource } from './source.rules.ts';

export type Registry = ReturnType<typeof createRegistry>;
export type NewRegisteredVersion = Described & {
  readonly source: string;
  readonly runId?: string;
  readonly runLink?: string;
  readonly modelId?: string;
};

const wordFor = (prompt: boolean) => (prompt ? 'prompt' : 'registered model');
const mixed = (name: string, prompt: boolean) =>
  invalid(
    prompt
      ? `'${name}' is a prompt, whose versions are text. Register files under the name of a model.`
      : `'${name}' is a registered model, whose versions are files. Register the prompt under another name.`,
    'name',
  );

/** A prompt stays one, and a model too: what has no files could otherwise be taken for something to deploy. */
function requireSame(found: { readonly tags: Texts }, key: string, value: string | undefined): void {
  if (key === promptTag && (value === 'true') !== isPrompt(found))
    throw invalid(`The tag '${promptTag}' says what was registered, and cannot change.`, 'key');
}

export function createRegistry(deps: { readonly registry: ModelRegistry; readonly workspaces: WorkspaceDatabases }) {
  const { registry, workspaces } = deps;

  async function model(grant: Grant, workspaceId: string, name: string): Promise<RegisteredModel> {
    requireName(name);
    const found = await registry.model(grant, workspaceId, name);
    if (found === undefined) throw runsFailures.noRegisteredModel(name);
    if (found.name !== name) throw runsFailures.otherSpelling(name, found.name);
    return found;
  }

  async function version(grant: Grant, workspaceId: string, name: string, number: string): Promise<RegisteredVersion> {
    requireName(name);
    requireNumber(number);
    const found = await registry.version(grant, workspaceId, name, number);
    if (found === undefined) throw runsFailures.noVersion(name, number);
    if (found.name !== name) throw runsFailures.otherSpelling(name, found.name);
    return found;
  }

  async function shownWhole(grant: Grant, workspaceId: string, found: RegisteredModel): Promise<WireModel> {
    return shownModel(found, await registry.versions(grant, workspaceId, found.name));
  }

  async function shown(grant: Grant, workspaceId: string, found: RegisteredVersion): Promise<WireVersion> {
    return shownVersion(found, (await registry.model(grant, workspaceId, found.name))?.aliases ?? {});
  }

  /** The content that a source names, and the run that it comes from; both are there, and may be taken. */
  async function contentOf(grant: Grant, workspaceId: string, source: string) {
    const parsed = parseSource(source);
    const database = await workspaces.database(grant, workspaceId);
    const requireHome = (experiment: number, named: string | undefined) => {
      if (named !== undefined && named !== String(experiment))
        throw invalid('Invalid model version source: its run or model belongs to another experiment.', 'source');
    };
    switch (parsed.kind) {
      case 'run': {
        const run = await findRun(database.read, parsed.runId);
        if (run === undefined) throw noRun(parsed.runId);
        requireActive(run);
        requireHome(run.experiment, parsed.experimentId);
        return { content: `runs:/${run.run_id}/${parsed.path}`, runId: run.run_id, modelId: undefined };
      }
      case 'loggedModel': {
        const logged = await findModel(database.read, parsed.modelId);
        if (logged === undefined || logged.deleted === 1) throw noModel(parsed.modelId);
        requireHome(logged.experiment, parsed.experimentId);
        const runId = logged.source_run_id ?? undefined;
        return { content: `models:/${logged.model_id}`, runId, modelId: logged.model_id };
      }
      case 'version': {
        const copied = await version(grant, workspaceId, parsed.name, parsed.version);
        return { content: `models:/${copied.name}/${copied.version}`, runId: copied.runId, modelId: copied.modelId };
      }
      case 'prompt':
        return { content: 'prompt-template', runId: undefined, modelId: undefined };
      default:
        return { content: parsed.uri, runId: undefined, modelId: undefined };
    }
  }

  const touch = (grant: Grant, workspaceId: string, name: string) =>
    registry.changeModel(grant, workspaceId, name, () => ({}));

  return {
    async createModel(grant: Grant, workspaceId: string, name: string, input: Described): Promise<WireModel> {
      requireName(name);
      const made = await registry.createModel(grant, workspaceId, name, checkedDescribed(input));
      if (made !== undefined) return shownModel(made, []);
      const present = await registry.model(grant, workspaceId, name);
      const asked = isPrompt({ tags: checkedDescribed(input).tags });
      if (present?.name === name && isPrompt(present) !== asked)
        throw alreadyExists(
          `Tried to create a ${wordFor(asked)} with name '${name}', but the name is already taken by a ${wordFor(!asked)}. ` +
            'MLflow does not allow creating a model and a prompt with the same name.',
        );
      // Another code than for the same name, upon which clients would register a version of what is there.
      if (present !== undefined && present.name !== name)
        throw invalid(
          `A registered model '${present.name}' is there, and names that differ only in case are not told apart here. Use that name, or another one.`,
          'name',
        );
      throw alreadyExists(`${asked ? 'Prompt' : 'Registered Model'} (name=${name}) already exists.`);
    },

    getModel: async (grant: Grant, workspaceId: string, name: string): Promise<WireModel> =>
      shownWhole(grant, workspaceId, await model(grant, workspaceId, name)),

    async renameModel(grant: Grant, workspaceId: string, name: string): Promise<never> {
      await model(grant, workspaceId, name);
      throw invalid(
        'A registered model keeps its name, because access is granted by it. Register its versions under the new name instead.',
        'new_name',
      );
    },

    async describeModel(grant: Grant, workspaceId: string, name: string, description: string): Promise<WireModel> {
      await model(grant, workspaceId, name);
      requireText(description, 'description', descriptionCharactersMax);
      return shownWhole(
        grant,
        workspaceId,
        await registry.changeModel(grant, workspaceId, name, () => ({ description })),
      );
    },

    async removeModel(grant: Grant, workspaceId: string, name: string): Promise<void> {
      await model(grant, workspaceId, name);
      await registry.removeModel(grant, workspaceId, name);
    },

    async setModelTag(grant: Grant, workspaceId: string, name: string, tag: TagInput): Promise<void> {
      const found = await model(grant, workspaceId, name);
      requireSame(found, tag.key, tag.value);
      const set = checkedTags([tag]);
      await registry.changeModel(grant, workspaceId, name, ({ tags }) => ({ tags: requireFew({ ...tags, ...set }) }));
    },

    async removeModelTag(grant: Grant, workspaceId: string, name: string, key: string): Promise<void> {
      requireSame(await model(grant, workspaceId, name), key, undefined);
      await registry.changeModel(grant, workspaceId, name, ({ tags }) => ({ tags: without(tags, key) }));
    },

    async setAlias(grant: Grant, workspaceId: string, name: string, alias: string, number: string): Promise<void> {
      requireAlias(alias);
      await model(grant, workspaceId, name);
      await version(grant, workspaceId, name, number);
      await registry.changeModel(grant, workspaceId, name, ({ aliases }) => {
        const set = { ...aliases, [alias]: number };
        if (Object.keys(set).length > aliasesMax) throw tooMany('A registered model', 'aliases', aliasesMax);
        return { aliases: set };
      });
    },

    async removeAlias(grant: Grant, workspaceId: string, name: string, alias: string): Promise<void> {
      requireAlias(alias);
      await model(grant, workspaceId, name);
      await registry.changeModel(grant, workspaceId, name, ({ aliases }) => ({ aliases: without(aliases, alias) }));
    },

    async versionByAlias(grant: Grant, workspaceId: string, name: string, alias: string): Promise<WireVersion> {
      const isLatest = alias.toLowerCase() === 'latest';
      if (!isLatest) requireAlias(alias);
      const { aliases } = await model(grant, workspaceId, name);
      // Nobody can set it: it is whichever has the highest number.
      const newest = isLatest ? latestOfAll(await registry.versions(grant, workspaceId, name)) : undefined;
      if (newest !== undefined) return shownVersion(newest, aliases);
      const number = Object.hasOwn(aliases, alias) ? aliases[alias] : undefined;
      if (number === undefined) throw invalid(`Registered model alias ${alias} not found.`, 'alias');
      return shownVersion(await version(grant, workspaceId, name, number), aliases);
    },

    async latestVersions(
      grant: Grant,
      workspaceId: string,
      name: string,
      asked: readonly string[],
    ): Promise<readonly WireVersion[]> {
      const wanted = new Set(asked.map(stageOf));
      const found = await model(grant, workspaceId, name);
      const latest = latestOf(await registry.versions(grant, workspaceId, found.name));
      return latest
        .filter((one) => wanted.size === 0 || wanted.has(shownStage(one)))
        .map((one) => shownVersion(one, found.aliases));
    },

    async createVersion(grant: Grant, workspaceId: string, name: string, input: NewRegisteredVersion) {
      const { source, runLink } = input;
      const home = await model(grant, workspaceId, name);
      const { description, tags } = checkedDescribed(input);
      if (isPrompt(home) !== isPrompt({ tags })) throw mixed(name, isPrompt(home));
      if (runLink !== undefined) requireText(runLink, 'run_link', 2048);
      const from = await contentOf(grant, workspaceId, source);
      // Lineage is what is true, not what is said: a run that is named must be there, and be the one that the files are of.
      const runId = input.runId || undefined;
      const modelId = input.modelId || undefined;
      if (runId !== undefined) await requireRun(grant, workspaceId, runId);
      if (runId !== undefined && from.runId !== undefined && runId !== from.runId)
        throw invalid(`The source comes from run ${from.runId}, not from the run that run_id names.`, 'run_id');
      if (modelId !== undefined && modelId !== from.modelId)
        throw invalid(
          "model_id is not the logged model that the source names. Use the source 'models:/{model id}'.",
          'model_id',
        );
      const made = await registry.createVersion(grant, workspaceId, name, {
        content: from.content,
        source,
        runId: runId ?? from.runId,
        runLink: runLink || undefined,
        modelId: from.modelId,
        description,
        tags,
      });
      return shownVersion(made, {});
    },

    getVersion: async (grant: Grant, workspaceId: string, name: string, number: string): Promise<WireVersion> =>
      shown(grant, workspaceId, await version(grant, workspaceId, name, number)),

    async describeVersion(grant: Grant, workspaceId: string, name: string, number: string, description: string) {
      await version(grant, workspaceId, name, number);
      requireText(description, 'description', descriptionCharactersMax);
      const changed = await registry.changeVersion(grant, workspaceId, name, number, () => ({ description }));
      return shown(grant, workspaceId, changed);
    },

    async transition(
      grant: Grant,
      workspaceId: string,
      name: string,
      number: string,
      to: { readonly stage: string; readonly archiveExisting: boolean },
    ): Promise<WireVersion> {
      const stage = stageOf(to.stage);
      const found = await version(grant, workspaceId, name, number);
      if (to.archiveExisting && stage !== 'Staging' && stage !== 'Production')
        throw invalid('archive_existing_versions goes only with the stages Staging and Production.', 'stage');
      const changed = await registry.changeVersion(grant, workspaceId, name, number, () => ({
        stage: storedStage(stage),
      }));
      if (to.archiveExisting) {
        for (const other of await registry.versions(grant, workspaceId, found.name)) {
          if (other.version !== found.version && shownStage(other) === stage)
            await registry.changeVersion(grant, workspaceId, name, other.version, () => ({ stage: 'Archived' }));
        }
      }
      await touch(grant, workspaceId, name);
      return shown(grant, workspaceId, changed);
    },

    async removeVersion(grant: Grant, workspaceId: string, name: string, number: string): Promise<void> {
      await version(grant, workspaceId, name, number);
      await registry.removeVersion(grant, workspaceId, name, number);
      await touch(grant, workspaceId, name);
    },

    async setVersionTag(grant: Grant, workspaceId: string, name: string, number: string, tag: TagInput): Promise<void> {
      requireSame(await version(grant, workspaceId, name, number), tag.key, tag.value);
      const set = checkedTags([tag]);
      await registry.changeVersion(grant, workspaceId, name, number, ({ tags }) => ({
        tags: requireFew({ ...tags, ...set }),
      }));
    },

    async removeVersionTag(
      grant: Grant,
      workspaceId: string,
      name: string,
      number: string,
      key: string,
    ): Promise<void> {
      requireSame(await version(grant, workspaceId, name, number), key, undefined);
      await registry.changeVersion(grant, workspaceId, name, number, ({ tags }) => ({ tags: without(tags, key) }));
    },

    async downloadUri(grant: Grant, workspaceId: string, name: string, number: string): Promise<string> {
      return registeredUri(await version(grant, workspaceId, name, number));
    },

    async searchModels(grant: Grant, workspaceId: string, input: SearchInput): Promise<Searched<WireModel>> {
      const database = await workspaces.database(grant, workspaceId);
      const found = await searchModels(database, await registry.models(grant, workspaceId), input);
      const versions = Map.groupBy(await registry.versions(grant, workspaceId), ({ name }) => name);
      return { ...found, items: found.items.map((one) => shownModel(one, versions.get(one.name) ?? [])) };
    },

    async searchVersions(grant: Grant, workspaceId: string, input: SearchInput): Promise<Searched<WireVersion>> {
      const database = await workspaces.database(grant, workspaceId);
      const found = await searchVersions(database, await registry.versions(grant, workspaceId), input);
      const aliases = new Map((await registry.models(grant, workspaceId)).map((one) => [one.name, one.aliases]));
      return { ...found, items: found.items.map((one) => shownVersion(one, aliases.get(one.name) ?? {})) };
    },
  };

  async function requireRun(grant: Grant, workspaceId: string, runId: string): Promise<void> {
    requireRunId(runId);
    const database = await workspaces.database(grant, workspaceId);
    if ((await findRun(database.read, runId)) === undefined) throw noRun(runId);
  }
}

const without = (texts: Texts, key: string): Texts =>
  Object.fromEntries(Object.entries(texts).filter(([name]) => name !== key));
