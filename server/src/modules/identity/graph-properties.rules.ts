// Which properties of a request are served. What is given and not served is refused by name, because an answer of success would
// say that it was done; what says nothing (null, false, an empty list) asks for nothing, and command lines send it.

import { graphFailures } from './graph.errors.ts';

const why: Readonly<Record<string, string>> = {
  keyCredentials: 'Certificates are not accepted as credentials here. Use a client secret: addPassword.',
  passwordCredentials: 'Secrets are made by the server: addPassword.',
  userPrincipalName: 'A user keeps the name. Create another user.',
  mailNickname: 'It can only be the part of userPrincipalName before the @: there is no mail here.',
  signInAudience: "It can only be 'AzureADMyOrg': there is one tenant here.",
  userType: "It can only be 'Member': there are no guests here.",
  forceChangePasswordNextSignInWithMfa: 'There is no second factor here. Use forceChangePasswordNextSignIn.',
  startDateTime: 'A secret is valid from the moment when it is made.',
};

const isEmpty = (value: unknown): boolean =>
  value === null ||
  value === undefined ||
  value === false ||
  value === '' ||
  (Array.isArray(value) && value.length === 0) ||
  (typeof value === 'object' && Object.values(value).every(isEmpty));

/**
 * @param served names that are acted on, whatever their value
 * @param fixed names that are taken with one value only
 * @throws Failure `invalid` (Request_BadRequest) that names the first property that is not served
 */
export function requireServed(
  body: object,
  served: readonly string[],
  fixed: Readonly<Record<string, unknown>> = {},
): void {
  for (const [name, value] of Object.entries(body)) {
    if (served.includes(name) || name.startsWith('@odata.')) continue;
    if (Object.hasOwn(fixed, name) ? value === fixed[name] || value === null : isEmpty(value)) continue;
    const reason = Object.hasOwn(why, name)
      ? why[name]
      : `Served here: ${[...served, ...Object.keys(fixed)].join(', ')}.`;
    throw graphFailures.notServed(name, reason);
  }
}
