// What this module holds of others, and nothing else.

import type { EnvironmentImage, Environments as ForJobs } from '#jobs';
import type { Registry } from '#registry';
import type { Workspace } from '#workspaces';

export type EnvironmentRegistry = Pick<Registry, 'pushBlob' | 'putManifest' | 'getManifest' | 'keepOnly'>;

/** The files of a model as they were registered, by their paths below the folder that MLmodel is in. */
export type ModelFiles = {
  readonly sizes: ReadonlyMap<string, number>;
  /** Content of one of them. */
  read(path: string): Promise<Uint8Array>;
};

/** What deployments hold of environments. */
export type Environments = Pick<ForJobs, 'check' | 'plan'> & {
  /** Whether the operator has said what stands for an image that is not here, or that it may be fetched. */
  knows(workspace: Workspace, image: string): boolean;
  /** Whether a model is one that MLflow can load, as far as its files say. Throws `invalid` with why not. */
  checkModel(files: ModelFiles): Promise<void>;
  /** What the model's own files ask for, and what serving it needs beside that. Throws `invalid` where that cannot be made. */
  planModel(workspaceId: string, files: ModelFiles): Promise<{ readonly recipe: string }>;
  /**
   * The image of a recipe, built if need be, in the name of whoever asks. Resolves when the build has ended; rejects with why there is no
   * environment, or after a quarter of an hour: then the build goes on.
   */
  ready(of: {
    /** Object id of whoever the build is made for. */
    readonly submitter: string;
    readonly subject: string;
    readonly recipe: string;
  }): Promise<EnvironmentImage>;
};

export type BuildOf = { readonly workspaceId: string; readonly build: string };
