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
export const modelLimits: ContentLimits = {
  files: 20_000,
  bytes: 64 * gib,
  title: 'The model',
  advice: 'Register the folder of the model alone (runs:/{run}/{path}), and pack what has many small files.',
};
/** The scratch space of a job holds 4 GiB, its code and its outputs too. */
export const inputLimits: ContentLimits = {
  files: 20_000,
  bytes: 3 * gib,
  title: 'The input',
  advice: 'Name the folder that the job needs, and read the rest from the datastore inside the job.',
};
