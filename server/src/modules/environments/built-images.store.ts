// Remembers, in the control database, which images builds have put into registries: what a workspace made is found there also when the
// workspace, and its own database with it, is gone. No decisions.

import { type Tx, tables } from '#kernel/database/database';

export type BuiltImage = {
  /** `environments/{id}`; of one build alone, so that nothing else lies there. */
  readonly repository: string;
  /** Resource id of the registry. */
  readonly registry: string;
  /** Unique id of the workspace: one that is made anew under its name is another. */
  readonly workspace: string;
  readonly recipe: string;
  readonly build: string;
  readonly pushed_ms: number;
};
type Tables = { built_images: BuiltImage };

/** Before anything of it is pushed, so that a push that is cut off is found. */
export async function keepImage(tx: Tx, image: BuiltImage): Promise<void> {
  await tables<Tables>(tx)
    .insertInto('built_images')
    .values(image)
    // Pushed once more: a fetch that was cut off, or of an image that had gone.
    .onConflict((conflict) =>
      conflict.column('repository').doUpdateSet({ build: image.build, pushed_ms: image.pushed_ms }),
    )
    .execute();
}

export const listImages = (tx: Tx, after: string, limit: number): Promise<readonly BuiltImage[]> =>
  tables<Tables>(tx)
    .selectFrom('built_images')
    .select(['repository', 'registry', 'workspace', 'recipe', 'build', 'pushed_ms'])
    .where('repository', '>', after)
    .orderBy('repository')
    .limit(limit)
    .execute();

export async function forgetImage(tx: Tx, repository: string): Promise<void> {
  await tables<Tables>(tx).deleteFrom('built_images').where('repository', '=', repository).execute();
}
