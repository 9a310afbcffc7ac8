// What the door refuses before any module is asked, in words that every protocol can render.

import type { Failure } from '#kernel/errors/failure';
import { defineFailures } from '#kernel/errors/failures';

export const httpFailures = defineFailures('http', {
  RequestEntityTooLarge: {
    kind: 'tooLarge',
    meaning: 'The body is larger than the operation takes.',
    remedy: 'Send less; the message says how much may be sent.',
    say: (maxBytes: number) => `The body is larger than the ${maxBytes} bytes that this operation takes.`,
  },
  IncompleteBody: {
    kind: 'invalid',
    say: 'The connection ended before the whole body had arrived.',
  },
  tooManyFields: {
    kind: 'invalid',
    code: 'InvalidRequestContent',
    say: 'The form holds more than 200 fields.',
  },
  InvalidCertificate: {
    kind: 'invalid',
    meaning: 'The certificate files that are configured cannot be used.',
    remedy: 'Correct what the message lists.',
    say: (mistakes: readonly string[]) => `The certificate files are not valid:\n- ${mistakes.join('\n- ')}`,
  },
  InvalidConfiguration: {
    kind: 'invalid',
    meaning: 'A proxy that is to be trusted is no address and no range.',
    remedy: 'Write it as 192.0.2.1, 10.0.0.0/8 or fd00::/8.',
    say: (text: string) =>
      `http.trustedProxies holds '${text}', which is no address and no range such as 10.0.0.0/8 or fd00::/8.`,
  },
  MisdirectedRequest: {
    kind: 'misdirected',
    say: 'This server does not go by that name. Use the name that it was configured with; whoever runs it adds others as http.aliases.',
  },
  noProtocol: {
    kind: 'notFound',
    code: 'NotFound',
    say: 'No protocol that is spoken here has this path. What is served is listed in the documentation, in openapi/.',
  },
  NotFound: {
    kind: 'notFound',
    meaning: 'The protocol is spoken here, and has no operation at this path.',
    remedy: 'Look at its document in openapi/.',
    say: (surface: string) =>
      `No operation is served at this path. Those that are, are listed in the documentation: openapi/${surface}.json.`,
  },
  MethodNotAllowed: {
    kind: 'methodNotAllowed',
    meaning: 'The path takes other methods.',
    remedy: 'Use one that the message and the header allow name.',
    say: (method: string, others: ReadonlySet<string>) => {
      const allow = [...others].sort().join(', ');
      return { message: `This path does not take ${method}; it takes ${allow}.`, headers: { allow } };
    },
  },
  InvalidHeader: {
    kind: 'invalid',
    meaning: 'A header that decides who asks whom was sent twice.',
    remedy: 'Send it once.',
    say: (name: string) => `The header ${name} was sent twice.`,
  },
  ConditionNotServed: {
    kind: 'invalid',
    meaning: 'A change was asked for under a condition (If-Match and its like) that the operation does not read.',
    remedy: 'Leave the header out, and read what is there before and after.',
    say: (name: string) =>
      `This operation does not read the condition ${name}, so nothing was done. Leave the header out, if it is to be done without.`,
  },
  ParameterNotServed: {
    kind: 'invalid',
    code: 'InvalidQueryParameterValue',
    meaning: 'A change was asked for with a parameter of the query that the operation does not read.',
    remedy: 'Leave it out; the message names those that it takes.',
    say: (name: string, read: readonly string[]) => ({
      target: name.slice(0, 200),
      message: `This operation does not take '${name.slice(0, 200)}' here, so nothing was done. Leave it out; ${read.length === 0 ? 'it takes none of its own' : `it takes ${read.join(', ')}`}.`,
    }),
  },
  badEscape: {
    kind: 'invalid',
    code: 'InvalidRequestUri',
    say: 'The path holds a percent sign that does not begin a valid UTF-8 escape. Encode it as %25.',
  },
  dotSegment: {
    kind: 'invalid',
    code: 'InvalidRequestUri',
    say: 'The path holds a dot segment (. or ..). Send the path that you mean.',
  },
  controlCharacter: { kind: 'invalid', code: 'InvalidRequestUri', say: 'The path holds a control character.' },
  tooManyParameters: {
    kind: 'invalid',
    code: 'InvalidRequestUri',
    meaning: 'The query holds more parameters than any operation takes.',
    remedy: 'Send those that the operation takes.',
    say: (parametersMax: number) => `The query holds more than ${parametersMax} parameters.`,
  },
  anotherHost: {
    kind: 'invalid',
    code: 'InvalidRequestUri',
    say: 'The request line names another host than the Host header.',
  },
  tooManySegments: {
    kind: 'invalid',
    code: 'InvalidRequestUri',
    meaning: 'The path holds more segments than any operation has.',
    remedy: 'Send the path of an operation.',
    say: (segmentsMax: number) => `The path holds more than ${segmentsMax} segments.`,
  },
  badHost: {
    kind: 'invalid',
    code: 'InvalidRequestUri',
    say: 'The Host header is not a host name with an optional port.',
  },
  TooManyRequests: {
    kind: 'throttled',
    meaning: 'Too many requests without a valid credential came from one address.',
    remedy: 'Sign in, or try again in a minute.',
    say: (cause: Failure) => ({
      message:
        'Too many requests without a valid credential came from this address. Sign in, or try again in a minute.',
      retryAfterSeconds: 60,
      cause,
    }),
  },
  AuthenticationFailed: {
    kind: 'unauthenticated',
    say: 'This operation needs a credential. Sign in and send a bearer token in the Authorization header.',
  },
  /** The sentence is the route's, which states why whoever is bounded has no business there. */
  AuthorizationFailed: {
    kind: 'forbidden',
    meaning: 'The credential is one that was handed on, and reaches less than its maker does.',
    remedy: 'Use it for what it was made for, or sign in.',
    say: (message: string, cause?: unknown) => ({ message, cause }),
  },
});
