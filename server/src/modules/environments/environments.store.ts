// Remembers what environments are made of, what has become of each, and who waits. No decisions.

import { type Tx, tables } from '#kernel/database/database';

export type EnvironmentRow = {
  readonly recipe: string;
  /** The recipe and its remarks, as JSON. */
  readonly content: string;
  /** Name of the job that builds it, or built it last. */
  readonly build: string | null;
  readonly registry: string | null;
  readonly repository: string | null;
  readonly digest: string | null;
  /** What was installed, as JSON. */
  readonly lock: string | null;
  /** Name of the build whose result this is. It counts when that build has completed. */
  readonly built_by: string | null;
  /** When somebody last asked for its image, give or take an hour; 0: not since that is remembered. */
  readonly used_ms: number;
  /** Why the image of another registry could not be fetched, as JSON. */
  readonly failure: string | null;
  /** Builds before this one whose node was lost, and in whose place this one is made. */
  readonly lost_builds: number;
};
type Tables = {
  environments: EnvironmentRow;
  environment_waiting: { readonly job: string; readonly recipe: string };
  environment_names: { readonly recipe: string; readonly environment: string };
};
export type Result = Pick<EnvironmentRow, 'registry' | 'repository' | 'digest' | 'lock' | 'built_by'>;

const columns = [
  'recipe',
  'content',
  'build',
  'registry',
  'repository',
  'digest',
  'lock',
  'built_by',
  'used_ms',
  'lost_builds',
  'failure',
] as const satisfies readonly (keyof EnvironmentRow)[];
const none: Result = { registry: null, repository: null, digest: null, lock: null, built_by: null };

export const findEnvironment = (tx: Tx, recipe: string): Promise<EnvironmentRow | undefined> =>
  tables<Tables>(tx).selectFrom('environments').select(columns).where('recipe', '=', recipe).executeTakeFirst();

export const environmentOfBuild = (tx: Tx, build: string): Promise<EnvironmentRow | undefined> =>
  tables<Tables>(tx).selectFrom('environments').select(columns).where('build', '=', build).executeTakeFirst();

export async function keepRecipe(tx: Tx, recipe: string, content: string): Promise<void> {
  await tables<Tables>(tx)
    .insertInto('environments')
    .values({ recipe, content, build: null, used_ms: 0, lost_builds: 0, failure: null, ...none })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** What another build has made counts no more. */
export async function setBuild(tx: Tx, recipe: string, build: string | null, lostBuilds = 0): Promise<void> {
  await tables<Tables>(tx)
    .updateTable('environments')
    .set({ build, lost_builds: lostBuilds, failure: null, ...none })
    .where('recipe', '=', recipe)
    .execute();
}

export async function setResult(tx: Tx, recipe: string, result: Result): Promise<void> {
  await tables<Tables>(tx).updateTable('environments').set(result).where('recipe', '=', recipe).execute();
}

/** Of the fetch that it has now, and of no other. */
export async function setFailure(tx: Tx, recipe: string, build: string, failure: string): Promise<void> {
  await tables<Tables>(tx)
    .updateTable('environments')
    .set({ failure })
    .where('recipe', '=', recipe)
    .where('build', '=', build)
    .execute();
}

/** Repositories below this one that an image of this workspace lies in; those that were used last first. */
export async function repositoriesBelow(tx: Tx, prefix: string, limit: number): Promise<readonly string[]> {
  const rows = await tables<Tables>(tx)
    .selectFrom('environments')
    .select('repository')
    .where('repository', '>', prefix)
    .where('repository', '<', `${prefix}\uffff`)
    .where('digest', 'is not', null)
    .orderBy('used_ms', 'desc')
    .limit(limit)
    .execute();
  return rows.flatMap(({ repository }) => (repository === null ? [] : [repository]));
}

export async function setUsed(tx: Tx, recipe: string, usedMs: number): Promise<void> {
  await tables<Tables>(tx).updateTable('environments').set({ used_ms: usedMs }).where('recipe', '=', recipe).execute();
}

/** Those that have an image, in the order of their recipes. */
export const builtEnvironments = (tx: Tx, after: string, limit: number): Promise<readonly EnvironmentRow[]> =>
  tables<Tables>(tx)
    .selectFrom('environments')
    .select(columns)
    .where('recipe', '>', after)
    .where('repository', 'is not', null)
    .orderBy('recipe')
    .limit(limit)
    .execute();

/** The id of a version that is made of this recipe. */
export async function addName(tx: Tx, recipe: string, environment: string): Promise<void> {
  await tables<Tables>(tx)
    .insertInto('environment_names')
    .values({ recipe, environment })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export async function hasName(tx: Tx, recipe: string, environment: string): Promise<boolean> {
  const row = await tables<Tables>(tx)
    .selectFrom('environment_names')
    .select('recipe')
    .where('recipe', '=', recipe)
    .where('environment', '=', environment)
    .executeTakeFirst();
  return row !== undefined;
}

/** In the order of their ids, behind `after`: thousands of versions may say the same. */
export async function namesOf(tx: Tx, recipe: string, after: string, limit: number): Promise<readonly string[]> {
  const rows = await tables<Tables>(tx)
    .selectFrom('environment_names')
    .select('environment')
    .where('recipe', '=', recipe)
    .where('environment', '>', after)
    .orderBy('environment')
    .limit(limit)
    .execute();
  return rows.map(({ environment }) => environment);
}

export async function addWaiting(tx: Tx, job: string, recipe: string): Promise<void> {
  await tables<Tables>(tx)
    .insertInto('environment_waiting')
    .values({ job, recipe })
    .onConflict((conflict) => conflict.column('job').doUpdateSet({ recipe }))
    .execute();
}

/** Answers what it waited for. */
export async function removeWaiting(tx: Tx, job: string): Promise<string | undefined> {
  const found = await tables<Tables>(tx)
    .selectFrom('environment_waiting')
    .select('recipe')
    .where('job', '=', job)
    .executeTakeFirst();
  if (found === undefined) return undefined;
  await tables<Tables>(tx).deleteFrom('environment_waiting').where('job', '=', job).execute();
  return found.recipe;
}

export async function waitingFor(tx: Tx, recipe: string): Promise<readonly string[]> {
  const rows = await tables<Tables>(tx)
    .selectFrom('environment_waiting')
    .select('job')
    .where('recipe', '=', recipe)
    .orderBy('job')
    .execute();
  return rows.map(({ job }) => job);
}
