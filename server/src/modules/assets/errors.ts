// What can be wrong with a snapshot or an asset, as a table: one function for each, with a message that says what to do.

import { Failure } from '#kernel/errors/failure';
import type { ContentLimits } from './limits.ts';

const invalid = (code: string, message: string, target?: string) =>
  new Failure(target === undefined ? { kind: 'invalid', code, message } : { kind: 'invalid', code, message, target });

export const notAnArchive = (cause?: unknown) =>
  new Failure({
    kind: 'invalid',
    code: 'InvalidSnapshot',
    message: 'The snapshot is not a tar archive. Send one, optionally compressed with gzip.',
    cause,
  });
export const unsafePath = (path: string, why: string) =>
  invalid(
    'InvalidSnapshotPath',
    `The snapshot holds '${path.slice(0, 200)}', ${why}. Rename it, or leave it out.`,
    path.slice(0, 200),
  );
export const notRegular = (path: string, type: string) =>
  invalid(
    'InvalidSnapshotEntry',
    `The snapshot holds '${path.slice(0, 200)}', which is a ${type}. Only files and folders are taken: a link or a device could reach out of the snapshot.`,
    path.slice(0, 200),
  );
export const duplicatePath = (path: string) =>
  invalid('InvalidSnapshotPath', `The snapshot holds '${path.slice(0, 200)}' twice.`, path.slice(0, 200));
export const fileAndFolder = (path: string) =>
  invalid(
    'InvalidSnapshotPath',
    `'${path.slice(0, 200)}' is the name of a file and of a folder, which no disk can hold. Rename or remove one of the two.`,
    path.slice(0, 200),
  );
export const tooManyFiles = ({ title, files, advice }: ContentLimits) =>
  new Failure({
    kind: 'tooLarge',
    code: 'SnapshotTooManyFiles',
    message: `${title} holds more than ${files} files. ${advice}`,
  });
export const tooLarge = ({ title, bytes, advice }: ContentLimits) =>
  new Failure({
    kind: 'tooLarge',
    code: 'SnapshotTooLarge',
    message: `${title} has more than ${bytes / 1024 ** 2} MiB. ${advice}`,
  });
export const tooDense = (ratio: number) =>
  new Failure({
    kind: 'tooLarge',
    code: 'SnapshotTooDense',
    message: `The archive unpacks to more than ${ratio} times its size. Leave out files that hold nothing but zeros or the same again and again; a job can make them.`,
  });
export const emptySnapshot = () => invalid('EmptySnapshot', 'The snapshot holds no file.');
export const credentialFound = (path: string, what: string) =>
  invalid(
    'CredentialInSnapshot',
    `'${path.slice(0, 200)}' seems to hold ${what}. Snapshots are kept and shown to everybody who may read the workspace: take it out, or send allowCredentials=true to keep it all the same (which is recorded).`,
    path.slice(0, 200),
  );
export const snapshotMissing = (id: string) =>
  new Failure({
    kind: 'notFound',
    code: 'SnapshotNotFound',
    message: `There is no snapshot '${id.slice(0, 80)}' in this workspace. Upload it first (POST …/snapshots).`,
  });
export const fileMissing = (path: string) =>
  new Failure({
    kind: 'notFound',
    code: 'FileNotFound',
    message: `The snapshot holds no file '${path.slice(0, 200)}'.`,
  });
export const badUri = (property: string, forms: string) =>
  invalid(
    'InvalidAssetUri',
    `properties.${property} is not a URI that this workspace can read. It takes ${forms}.`,
    `properties.${property}`,
  );
export const promptMixed = (isPrompt: boolean) =>
  invalid(
    'PromptVersion',
    isPrompt
      ? 'This is a prompt: its versions are text in tags, with mlflow.prompt.is_prompt, and have no files. Register files under the name of a model.'
      : 'Only a prompt has versions without files: a model that was created with the tag mlflow.prompt.is_prompt. Register one with mlflow.genai.register_prompt.',
    'properties.modelUri',
  );
export const promptHasNoFiles = (name: string) =>
  invalid(
    'PromptHasNoFiles',
    `'${name.slice(0, 255)}' is a prompt: text without files, which can be neither downloaded as files, nor deployed, nor an input of a job. Load it with mlflow.genai.load_prompt.`,
  );
export const nothingThere = (uri: string) =>
  invalid(
    'AssetContentNotFound',
    `There are no files at '${uri.slice(0, 300)}'. Check the name of the job, the datastore or the upload, and the path below it.`,
  );
export const tooManyUploads = (limit: number) =>
  new Failure({
    kind: 'throttled',
    code: 'TooManyPendingUploads',
    message: `${limit} uploads of this workspace were begun and are not finished. Register their code versions, or try again in an hour.`,
    retryAfterSeconds: 600,
  });
