// Checks a value against a schema and says in one message everything that is wrong with it. Schemas are compiled once.

import { Compile, type TSchema, type Validator } from '@strongroom/contract/schema';
import type { FailureDetail } from '#kernel/errors/failure';
import { inputFailures } from './input.errors.ts';

/** A schema that is not in it is compiled: nothing passes unchecked. */
const compiled = new WeakMap<TSchema, Validator>();
const maxDetails = 20;

function compile(schema: TSchema): Validator {
  const known = compiled.get(schema);
  if (known) return known;
  const made = Compile(schema);
  compiled.set(schema, made);
  return made;
}

/** What is looked at: what its root is called. */
export type Where = 'body' | 'query' | 'configuration';

const dotted = (pointer: string, where: Where) => pointer.replace(/^\//, '').replaceAll('/', '.') || where;

type SchemaError = ReturnType<Validator['Errors']>[number];

/**
 * Of a union whose branches are told apart by a constant property (`computeType`), only the branch that was meant counts; when
 * none was, only that the constant is none of them.
 */
function ofMeantBranches(errors: readonly SchemaError[]): readonly SchemaError[] {
  const apart = new Map<string, string>();
  for (const { keyword, schemaPath } of errors) {
    const found = keyword === 'const' ? /^((.*\/anyOf)\/\d+)\/properties\/[^/]+$/.exec(schemaPath) : null;
    if (found?.[1] !== undefined && found[2] !== undefined) apart.set(found[1], found[2]);
  }
  if (apart.size === 0) return errors;
  const branchOf = ({ schemaPath }: SchemaError) =>
    [...apart.keys()].find((branch) => schemaPath.startsWith(`${branch}/`));
  const meant = new Set(
    [...apart.values()].filter((union) =>
      errors.some((error) => error.schemaPath.startsWith(`${union}/`) && branchOf(error) === undefined),
    ),
  );
  return errors.filter((error) => {
    const branch = branchOf(error);
    if (branch === undefined) return true;
    const isTellingApart =
      error.keyword === 'const' && /^\/properties\/[^/]+$/.test(error.schemaPath.slice(branch.length));
    return isTellingApart && !meant.has(apart.get(branch) ?? '');
  });
}

/** @throws Failure `invalid`, one detail for each place that is wrong; values are never repeated, they may be secrets */
export function validate(schema: TSchema, value: unknown, where: Where): void {
  const validator = compile(schema);
  if (validator.Check(value)) return;
  const details: FailureDetail[] = [];
  const literals = new Map<string, unknown[]>();
  for (const error of ofMeantBranches(validator.Errors(value))) {
    if (error.keyword === 'const') {
      // The branches of a union of literals read best as one list.
      const at = dotted(error.instancePath, where);
      literals.set(at, [...(literals.get(at) ?? []), (error.params as { allowedValue?: unknown }).allowedValue]);
      continue;
    }
    if (error.keyword === 'anyOf' || error.keyword === 'boolean') continue;
    // The branch of a union that takes null: nobody who sent something else means it.
    if (error.keyword === 'type' && (error.params as { type?: unknown }).type === 'null') continue;
    const unknown = (error.params as { additionalProperties?: readonly string[] }).additionalProperties;
    const missing = (error.params as { requiredProperties?: readonly string[] }).requiredProperties;
    const message = unknown
      ? `does not have ${unknown.map((name) => `'${name}'`).join(', ')}; check the spelling`
      : missing
        ? `needs ${missing.map((name) => `'${name}'`).join(', ')}`
        : error.message;
    details.push({
      code: 'ValidationError',
      target: dotted(error.instancePath, where),
      message: `${dotted(error.instancePath, where)} ${message}`,
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
  const shown = details
    .filter(({ message }, at) => details.findIndex((other) => other.message === message) === at)
    .slice(0, maxDetails);
  throw inputFailures[where === 'query' ? 'InvalidQueryParameterValue' : 'InvalidRequestContent'](where, shown);
}
