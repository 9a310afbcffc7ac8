// What is refused of what strangers wrote, whoever reads it.

import type { FailureDetail } from '#kernel/errors/failure';
import { defineFailures } from '#kernel/errors/failures';

export const inputFailures = defineFailures('input', {
  bodyTooDeep: {
    kind: 'invalid',
    code: 'InvalidRequestContent',
    meaning: 'The JSON of the body is nested deeper than any resource is.',
    remedy: 'Send what the operation takes.',
    say: (maxDepth: number) => `The JSON body is nested more than ${maxDepth} deep.`,
  },
  bodyTooMany: {
    kind: 'invalid',
    code: 'InvalidRequestContent',
    meaning: 'The JSON of the body holds more values than any request needs.',
    remedy: 'Send it in several requests.',
    say: (maxValues: number) => `The JSON body holds more than ${maxValues} values.`,
  },
  propertyOfNone: {
    kind: 'invalid',
    code: 'InvalidRequestContent',
    meaning: 'The JSON of the body holds a property that no resource has.',
    remedy: 'Leave it out.',
    say: (name: string) => ({
      target: name,
      message: `The JSON body holds a property named '${name}', which no resource has.`,
    }),
  },
  bodyNotJson: {
    kind: 'invalid',
    code: 'InvalidRequestContent',
    meaning: 'The body is not JSON in UTF-8.',
    remedy: 'Send valid JSON; the message says where it ends to be.',
    /** `at`: where, empty if that is not known. */
    say: (at: string, cause: unknown) => ({ message: `The body is not valid JSON${at ? ` (${at})` : ''}.`, cause }),
  },
  InvalidRequestContent: {
    kind: 'invalid',
    meaning: 'The body does not fit what the operation takes.',
    remedy: 'Correct what the message and the details name.',
    say: (where: string, shown: readonly FailureDetail[]) => misfit(where, shown),
  },
  InvalidQueryParameterValue: {
    kind: 'invalid',
    meaning: 'The query does not fit what the operation takes.',
    remedy: 'Correct what the message and the details name.',
    say: (where: string, shown: readonly FailureDetail[]) => misfit(where, shown),
  },
});

function misfit(where: string, shown: readonly FailureDetail[]) {
  const target = shown[0]?.target;
  return {
    message: `The ${where} is not valid: ${shown.map((detail) => detail.message).join('; ')}.`,
    ...(target === undefined ? {} : { target }),
    details: shown,
  };
}
