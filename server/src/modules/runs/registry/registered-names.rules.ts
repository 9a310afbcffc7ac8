// What registered models, their versions, aliases, stages and tags may be called and hold. Pure. Source: MLflow 3,
// utils/validation.py and "MLflow Model Registry" (mlflow.org/docs/latest); names are those of the resources.

import type { TagInput } from '../experiments.service.ts';
import { registeredName, registeredNumber, requireKey, requireText } from '../names.rules.ts';
import { invalid, missingParameter, tooMany } from '../runs.errors.ts';
import type { RegisteredVersion, Texts } from './registry.types.ts';

export const descriptionCharactersMax = 100_000;
const tagCharactersMax = 100_000;
const tagsMax = 200;
/** Of one model or version in all, so that it can always be read in one answer. */
const tagCharactersTotalMax = 1_000_000;
export const aliasesMax = 200;
const stages = ['None', 'Staging', 'Production', 'Archived'] as const;
export type Stage = (typeof stages)[number];
const stageList = stages.join(', ');

export type Described = { readonly description?: string; readonly tags?: readonly TagInput[] };

export function requireName(name: string): void {
  if (name === '') throw missingParameter('name');
  if (!registeredName.test(name))
    throw invalid(
      `Invalid value ${JSON.stringify(name.slice(0, 100))} for parameter 'name' supplied: Registered model name must begin ` +
        'with a letter or digit and hold up to 255 letters, digits, dots, hyphens and underscores.',
      'name',
    );
}

/** @throws Failure `invalid` for a job that would be expected to run at each new version */
export function refuseDeploymentJob(id: string | undefined): void {
  if (id)
    throw invalid(
      'No job is run when a version is registered. Leave deployment_job_id out, and deploy the version when it is wanted.',
      'deployment_job_id',
    );
}

export function requireNumber(version: string): void {
  if (!registeredNumber.test(version))
    throw invalid(`Parameter 'version' must be an integer, got '${version.slice(0, 30)}'.`, 'version');
}

export function requireAlias(alias: string): void {
  if (!/^[\p{L}\p{N}_-]{1,255}$/u.test(alias))
    throw invalid(
      `Invalid alias name: '${alias.slice(0, 100)}'. It may hold letters, digits, underscores and dashes.`,
      'alias',
    );
  if (alias.toLowerCase() === 'latest' || /^v\d+$/i.test(alias))
    throw invalid(`Invalid alias name: '${alias}' is reserved. Choose another one.`, 'alias');
}

export function stageOf(asked: string): Stage {
  const stage = stages.find((one) => one.toLowerCase() === asked.toLowerCase());
  if (stage === undefined)
    throw invalid(`Invalid Model Version stage: ${asked.slice(0, 100)}. Value must be one of ${stageList}.`, 'stage');
  return stage;
}
export const storedStage = (stage: Stage) => (stage === 'None' ? undefined : stage);
/** A stage of another protocol, such as Development, is none of these. */
export const shownStage = ({ stage }: Pick<RegisteredVersion, 'stage'>): Stage =>
  stages.find((one) => one === stage) ?? 'None';

export function checkedDescribed({ description = '', tags = [] }: Described) {
  requireText(description, 'description', descriptionCharactersMax);
  return { description, tags: requireFew(checkedTags(tags)) };
}

export function checkedTags(tags: readonly TagInput[]): Texts {
  return Object.fromEntries(
    tags.map(({ key, value = '' }) => {
      requireKey(key, 'key');
      requireText(value, 'value', tagCharactersMax);
      return [key, value];
    }),
  );
}

export function requireFew(tags: Texts): Texts {
  if (Object.keys(tags).length > tagsMax) throw tooMany('A registered model or version', 'tags', tagsMax);
  const characters = Object.values(tags).reduce((sum, value) => sum + value.length, 0);
  if (characters > tagCharactersTotalMax)
    throw tooMany('A registered model or version', 'characters of tags', tagCharactersTotalMax);
  return tags;
}
