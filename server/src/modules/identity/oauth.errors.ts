// What sign-in is answered with, in the words of RFC 6749, RFC 8628 and RFC 8707.

import type { Failure } from '#kernel/errors/failure';
import { defineFailures } from '#kernel/errors/failures';

export const oauthFailures = defineFailures(
  'identity',
  {
    scopeTooLong: {
      kind: 'invalid',
      code: 'invalid_scope',
      meaning: 'The scopes are longer than any scope is.',
      remedy: "Ask for '{resource}/.default' of one resource.",
      say: (charactersMax: number) => `The scope is longer than ${charactersMax} characters.`,
    },
    tooManyScopes: {
      kind: 'invalid',
      code: 'invalid_scope',
      meaning: 'More scopes are asked for at once than there are.',
      remedy: "Ask for '{resource}/.default' of one resource.",
      say: (scopesMax: number) => `At most ${scopesMax} scopes can be asked for at once.`,
    },
    resourceTooLong: {
      kind: 'invalid',
      code: 'invalid_scope',
      meaning: 'The name of a resource is longer than any is.',
      remedy: "Ask for '{resource}/.default' of one resource.",
      say: (charactersMax: number) => `A resource has at most ${charactersMax} characters.`,
    },
    severalResources: {
      kind: 'invalid',
      code: 'invalid_scope',
      say: 'The scopes belong to more than one resource. Ask for a token of one resource at a time.',
    },
    unknownResource: {
      kind: 'invalid',
      code: 'invalid_scope',
      meaning: 'No tokens are issued for that resource.',
      remedy: 'Name a resource of this server, or have the operator add it.',
      say: (resource: string) => `'${resource.slice(0, 200)}' is not a resource that this server issues tokens for.`,
    },
    unknownScope: {
      kind: 'invalid',
      code: 'invalid_scope',
      meaning: 'A scope is none that this server knows.',
      remedy: "Use '{resource}/.default'.",
      say: (scope: string) =>
        `'${scope.slice(0, 200)}' is not a scope that this server knows. Use '{resource}/.default'.`,
    },
    noResource: {
      kind: 'invalid',
      code: 'invalid_scope',
      say: "Name the resource: scope '{resource}/.default', or resource '{resource}'.",
    },
    noGrantType: { kind: 'invalid', code: 'invalid_request', say: "The form must hold 'grant_type'." },
    unservedGrantType: {
      kind: 'invalid',
      code: 'unsupported_grant_type',
      meaning: 'The grant type is not served.',
      remedy: 'Use client_credentials, authorization_code, refresh_token or the device code.',
      say: (grantType: string) => `The grant type '${grantType.slice(0, 100)}' is not served here.`,
    },
    // From here on what the library refuses, whose sentence is its own (`providerFailure`).
    invalid_scope: {
      kind: 'invalid',
      meaning: 'The scopes name no resource that tokens are issued for, or more than one.',
      remedy: "Ask for '{resource}/.default' of one resource.",
      say: (message: string) => message,
    },
    invalid_request: {
      kind: 'invalid',
      meaning: 'A field of the request is missing, or has a value that it does not take.',
      remedy: 'Follow the message, which names it.',
      say: (message: string) => message,
    },
    tooLong: {
      kind: 'invalid',
      code: 'invalid_request',
      meaning: 'A field of the request is longer than it may be.',
      remedy: 'Send a shorter one.',
      say: (name: string) => `'${name.slice(0, 100)}' is too long.`,
    },
    /** One answer for an unknown application and for a wrong secret. */
    invalid_client: {
      kind: 'unauthenticated',
      say: 'The client secret is not valid for this client id, or has expired. Send the secret value, not its id.',
    },
    noAssertions: {
      kind: 'unauthenticated',
      code: 'invalid_client',
      say: 'Certificates and federated credentials are not accepted here. Use a client secret.',
    },
    unsupported_grant_type: {
      kind: 'invalid',
      meaning: 'The grant type is not served.',
      remedy: 'Use client_credentials, authorization_code, refresh_token or the device code.',
      say: (message: string) => message,
    },
    invalid_grant: {
      kind: 'invalid',
      meaning: 'A code or a refresh token is not valid any more, or belongs to another client.',
      remedy: 'Sign in again.',
      say: (message: string) => message,
    },
    invalid_target: {
      kind: 'invalid',
      meaning: 'The resource is not one that this sign-in may have a token for.',
      remedy: 'Ask for another resource, or sign in again.',
      say: (message: string) => message,
    },
    unauthorized_client: {
      kind: 'invalid',
      meaning: 'The client may not use this grant type.',
      remedy: 'Use another client or another grant type.',
      say: (message: string) => message,
    },
    access_denied: {
      kind: 'invalid',
      meaning: 'Whoever was asked to sign in refused.',
      remedy: 'Begin again.',
      say: (message: string) => message,
    },
    authorization_pending: {
      kind: 'invalid',
      meaning: 'Nobody has entered the code of this device yet.',
      remedy: 'Ask again after the interval.',
      say: (message: string) => message,
    },
    expired_token: {
      kind: 'invalid',
      meaning: 'The code of this device has expired.',
      remedy: 'Begin again.',
      say: (message: string) => message,
    },
    slow_down: {
      kind: 'invalid',
      meaning: 'A device asks more often than it may.',
      remedy: 'Wait five seconds longer between two questions.',
      say: (message: string, cause?: unknown) => ({ message, cause }),
    },
    server_error: {
      kind: 'internal',
      meaning: 'The sign-in could not be finished.',
      remedy: 'Find the request id in the log of the server.',
      say: (message: string) => message,
    },
    SignInFailed: { kind: 'invalid', say: 'This page cannot be shown any more. Begin again.' },
    signInBroke: {
      kind: 'internal',
      code: 'SignInFailed',
      say: 'This page cannot be shown any more. Begin again.',
    },
    SignOutFailed: { kind: 'invalid', say: 'The session could not be ended. Close the browser to end it.' },
  },
  { fewWords: 'A page that cannot be shown has one word, whether it is over or the server is to blame.' },
);

const ofTheProvider = [
  ...['invalid_scope', 'invalid_request', 'unsupported_grant_type', 'invalid_grant', 'invalid_target'],
  ...['unauthorized_client', 'access_denied', 'authorization_pending', 'expired_token', 'slow_down', 'server_error'],
] as const;

/**
 * An error that the library answered to a program, in our words where it has one of them; anything else is a request that is wrong,
 * or a server that failed.
 */
export function providerFailure(error: string, message: string, status: number): Failure {
  const word = ofTheProvider.find((one) => one === error);
  return oauthFailures[status >= 500 ? 'server_error' : (word ?? 'invalid_request')](message);
}
