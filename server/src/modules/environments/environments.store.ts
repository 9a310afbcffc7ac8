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
};
type Tables = { environments: EnvironmentRow; environment_waiting: { readonly job: string; readonly recipe: string } };
export type Result = Pick<EnvironmentRow, 'registry' | 'repository' | 'digest' | 'lock' | 'built_by'>;

const columns = ['recipe', 'content', 'build', 'registry', 'repository', 'digest', 'lock', 'built_by'] as const;
const none: Result = { registry: null, repository: null, digest: null, lock: null, built_by: null };

export const findEnvironment = (tx: Tx, recipe: string): Promise<EnvironmentRow | undefined> =>
  tables<Tables>(tx).selectFrom('environments').select(columns).where('recipe', '=', recipe).executeTakeFirst();

export const environmentOfBuild = (tx: Tx, build: string): Promise<EnvironmentRow | undefined> =>
  tables<Tables>(tx).selectFrom('environments').select(columns).where('build', '=', build).executeTakeFirst();

export async function keepRecipe(tx: Tx, recipe: string, content: string): Promise<void> {
  await tables<Tables>(tx)
    .insertInto('environments')
    .values({ recipe, content, build: null, ...none })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** What another build has made counts no more. */
export async function setBuild(tx: Tx, recipe: string, build: string | null): Promise<void> {
  await tables<Tables>(tx)
    .updateTable('environments')
    .set({ build, ...none })
    .where('recipe', '=', recipe)
    .execute();
}

export async function setResult(tx: Tx, recipe: string, result: Result): Promise<void> {
  await tables<Tables>(tx).updateTable('environments').set(result).where('recipe', '=', recipe).execute();
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
