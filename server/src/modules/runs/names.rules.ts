// What experiments, runs, keys and values may be called, and how long they may be. Pure. The limits are MLflow's, because
// clients cut their values to them. Source: MLflow 3, utils/validation.py as documented.

import { kept } from '#kernel/ids/kept';
import { invalid, invalidParameter, missingParameter, noExperiment, tooLong } from './runs.errors.ts';

export const keyCharactersMax = 250;
export const paramCharactersMax = 6000;
export const runTagCharactersMax = 8000;
export const experimentNameCharactersMax = 500;
export const experimentTagCharactersMax = 20_000;
export const batchMetricsMax = 1000;
export const batchParamsMax = 100;
export const batchTagsMax = 100;
export const batchItemsMax = 1000;
export const inputDatasetsMax = 1000;
// Of one run, experiment or model in all: so that each can always be read in one answer.
export const ownedParamsMax = 5000;
export const ownedTagsMax = 2000;
export const ownedDatasetsMax = 1000;
export const ownedDatasetCharactersMax = 24_000_000;

export const runNameTag = 'mlflow.runName';
export const userTag = 'mlflow.user';

/** Names and versions of registered models are names of resources: no path, no separator of a URI. */
export const registeredName = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}$/;
export const registeredNumber = /^[1-9]\d{0,14}$/;

const keyCharacters = /^[\p{L}\p{N}_/.\- :]*$/u;
const runIdPattern = /^[a-zA-Z0-9][\w-]{0,255}$/;

const looksElsewhere = (key: string): boolean =>
  key.startsWith('..') || key.split('/').some((part) => part === '' || part === '.' || part === '..');

/** Whether `requireKey` takes it. A training loop says the same few keys again and again. */
export const isKey: (key: string) => boolean = kept(
  (key) => key !== '' && !isLongerThan(key, keyCharactersMax) && keyCharacters.test(key) && !looksElsewhere(key),
);

/** A key of a metric, param or tag. Keys look like paths to those who export them, so they must be normal ones. */
export function requireKey(key: string, parameter: string): void {
  if (isKey(key)) return;
  if (key === '') throw missingParameter(parameter);
  if (isLongerThan(key, keyCharactersMax)) throw tooLong(parameter, keyCharactersMax);
  if (!keyCharacters.test(key)) {
    throw invalidParameter(
      parameter,
      key,
      'names may only hold letters, digits, underscores, dashes, periods, spaces, colons and slashes',
    );
  }
  throw invalidParameter(parameter, key, 'a name must not look like a path that leads elsewhere, such as a/../b or /a');
}

/** In characters as MLflow counts them, Unicode code points: an emoji is one, though it is two units of a string here. */
export function isLongerThan(text: string, charactersMax: number): boolean {
  if (text.length <= charactersMax) return false;
  if (text.length > 2 * charactersMax) return true;
  let characters = 0;
  for (const _ of text) if (++characters > charactersMax) return true;
  return false;
}

/** Text that the database, and whoever reads it later, can hold: well-formed and without NUL. */
export function requireText(text: string, parameter: string, charactersMax: number): void {
  if (isLongerThan(text, charactersMax)) throw tooLong(parameter, charactersMax);
  if (!text.isWellFormed() || text.includes('\0'))
    throw invalid(`The value of parameter '${parameter}' holds a NUL or half of a surrogate pair.`, parameter);
}

/** Cut to `charactersMax`: MLflow cuts params and tags of runs that are too long rather than refuse them. */
export function truncated(text: string, charactersMax: number): string {
  if (!isLongerThan(text, charactersMax)) return text;
  let units = 0;
  let characters = 0;
  for (const character of text) {
    if (++characters > charactersMax) break;
    units += character.length;
  }
  return text.slice(0, units);
}

export function requireRunId(id: string, parameter = 'run_id'): void {
  if (id === '') throw missingParameter(parameter);
  if (!runIdPattern.test(id)) throw invalidParameter(parameter, id, 'it is not a run id');
}

/** Experiment ids are decimal numbers without leading zeros. */
export function experimentNumber(id: string, parameter = 'experiment_id'): number {
  if (id === '') throw missingParameter(parameter);
  // A number that none has; MLflow looks it up and finds nothing.
  if (/^-\d{1,15}$/.test(id)) throw noExperiment(id);
  const number = Number(id);
  if (!/^(0|[1-9]\d{0,15})$/.test(id) || !Number.isSafeInteger(number))
    throw invalidParameter(parameter, id, 'experiment ids are whole numbers');
  return number;
}

const largest = 1.7976931348623157e308;
export type Value = { readonly value: number; readonly nan: 0 | 1 };

/** A metric's value as it is stored: the database has no NaN, and MLflow keeps infinities as the largest doubles. */
export function storedValue(value: number): Value {
  if (Number.isNaN(value)) return { value: 0, nan: 1 };
  return { value: Math.min(Math.max(value, -largest), largest), nan: 0 };
}

export const shownValue = (stored: { readonly value: number; readonly nan: number }): number | 'NaN' =>
  stored.nan === 1 ? 'NaN' : stored.value;
