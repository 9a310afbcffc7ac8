// What this module needs of the workspace's registry of models, which the assets module keeps: the model containers and
// model versions that Resource Manager serves under their own names. One registry, two protocols.

import type { Readable } from 'node:stream';
import type { Grant } from '#kernel/authority/grant';

export type Texts = Readonly<Record<string, string>>;

export type RegisteredModel = {
  readonly name: string;
  readonly description: string;
  readonly tags: Texts;
  /** Alias to the version that it names. */
  readonly aliases: Texts;
  readonly createdBy: string;
  readonly createdMs: number;
  readonly changedMs: number;
};
export type ModelChange = Partial<Pick<RegisteredModel, 'description' | 'tags' | 'aliases'>>;

export type RegisteredVersion = {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly tags: Texts;
  readonly stage: string | undefined;
  /** As its registrar named it; undefined of one that was registered through another protocol. */
  readonly source: string | undefined;
  readonly runId: string | undefined;
  readonly runLink: string | undefined;
  readonly modelId: string | undefined;
  readonly createdBy: string;
  readonly createdMs: number;
  readonly changedMs: number;
};
export type VersionChange = Partial<Pick<RegisteredVersion, 'description' | 'tags' | 'stage'>>;

export type NewVersion = {
  /** A content URI that the assets module reads: `runs:/{run}/{path}`, `models:/m-{id}`, `azureml://…`; `prompt-template` for none. */
  readonly content: string;
  readonly source: string;
  readonly runId: string | undefined;
  readonly runLink: string | undefined;
  readonly modelId: string | undefined;
  readonly description: string;
  readonly tags: Texts;
};

/** Names are compared without regard to case, and answered as they are shown. What is not there is undefined; `change` and `remove` throw `notFound`. */
export type ModelRegistry = {
  models(grant: Grant, workspaceId: string): Promise<readonly RegisteredModel[]>;
  model(grant: Grant, workspaceId: string, name: string): Promise<RegisteredModel | undefined>;
  /** Undefined when the name is taken. */
  createModel(
    grant: Grant,
    workspaceId: string,
    name: string,
    input: { readonly description: string; readonly tags: Texts },
  ): Promise<RegisteredModel | undefined>;
  /** Atomic: `change` sees what is stored, and may throw. */
  changeModel(
    grant: Grant,
    workspaceId: string,
    name: string,
    change: (model: RegisteredModel) => ModelChange,
  ): Promise<RegisteredModel>;
  removeModel(grant: Grant, workspaceId: string, name: string): Promise<void>;
  /** Those with a number, of one model or of all. */
  versions(grant: Grant, workspaceId: string, name?: string): Promise<readonly RegisteredVersion[]>;
  version(grant: Grant, workspaceId: string, name: string, version: string): Promise<RegisteredVersion | undefined>;
  /** Under the next number, with a copy of its content that never changes. */
  createVersion(grant: Grant, workspaceId: string, name: string, input: NewVersion): Promise<RegisteredVersion>;
  changeVersion(
    grant: Grant,
    workspaceId: string,
    name: string,
    version: string,
    change: (version: RegisteredVersion) => VersionChange,
  ): Promise<RegisteredVersion>;
  removeVersion(grant: Grant, workspaceId: string, name: string, version: string): Promise<void>;
  /**
   * Paths and sizes of the files of a version below a folder, which ends with a slash; empty is all. Throws `notFound`, and
   * `forbidden` unless the caller may read it.
   */
  files(
    grant: Grant,
    workspaceId: string,
    name: string,
    version: string,
    folder: string,
  ): Promise<readonly { readonly path: string; readonly size: number }[]>;
  openFile(
    grant: Grant,
    workspaceId: string,
    name: string,
    version: string,
    path: string,
  ): Promise<{ readonly size: number; readonly sha256: string; readonly stream: Readable }>;
};
