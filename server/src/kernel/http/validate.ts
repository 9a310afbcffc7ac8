// Checks a value against a schema and says in one message everything that is wrong with it. Schemas are compiled once.

import { Compile, type TSchema, type Validator } from '@strongroom/contract/schema';
import { Failure, type FailureDetail } from '#kernel/errors/failure';

const compiled = new WeakMap<TSchema, Validator>();
const maxDetails = 20;

function compile(schema: TSchema): Validator {
  const known = compiled.get(schema);
  if (known) return known;
  const made = Compile(schema);
  compiled.set(schema, made);
  return made;
}

const dotted = (pointer: string) => pointer.replace(/^\//, '').replaceAll('/', '.') || 'body';

/** @throws Failure `invalid`, one detail for each place that is wrong; values are never repeated, they may be secrets */
export function validate(schema: TSchema, value: unknown, where: 'body' | 'query'): void {
  const validator = compile(schema);
  if (validator.Check(value)) return;
  const details: FailureDetail[] = [];
  const literals = new Map<string, unknown[]>();
  for (const error of validator.Errors(value)) {
    if (error.keyword === 'const') {
      // The branches of a union of literals read best as one list.
      const at = dotted(error.instancePath);
      literals.set(at, [...(literals.get(at) ?? []), (error.params as { allowedValue?: unknown }).allowedValue]);
      continue;
    }
    if (error.keyword === 'anyOf' || error.keyword === 'boolean') continue;
    const unknown = (error.params as { additionalProperties?: readonly string[] }).additionalProperties;
    const missing = (error.params as { requiredProperties?: readonly string[] }).requiredProperties;
    const message = unknown
      ? `does not have ${unknown.map((name) => `'${name}'`).join(', ')}; check the spelling`
      : missing
        ? `needs ${missing.map((name) => `'${name}'`).join(', ')}`
        : error.message;
    details.push({
      code: 'ValidationError',
      target: dotted(error.instancePath),
      message: `${dotted(error.instancePath)} ${message}`,
    });
  }
  for (const [target, allowed] of literals) {
    details.push({
      code: 'ValidationError',
      target,
      message: `${target} must be one of ${allowed.map((value) => JSON.stringify(value)).join(', ')}`,
    });
  }
  if (details.length === 0)
    details.push({
      code: 'ValidationError',
      target: where,
      message: `the ${where} has none of the shapes that this operation takes`,
    });
  const shown = details.slice(0, maxDetails);
  const first = shown[0];
  throw new Failure({
    kind: 'invalid',
    code: where === 'body' ? 'InvalidRequestContent' : 'InvalidQueryParameterValue',
    message: `The ${where} is not valid: ${shown.map((detail) => detail.message).join('; ')}.`,
    ...(first?.target === undefined ? {} : { target: first.target }),
    details: shown,
  });
}
