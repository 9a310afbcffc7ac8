// How much may be taken as one snapshot, for each use of it, with the words for more. A folder of code that is larger than
// code is a mistake; a model is as large as it is; the input of a job must fit into the space that its node has for it.

export type ContentLimits = {
  readonly files: number;
  readonly bytes: number;
  /** As messages begin: `The snapshot`. */
  readonly title: string;
  /** What to do instead. */
  readonly advice: string;
};

const mib = 1024 ** 2;
const gib = 1024 ** 3;

export const codeLimits: ContentLimits = {
  files: 2000,
  bytes: 300 * mib,
  title: 'The snapshot',
  advice: 'Leave out what the code does not need with an .amlignore file, and keep data in a datastore.',
};
export const contextLimits: ContentLimits = {
  files: 2000,
  bytes: 300 * mib,
  title: 'The build context',
  advice: 'Leave out what the Dockerfile does not copy with an .amlignore file, and keep data in a datastore.',
};
export const modelLimits: ContentLimits = {
  files: 20_000,
  bytes: 64 * gib,
  title: 'The model',
  advice: 'Register the folder of the model alone (runs:/{run}/{path}), and pack what has many small files.',
};
/** @param bytes as the operator says: the inputs of a job are in the memory of its node */
export const inputLimits = (bytes: number): ContentLimits => ({
  files: 20_000,
  bytes,
  title: 'The input',
  advice:
    'Name the folder of the datastore that the job needs, or have the operator of a server whose nodes have the memory raise jobs.inputBytes.',
});
