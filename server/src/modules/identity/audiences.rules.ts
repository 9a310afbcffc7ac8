// What an access token may be for. A client asks with a scope (`{resource}/.default`) or, at the older endpoint, with a
// resource; both end in exactly one known audience or are refused. Trailing slashes and case of the host do not count,
// but the token answers in the spelling that was asked for, because some clients compare it.

import { kept } from '#kernel/ids/kept';
import { oauthFailures } from './oauth.errors.ts';

export type Requested = {
  /** The audience in its normal form. */
  readonly resource: string;
  /** As the client spelled it: what `aud` says. */
  readonly asked: string;
  /** OpenID's own scopes among those asked for. */
  readonly openid: readonly string[];
};

const scopeLengthMax = 4096;
const scopesMax = 32;
const resourceLengthMax = 512;
const openidScopes = new Set(['openid', 'profile', 'offline_access', 'email']);

/** Without trailing slashes, in lower case. */
export const audienceKey = kept((resource) => resource.toLowerCase().replace(/\/+$/, ''));

/** Every audience of this installation, in normal form; the first is what a user gets who names none. */
export function knownAudiences(
  origins: readonly string[],
  domain: string,
  further: readonly string[] = [],
): readonly string[] {
  return [
    'https://management.azure.com',
    'https://management.core.windows.net',
    ...origins,
    ...origins.map((origin) => `${origin}/msgraph`),
    `https://vault.${domain}`,
    'https://vault.azure.net',
    'https://storage.azure.com',
    'https://ml.azure.com',
    // What azure-ai-ml makes of the address of the portal in the document of the cloud.
    `https://ml.azure.${domain}`,
    'https://containerregistry.azure.net',
    'https://monitor.azure.com',
    'https://api.loganalytics.io',
    ...further,
  ].map(audienceKey);
}

/** @throws Failure `invalid` with code invalid_scope or invalid_request */
export function readRequested(
  input: { readonly scope: string | undefined; readonly resource: string | undefined },
  known: readonly string[],
): Requested | { readonly resource: undefined; readonly asked: undefined; readonly openid: readonly string[] } {
  const { scope = '', resource } = input;
  if (scope.length > scopeLengthMax) throw oauthFailures.scopeTooLong(scopeLengthMax);
  const parts = scope.split(/\s+/).filter((part) => part !== '');
  if (parts.length > scopesMax) throw oauthFailures.tooManyScopes(scopesMax);
  const openid = [...new Set(parts.filter((part) => openidScopes.has(part)))];
  const asked = parts.filter((part) => !openidScopes.has(part)).map(resourceOf);
  if (resource !== undefined && resource !== '') asked.push(resource);
  const [first] = asked;
  if (asked.some((one) => one.length > resourceLengthMax)) throw oauthFailures.resourceTooLong(resourceLengthMax);
  if (first === undefined) return { resource: undefined, asked: undefined, openid };
  const keys = new Set(asked.map(audienceKey));
  if (keys.size > 1) throw oauthFailures.severalResources();
  const key = audienceKey(first);
  if (!known.includes(key)) throw oauthFailures.unknownResource(first);
  return { resource: key, asked: first, openid };
}

/** `https://x/.default` and `https://x/user_impersonation` name the resource `https://x`; `https://x//.default` names `https://x/`. */
function resourceOf(scope: string): string {
  const found = /^(https:\/\/.{1,512})\/(?:\.default|user_impersonation)$/i.exec(scope);
  if (found?.[1] === undefined) throw oauthFailures.unknownScope(scope);
  return found[1];
}
