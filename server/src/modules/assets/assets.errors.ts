// What can be wrong with a snapshot or an asset, and what to do about it.

import { nodePython } from '@strongroom/contract/assets';
import { defineFailures } from '#kernel/errors/failures';
import type { ContentLimits } from './limits.rules.ts';

const short = (path: string) => path.slice(0, 200);

export const assetsFailures = defineFailures('assets', {
  InvalidSnapshot: {
    kind: 'invalid',
    say: 'The snapshot is not a tar archive. Send one, optionally compressed with gzip.',
  },
  unsafePath: {
    kind: 'invalid',
    code: 'InvalidSnapshotPath',
    meaning: 'A snapshot holds a path that could mean something else where it is unpacked.',
    remedy: 'Rename the file, or leave it out.',
    say: (path: string, why: string) => ({
      message: `The snapshot holds '${short(path)}', ${why}. Rename it, or leave it out.`,
      target: short(path),
    }),
  },
  duplicatePath: {
    kind: 'invalid',
    code: 'InvalidSnapshotPath',
    meaning: 'A snapshot holds one path twice.',
    remedy: 'Send each file once.',
    say: (path: string) => ({ message: `The snapshot holds '${short(path)}' twice.`, target: short(path) }),
  },
  fileAndFolder: {
    kind: 'invalid',
    code: 'InvalidSnapshotPath',
    meaning: 'One name is that of a file and of a folder, which no disk can hold.',
    remedy: 'Rename or remove one of the two.',
    say: (path: string) => ({
      message: `'${short(path)}' is the name of a file and of a folder, which no disk can hold. Rename or remove one of the two.`,
      target: short(path),
    }),
  },
  InvalidSnapshotEntry: {
    kind: 'invalid',
    meaning: 'A snapshot holds a link, a device or something else that is neither file nor folder.',
    remedy: 'Leave it out, or put a copy of what it leads to in its place.',
    say: (path: string, type: string) => ({
      message: `The snapshot holds '${short(path)}', which is a ${type}. Only files and folders are taken: a link or a device could reach out of the snapshot.`,
      target: short(path),
    }),
  },
  SnapshotTooManyFiles: {
    kind: 'tooLarge',
    meaning: 'A snapshot, a model or an input of a job holds more files than it may.',
    remedy: 'Do what the message advises for this use of it.',
    say: ({ title, files, advice }: ContentLimits) => `${title} holds more than ${files} files. ${advice}`,
  },
  SnapshotTooLarge: {
    kind: 'tooLarge',
    meaning: 'A snapshot, a model or an input of a job has more bytes than it may.',
    remedy: 'Do what the message advises for this use of it.',
    say: ({ title, bytes, advice }: ContentLimits) => `${title} has more than ${bytes / 1024 ** 2} MiB. ${advice}`,
  },
  SnapshotTooDense: {
    kind: 'tooLarge',
    meaning: 'An archive unpacks to many times its own size.',
    remedy: 'Leave out files of nothing but zeros or the same again and again; a job can make them.',
    say: (ratio: number) =>
      `The archive unpacks to more than ${ratio} times its size. Leave out files that hold nothing but zeros or the same again and again; a job can make them.`,
  },
  EmptySnapshot: { kind: 'invalid', say: 'The snapshot holds no file.' },
  SnapshotDamaged: { kind: 'integrity', say: 'A file of the snapshot is not what was taken.' },
  CredentialInSnapshot: {
    kind: 'invalid',
    meaning: 'A file of a snapshot seems to hold a credential.',
    remedy: 'Take it out, or send allowCredentials=true to keep it all the same, which is recorded.',
    say: (path: string, what: string) => ({
      message: `'${short(path)}' seems to hold ${what}. Snapshots are kept and shown to everybody who may read the workspace: take it out, or send allowCredentials=true to keep it all the same (which is recorded).`,
      target: short(path),
    }),
  },
  SnapshotNotFound: {
    kind: 'notFound',
    meaning: 'The workspace has no snapshot of this digest.',
    remedy: 'Upload it first.',
    say: (id: string) =>
      `There is no snapshot '${id.slice(0, 80)}' in this workspace. Upload it first (POST …/snapshots).`,
  },
  FileNotFound: {
    kind: 'notFound',
    meaning: 'A snapshot holds no file at this path.',
    remedy: 'List the files of the snapshot.',
    say: (path: string) => `The snapshot holds no file '${short(path)}'.`,
  },
  InvalidAssetUri: {
    kind: 'invalid',
    meaning: 'An asset was to be made of a URI that the workspace cannot read.',
    remedy: 'Send one of the forms that the message lists.',
    say: (property: string, forms: string) => ({
      message: `properties.${property} is not a URI that this workspace can read. It takes ${forms}.`,
      target: `properties.${property}`,
    }),
  },
  AssetContentNotFound: {
    kind: 'invalid',
    meaning: 'A URI of an asset leads to no files.',
    remedy: 'Check the name of the job, the datastore or the upload, and the path below it.',
    say: (uri: string) =>
      `There are no files at '${uri.slice(0, 300)}'. Check the name of the job, the datastore or the upload, and the path below it.`,
  },
  InvalidResourceId: {
    kind: 'invalid',
    meaning: 'An asset was named by an id that is that of no asset of a workspace.',
    remedy: 'Send the resource id of a version of a code, model or environment.',
    say: (id: string) => `'${short(id)}' is not the id of an asset of a workspace.`,
  },
  filesOfPrompt: {
    kind: 'invalid',
    code: 'PromptVersion',
    meaning: 'A version with files was to be registered under the name of a prompt.',
    remedy: 'Register files under the name of a model.',
    say: () => ({
      message:
        'This is a prompt: its versions are text in tags, with mlflow.prompt.is_prompt, and have no files. Register files under the name of a model.',
      target: 'properties.modelUri',
    }),
  },
  promptOfModel: {
    kind: 'invalid',
    code: 'PromptVersion',
    meaning: 'A version without files was to be registered under the name of a model.',
    remedy: 'Register a prompt with mlflow.genai.register_prompt.',
    say: () => ({
      message:
        'Only a prompt has versions without files: a model that was created with the tag mlflow.prompt.is_prompt. Register one with mlflow.genai.register_prompt.',
      target: 'properties.modelUri',
    }),
  },
  PromptHasNoFiles: {
    kind: 'invalid',
    meaning: 'The files of a prompt were asked for, and it is text without files.',
    remedy: 'Load it with mlflow.genai.load_prompt.',
    say: (name: string) =>
      `'${name.slice(0, 255)}' is a prompt: text without files, which can be neither downloaded as files, nor deployed, nor an input of a job. Load it with mlflow.genai.load_prompt.`,
  },
  contentChanged: {
    kind: 'conflict',
    code: 'VersionAlreadyExists',
    meaning: 'The content of a version that exists was to change.',
    remedy: 'Register the new content as another version.',
    say: (title: string, name: string) => ({
      target: `properties.${name}`,
      message: `This ${title} exists and its ${name} cannot change. Register the new content as another version.`,
    }),
  },
  DataTypeChanged: {
    kind: 'conflict',
    meaning: 'A version was to be of another type than the data asset that it belongs to.',
    remedy: 'Register it under another name.',
    say: (name: string, dataType: string) => ({
      target: 'properties.dataType',
      message: `The data asset '${name.slice(0, 255)}' is of the type ${dataType}, and all its versions are. Register data of another type under another name.`,
    }),
  },
  referencedUris: {
    kind: 'invalid',
    code: 'ReferencedUris',
    meaning: 'Data that are no mltable were said to refer to other files.',
    remedy: 'Leave referencedUris out.',
    say: () => ({
      message: 'referencedUris belong to the type mltable: what its file refers to. Leave them out.',
      target: 'properties.referencedUris',
    }),
  },
  othersRegistered: {
    kind: 'conflict',
    code: 'VersionAlreadyExists',
    say: 'Others registered versions of this model at the same time. Try again.',
  },
  TooManyPendingUploads: {
    kind: 'throttled',
    meaning: 'As many uploads of this workspace were begun and not finished as may be.',
    remedy: 'Register their code versions, or try again in an hour.',
    say: (limit: number) => ({
      message: `${limit} uploads of this workspace were begun and are not finished. Register their code versions, or try again in an hour.`,
      retryAfterSeconds: 600,
    }),
  },
  EnvironmentNotServed: {
    kind: 'invalid',
    meaning:
      'Something was to run in an environment that answers routes of its own, or says two things that it is made of.',
    remedy: `Name one whose image is '${nodePython}', with a conda file for what is imported; or build the image elsewhere, push it to the registry of the workspace and name it.`,
    say: (id: string, what: string) => {
      const [name, , version] = id.split('/').slice(-3);
      return {
        target: 'properties.environmentId',
        message: `The environment ${name}:${version} has ${what}. Such environments are kept, but nothing is made of it here, and nothing runs on something else as if it were this one. Name one without it whose image is '${nodePython}', the node's own Python, with a conda file for what is imported; or one whose image you have built elsewhere (podman build) and pushed to the registry of the workspace.`,
      };
    },
  },
  InvalidComponent: {
    kind: 'invalid',
    meaning: 'A part of a component is not one, or not one that is served.',
    remedy: 'Correct the part that the answer names as its target.',
    say: (part: string, what: string) => ({
      target: `properties.componentSpec.${part}`,
      message: `componentSpec.${part} ${what}.`,
    }),
  },
  ComponentTypeNotServed: {
    kind: 'invalid',
    meaning: 'A component is of a type that is not served.',
    remedy: 'Register what it does as a command component.',
    say: (type: string) => ({
      target: 'properties.componentSpec.type',
      message: `Components of type '${type.slice(0, 32)}' are not served here. componentSpec.type must be 'command', 'parallel' or 'pipeline': put what else runs into a command.`,
    }),
  },
  InternalError: { kind: 'internal', say: 'An asset stands outside any workspace.' },
});
