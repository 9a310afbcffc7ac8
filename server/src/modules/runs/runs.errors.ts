// What runs refuse, in MLflow's words. Messages repeat the fragments that clients match on, and never hold SQL, a stored value
// of somebody else, or a path of ours. On the wire MLflow's code follows from the kind (surface.ts).

import { defineFailures } from '#kernel/errors/failures';

const shownMax = 100;
function shown(value: unknown): string {
  const json = JSON.stringify(value) ?? 'nothing';
  return json.length > shownMax ? `${json.slice(0, shownMax)}…` : json;
}

const about = (message: string, target?: string) => (target === undefined ? { message } : { message, target });

const value = { kind: 'invalid', code: 'INVALID_PARAMETER_VALUE' } as const;
const missing = { kind: 'notFound', code: 'RESOURCE_DOES_NOT_EXIST' } as const;
const taken = { kind: 'conflict', code: 'RESOURCE_ALREADY_EXISTS' } as const;

export const runsFailures = defineFailures('runs', {
  missingParameter: {
    ...value,
    meaning: 'A parameter that must be there is missing or empty.',
    remedy: 'Send it in the request.',
    say: (name: string) => about(`Missing value for required parameter '${name}'. Send it in the request.`, name),
  },
  /** `given`: the value as the caller sent it, cut short. */
  invalidParameter: {
    ...value,
    meaning: 'A parameter has a value of another type or form than it takes.',
    remedy: 'Send what the message says it must be.',
    say: (name: string, given: unknown, why: string) =>
      about(`Invalid value ${shown(given)} for parameter '${name}' supplied: ${why}.`, name),
  },
  /** Many sentences: MLflow's own where its clients compare them, else ours, said where the bound is known. */
  invalid: {
    ...value,
    meaning: 'A request asks for what cannot be, or cannot be in the state that things are in.',
    remedy: 'The message says what would be taken.',
    say: about,
  },
  contentType: {
    ...value,
    say: 'Bad Request. The Content-Type header is missing or not application/json.',
  },
  filter: {
    ...value,
    meaning: 'A filter or an ordering does not follow the search language, or names what cannot be searched.',
    remedy: 'Write it as docs/compat/mlflow.md shows.',
    say: (what: string) => `Invalid filter or ordering: ${what}.`,
  },
  pageToken: {
    ...value,
    meaning: 'A page token was sent with another search than the one that it came from, or was changed.',
    remedy: 'Ask again without page_token, with the same filter and order throughout.',
    say: () =>
      about(
        'Invalid page token: it does not belong to this search. Ask again without page_token, with the same filter and order throughout.',
        'page_token',
      ),
  },
  tooLong: {
    ...value,
    meaning: 'A text has more characters than is kept.',
    remedy: 'Shorten it.',
    say: (parameter: string, charactersMax: number) =>
      about(`'${parameter}' exceeds the maximum length of ${charactersMax} characters.`, parameter),
  },
  tooMany: {
    ...value,
    meaning: 'A run, model or experiment would hold more of something than it may.',
    remedy: 'Keep more of them in an artifact.',
    say: (owner: string, what: string, max: number) =>
      `${owner} holds at most ${max} ${what}. Keep more of them in an artifact.`,
  },
  artifactPath: {
    ...value,
    meaning: 'The path of an artifact could lead out of its folder, here or where it is decoded once more.',
    remedy: 'Send a relative path of plain names.',
    say: (why: string) =>
      about(`Invalid path: ${why}. Send a relative path of plain names, such as model/data.bin.`, 'path'),
  },
  artifactIs: {
    ...value,
    meaning: 'A path is that of a file and was to be a folder as well, or the other way round.',
    remedy: 'Choose another name.',
    say: (path: string, is: 'file' | 'folder') =>
      about(
        `Invalid path: '${path.slice(0, 200)}' is a ${is}, and cannot be a ${is === 'file' ? 'folder' : 'file'} as well. Choose another name.`,
        'path',
      ),
  },
  modelSource: {
    ...value,
    meaning: 'A model version was to be made of what are no files of this workspace.',
    remedy: 'Log the model to a run first.',
    say: () =>
      about(
        "Invalid model version source: it must be files of this workspace, as 'runs:/{run}/{path}', 'models:/{model id}', " +
          "'models:/{name}/{version}', 'mlflow-artifacts:/{experiment}/{run}/artifacts/{path}' or 'azureml://…'. " +
          'Log the model to a run first.',
        'source',
      ),
  },
  rangeReversed: {
    kind: 'rangeNotSatisfiable',
    code: 'InvalidRange',
    say: 'The range ends before it begins.',
  },

  missingResource: {
    ...missing,
    meaning: 'What a request names is not there.',
    remedy: 'Check the name, and whether it was deleted.',
    say: (message: string) => message,
  },
  noExperiment: {
    ...missing,
    meaning: 'The workspace has no experiment of this id.',
    remedy: 'List the experiments.',
    say: (id: string) => `No Experiment with id=${id.slice(0, 64)} exists.`,
  },
  noRun: {
    ...missing,
    meaning: 'The workspace has no run of this id.',
    remedy: 'Search the runs of the experiment.',
    say: (id: string) => `Run with id=${id.slice(0, 256)} not found.`,
  },
  noModel: {
    ...missing,
    meaning: 'The workspace has no logged model of this id.',
    remedy: 'Search the logged models of the experiment.',
    say: (id: string) => `Logged model with ID '${id.slice(0, 64)}' not found.`,
  },
  noRegisteredModel: {
    ...missing,
    meaning: 'The workspace has no registered model of this name.',
    remedy: 'Create it, or name one that exists.',
    say: (name: string) => `Registered Model with name=${name.slice(0, 255)} not found`,
  },
  /** Ids of resources compare without regard to case, so there can be one of the two; never is one taken for the other. */
  otherSpelling: {
    ...missing,
    meaning: 'There is a registered model whose name differs only in case.',
    remedy: 'Use the name that the message gives.',
    say: (name: string, present: string) =>
      `Registered Model with name=${name.slice(0, 255)} not found. There is '${present}', and names that differ only in case are not told apart here: use that name.`,
  },
  noVersion: {
    ...missing,
    meaning: 'A registered model has no such version.',
    remedy: 'List its versions.',
    say: (name: string, version: string) =>
      `Model Version (name=${name.slice(0, 255)}, version=${version.slice(0, 30)}) not found`,
  },
  unservedFamily: {
    kind: 'notFound',
    // The code of paths that nobody serves.
    code: 'NotFound',
    meaning: "A path of MLflow's that is not served.",
    remedy: 'docs/compat/mlflow.md lists what is, and what to use instead.',
    say: (what: string) =>
      `${what} not served here. What is, and what to use instead, is listed in docs/compat/mlflow.md.`,
  },

  alreadyExists: {
    ...taken,
    meaning: 'What was to be created is there already.',
    remedy: 'Choose another name or id, or use what is there.',
    say: (message: string) => message,
  },
  denied: {
    kind: 'forbidden',
    code: 'PERMISSION_DENIED',
    meaning: 'The token of a run was used for another run or experiment than its own.',
    remedy: 'Sign in as yourself.',
    say: (message: string) => message,
  },
  notServed: {
    kind: 'notImplemented',
    code: 'NOT_IMPLEMENTED',
    meaning: 'An artifact was to be moved in parts or by a presigned address.',
    remedy: 'Send or fetch the file in one piece.',
    say: (message: string) => message,
  },
});

export const {
  missingParameter,
  invalidParameter,
  invalid,
  tooLong,
  tooMany,
  missingResource,
  noExperiment,
  noRun,
  noModel,
  alreadyExists,
  denied,
  notServed,
} = runsFailures;
