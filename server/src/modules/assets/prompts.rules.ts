// Prompts of MLflow: model containers with a tag that says so, whose versions are text in tags and have no files. What is one
// is one altogether: a prompt has no versions with files, a model none without. Pure.

import type { Properties } from '#resources';

export const promptTag = 'mlflow.prompt.is_prompt';
/** What stands in the place of a content URI in a version of a prompt, as MLflow's store writes it. */
export const promptUri = 'prompt-template';

export const isPrompt = ({ tags }: Properties): boolean =>
  (tags as Readonly<Record<string, unknown>> | undefined)?.[promptTag] === 'true';
