// What identity refuses: whoever signs in, tokens, and what the directory does not take. The words of OAuth and of Microsoft Graph
// have tables of their own.

import { tenantDomain } from '@strongroom/contract/identity';
import { defineFailures } from '#kernel/errors/failures';

export const identityFailures = defineFailures('identity', {
  TooManyAttempts: {
    kind: 'throttled',
    meaning: 'A name, an address or a code was tried too often.',
    remedy: 'Wait for as long as the message says.',
    say: (why: string, seconds: number) => ({
      message: `${why} Try again in ${seconds < 90 ? `${seconds} ${seconds === 1 ? 'second' : 'seconds'}` : `${Math.ceil(seconds / 60)} minutes`}.`,
      retryAfterSeconds: seconds,
    }),
  },
  TooManyRequests: {
    kind: 'throttled',
    meaning: 'Too many sign-ins were begun from one address.',
    remedy: 'Try again in a minute.',
    say: (retryAfterSeconds: number) => ({
      message: 'Too many sign-ins were begun from this address. Try again in a minute.',
      retryAfterSeconds,
    }),
  },
  TooManySignIns: {
    kind: 'throttled',
    meaning: 'More passwords are being checked than the server checks at once.',
    remedy: 'Try again in a few seconds.',
    say: () => ({
      message: 'Too many sign-ins are being checked at this moment. Try again in a few seconds.',
      retryAfterSeconds: 3,
    }),
  },
  InvalidUserNameOrPassword: { kind: 'unauthenticated', say: 'The user name or the password is not right.' },
  AccountChanged: { kind: 'conflict', say: 'This account was changed meanwhile. Begin the sign-in again.' },
  passwordLength: {
    kind: 'invalid',
    code: 'InvalidPassword',
    meaning: 'A password is shorter or longer than it may be.',
    remedy: 'Take a few random words.',
    say: (lengthMin: number, lengthMax: number) =>
      `A password has ${lengthMin} to ${lengthMax} characters. A few random words make a good one.`,
  },
  easyPassword: {
    kind: 'invalid',
    code: 'InvalidPassword',
    say: 'This password is one of those that are tried first: it is common, a simple variation of a common one, or made of the name. A few random words make a good one.',
  },
  samePassword: {
    kind: 'invalid',
    code: 'InvalidPassword',
    say: 'This is the password that has to be changed. Choose another one.',
  },
  passwordsDiffer: { kind: 'invalid', code: 'InvalidPassword', say: 'The two are not the same.' },
  TicketInvalid: {
    kind: 'forbidden',
    say: 'This form did not come from the sign-in page, or the server was restarted since. Begin again.',
  },
  CsrfTokenInvalid: {
    kind: 'forbidden',
    say: 'This form did not come from the sign-in page, or the server was restarted since. Open it again.',
  },
  SignInExpired: {
    kind: 'invalid',
    say: 'This sign-in is over, or was begun in another browser. Begin again where you came from.',
  },
  UnknownHost: {
    kind: 'invalid',
    meaning: 'The server is asked to sign in under a name that is not one of its own.',
    remedy: 'Use one of its own names.',
    say: (origin: string) =>
      `This server does not go by the name '${origin.slice(0, 200)}'. Use one of its own names to sign in.`,
  },
  TenantNotFound: {
    kind: 'invalid',
    meaning: 'The tenant of the address is not that of this server.',
    remedy: `Use its id, '${tenantDomain}' or 'organizations'.`,
    say: (tenant: string) =>
      `Tenant '${tenant}' is not the tenant of this server. Use its id, '${tenantDomain}' or 'organizations'.`,
  },
  SigningKeysDamaged: {
    kind: 'integrity',
    say: 'The stored token signing keys cannot be read. Restore the secret store from a backup.',
  },
  IdentityNotFound: { kind: 'unauthenticated', say: 'There is no enabled identity of this id.' },
  InvalidAuthenticationToken: {
    kind: 'unauthenticated',
    meaning: 'A token is none of ours, is not valid yet, or what it stands on has changed.',
    remedy: 'Sign in again.',
    say: (message: string, cause?: unknown) => ({ message, cause }),
  },
  ExpiredAuthenticationToken: {
    kind: 'unauthenticated',
    meaning: 'The access token has expired.',
    remedy: 'Sign in again.',
    say: (epochSeconds: number) =>
      `The access token expired at ${new Date(epochSeconds * 1000).toISOString()}. Sign in again.`,
  },
  RevokedAuthenticationToken: { kind: 'unauthenticated', say: 'This token was revoked.' },
  InvalidAuthenticationTokenTenant: {
    kind: 'unauthenticated',
    say: 'The access token is from another tenant than the one of this server.',
  },
  InvalidAuthenticationTokenAudience: {
    kind: 'unauthenticated',
    meaning: 'The access token is for another audience.',
    remedy: 'Ask for a token for the one that the message names.',
    say: (audience: string, wanted: string) =>
      `The access token is for the audience '${audience.slice(0, 200)}'. Ask for a token for '${wanted}'.`,
  },
  signatureInvalid: {
    kind: 'unauthenticated',
    code: 'AuthenticationFailed',
    say: 'The signature of this address is not valid, or its time is over. Ask for another one.',
  },
  signatureOfNothing: {
    kind: 'unauthenticated',
    code: 'AuthenticationFailed',
    say: 'The signature of this address does not say what it is for.',
  },
  addressWithdrawn: {
    kind: 'unauthenticated',
    code: 'AuthenticationFailed',
    say: 'What this address stands on has changed or was withdrawn. Ask for another one.',
  },
  signatureTwice: {
    kind: 'unauthenticated',
    code: 'AuthenticationFailed',
    say: 'The address holds more than one signature.',
  },
  AuthorizationFailed: {
    kind: 'forbidden',
    say: 'Only who acts by roles of his own can hand on a signed address.',
  },
  UserExists: {
    kind: 'conflict',
    meaning: 'There is a user of this name.',
    remedy: 'Choose another name.',
    say: (userName: string, cause: unknown) => ({ message: `A user named '${userName}' exists already.`, cause }),
  },
  InvalidUserName: { kind: 'invalid', say: 'A user name looks like name@domain.' },
  InvalidName: {
    kind: 'invalid',
    meaning: 'A name is empty, too long, or holds a control character.',
    remedy: 'Choose another one.',
    say: (what: string) => `The name of ${what} has 1 to 256 characters, none of them a control character.`,
  },
  TooManyIds: {
    kind: 'invalid',
    meaning: 'More ids are looked up than are looked up at once.',
    remedy: 'Ask several times.',
    say: (max: number) => `At most ${max} ids are looked up at once.`,
  },
  InvalidLifetime: {
    kind: 'invalid',
    meaning: 'A client secret is to live for longer than it may.',
    remedy: 'Choose a shorter time.',
    say: (daysMax: number) => `A client secret lives 1 to ${daysMax} days.`,
  },
});
