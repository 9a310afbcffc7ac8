// People and applications by their names: the directory knows them, everything else knows object ids.

import { ServiceError } from '@strongroom/contract/client';
import { directoryAudience } from '@strongroom/contract/client.paths';
import type { GraphObject } from '@strongroom/contract/graph';
import type { Context } from './context.ts';
import { NotThere, UsageError } from './exit.ts';

export const directoryPath = '/msgraph/v1.0';
export const directoryCall = (context: Context) => ({ audience: directoryAudience(context.url), apiVersion: null });

export type Principal = { readonly id: string; readonly name: string; readonly type: string | undefined };

const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
export const isGuid = (text: string): boolean => guid.test(text);
/** What the directory takes at once, and how many names are worth asking for in one table. */
const idsAtOnce = 1000;
const idsMax = 5000;

/** @param who an object id, a user's name or an application's name */
export async function findPrincipal(context: Context, who: string): Promise<Principal> {
  if (isGuid(who)) return { id: who, name: who, type: undefined };
  const call = directoryCall(context);
  try {
    const user = await context.client.get<{ readonly id: string }>(
      `${directoryPath}/users/${encodeURIComponent(who)}`,
      call,
    );
    return { id: user.id, name: who, type: 'User' };
  } catch (thrown) {
    if (!(thrown instanceof ServiceError) || (thrown.status !== 404 && thrown.status !== 400)) throw thrown;
  }
  const [only, another] = await context.client.list<{ readonly id: string }>(`${directoryPath}/servicePrincipals`, {
    ...call,
    query: { $filter: `displayName eq '${who.replaceAll("'", "''")}'` },
  });
  if (only === undefined)
    throw new NotThere(
      `Nobody is called '${who}': no user and no application. 'strongroom user list' shows the users.`,
    );
  if (another !== undefined) throw new UsageError(`Several applications are called '${who}'. Give an object id.`);
  return { id: only.id, name: who, type: 'ServicePrincipal' };
}

/** Who stands behind object ids, as far as the directory still knows them. A table is worth no failure: without names it shows ids. */
export async function readPrincipals(
  context: Context,
  ids: readonly unknown[],
): Promise<ReadonlyMap<string, GraphObject>> {
  const wanted = [...new Set(ids.filter((id): id is string => typeof id === 'string' && isGuid(id)))].slice(0, idsMax);
  const found = new Map<string, GraphObject>();
  try {
    for (let from = 0; from < wanted.length; from += idsAtOnce) {
      const { value } = await context.client.post<{ readonly value: readonly GraphObject[] }>(
        `${directoryPath}/directoryObjects/getByIds`,
        { ...directoryCall(context), body: { ids: wanted.slice(from, from + idsAtOnce) } },
      );
      for (const each of value) found.set(each.id.toLowerCase(), each);
    }
  } catch (thrown) {
    if (!(thrown instanceof ServiceError)) throw thrown;
  }
  return found;
}

/** A user by the name that he signs in with, an application by its own; the id of somebody who is gone. */
export const nameOf = (principals: ReadonlyMap<string, GraphObject>, id: unknown): string => {
  const found = principals.get(String(id ?? '').toLowerCase());
  if (found === undefined) return String(id ?? '');
  return 'userPrincipalName' in found ? found.userPrincipalName : found.displayName;
};

export const kindOf = (principals: ReadonlyMap<string, GraphObject>, id: unknown): string => {
  const found = principals.get(String(id ?? '').toLowerCase());
  if (found === undefined) return 'gone';
  if ('userPrincipalName' in found) return 'user';
  return found.servicePrincipalType === 'ManagedIdentity' ? 'managed identity' : 'application';
};

/** Fields of answers that hold somebody's object id. */
const namesSomebody = new Set(['principalId', 'createdBy', 'lastModifiedBy', 'updatedBy', 'assignedTo']);

/** Shows a thing; for a person, names stand beside the object ids. What a program reads is the service's own answer. */
export async function showNamed(context: Context, value: unknown): Promise<void> {
  if (context.forProgram) return context.show(value);
  const ids: string[] = [];
  visit(value, (id) => {
    ids.push(id);
    return id;
  });
  const principals = ids.length === 0 ? new Map<string, GraphObject>() : await readPrincipals(context, ids);
  context.show(
    visit(value, (id) => {
      const name = nameOf(principals, id);
      return name === id ? id : `${name} (${id})`;
    }),
  );
}

/** A copy, with each object id in place of which `told` answers something. */
function visit(value: unknown, told: (id: string) => string): unknown {
  if (Array.isArray(value)) return value.map((each) => visit(each, told));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      namesSomebody.has(name) && typeof inner === 'string' && isGuid(inner) ? told(inner) : visit(inner, told),
    ]),
  );
}
