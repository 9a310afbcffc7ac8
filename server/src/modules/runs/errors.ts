// The failures of this module in MLflow's words. Messages repeat the fragments that clients match on, and never hold SQL,
// a stored value of somebody else, or a path of ours.

import { Failure } from '#kernel/errors/failure';

export const invalid = (message: string, target?: string) =>
  new Failure({
    kind: 'invalid',
    code: 'INVALID_PARAMETER_VALUE',
    message,
    ...(target === undefined ? {} : { target }),
  });

export const missingParameter = (name: string) =>
  invalid(`Missing value for required parameter '${name}'. Send it in the request.`, name);

/** @param shown the value as the caller sent it, cut short */
export const invalidParameter = (name: string, value: unknown, why: string) =>
  invalid(`Invalid value ${shown(value)} for parameter '${name}' supplied: ${why}.`, name);

const shownMax = 100;
function shown(value: unknown): string {
  const json = JSON.stringify(value) ?? 'nothing';
  return json.length > shownMax ? `${json.slice(0, shownMax)}…` : json;
}

export const missingResource = (message: string) =>
  new Failure({ kind: 'notFound', code: 'RESOURCE_DOES_NOT_EXIST', message });

export const alreadyExists = (message: string) =>
  new Failure({ kind: 'conflict', code: 'RESOURCE_ALREADY_EXISTS', message });

export const denied = (message: string) => new Failure({ kind: 'forbidden', code: 'PERMISSION_DENIED', message });

export const notServed = (message: string) => new Failure({ kind: 'notImplemented', code: 'NOT_IMPLEMENTED', message });

export const noExperiment = (id: string) => missingResource(`No Experiment with id=${id.slice(0, 64)} exists.`);
export const noRun = (id: string) => missingResource(`Run with id=${id.slice(0, 256)} not found.`);
export const noModel = (id: string) => missingResource(`Logged model with ID '${id.slice(0, 64)}' not found.`);
