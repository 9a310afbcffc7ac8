// Which credentials a connection may hold, and when it keeps those that it has. Pure.

import type { Connection, ConnectionCredentials } from '@strongroom/contract/connections';
import { authTypes, categories } from './connections.data.ts';
import { connectionsFailures } from './connections.errors.ts';

const named = (names: readonly string[], asked: string) =>
  names.find((name) => name.toLowerCase() === asked.toLowerCase());

/** In Azure's spelling; what is none of them stays as it is, for `checkConnection` to refuse. */
export const categoryOf = (asked: string): string => named(categories, asked) ?? asked;
export const authTypeOf = (asked: string): string => named(Object.keys(authTypes), asked) ?? asked;

const isEmpty = (value: unknown): boolean =>
  value === null ||
  value === undefined ||
  value === '' ||
  (typeof value === 'object' && Object.values(value).length === 0);

/** What of them says something: clients send back what they were shown, which is nothing. */
export function givenIn(credentials: ConnectionCredentials | undefined): ConnectionCredentials | undefined {
  const given = Object.entries(credentials ?? {}).filter(([, value]) => !isEmpty(value));
  return given.length === 0 ? undefined : Object.fromEntries(given);
}

/**
 * Whether what is sealed stays when no credentials are sent: only while they go where they went. Otherwise whoever may write a
 * connection, and not read its credentials, could have them sent to a place of his own.
 */
export const keepsItsOwn = (asked: Connection, existing: Connection | undefined): boolean =>
  existing !== undefined &&
  existing.authType === asked.authType &&
  existing.category === asked.category &&
  (existing.target ?? '') === (asked.target ?? '');

/** @param asked normalised */
export function checkConnection(asked: Connection, existing: Connection | undefined): void {
  if (!categories.includes(asked.category)) throw connectionsFailures.ConnectionCategoryUnknown(asked.category);
  const rule = Object.hasOwn(authTypes, asked.authType) ? authTypes[asked.authType] : undefined;
  if (rule === undefined) throw connectionsFailures.AuthTypeNotServed(asked.authType, Object.keys(authTypes));
  const given = Object.keys(asked.credentials ?? {});
  for (const name of given)
    if (!rule.takes.includes(name)) throw connectionsFailures.CredentialNotOfType(asked.authType, name);
  if (given.length === 0 && keepsItsOwn(asked, existing)) return;
  const missing = rule.needs.find((names) => !names.some((name) => given.includes(name)));
  if (missing !== undefined) throw connectionsFailures.CredentialsMissing(asked.authType, missing);
}
