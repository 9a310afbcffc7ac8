// The directory for administrators and command lines. Anybody who is signed in may look people up, as in Azure; changing
// them needs the actions of `identity.actions.ts`. Nobody can lock himself out here: one's own account is neither disabled
// nor removed, and one's own password is changed with the old one; and `leaving` decides whether somebody may go.

import type { ChangedUser, GraphObject, MadeSecret, NewSecret } from '@strongroom/contract/graph';
import type { Grant } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import type { Database, Tx } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import type { Directory, Principal } from './directory.ts';
import type { GraphFilter } from './graph.filter.ts';
import type { Leaving } from './leaving.ts';
import type { SignIn } from './sign-in.service.ts';

export type Kind = 'user' | 'servicePrincipal';
export type GraphPage = { readonly items: readonly GraphObject[]; readonly next: string | undefined };

export type Graph = {
  me(grant: Grant): Promise<GraphObject>;
  get(grant: Grant, kind: Kind, id: string): Promise<GraphObject>;
  list(
    grant: Grant,
    kind: Kind,
    query: { readonly filter: GraphFilter | undefined; readonly after: string; readonly limit: number },
  ): Promise<GraphPage>;
  byIds(grant: Grant, ids: readonly string[]): Promise<readonly GraphObject[]>;
  createUser(
    grant: Grant,
    user: { readonly userPrincipalName: string; readonly displayName: string; readonly password: string },
  ): Promise<GraphObject>;
  changeUser(grant: Grant, id: string, change: ChangedUser): Promise<void>;
  changeOwnPassword(grant: Grant, current: string, next: string): Promise<void>;
  createApplication(grant: Grant, displayName: string): Promise<GraphObject>;
  /** Answers the one that the application already has. */
  servicePrincipalOf(grant: Grant, appId: string): Promise<GraphObject>;
  setEnabled(grant: Grant, kind: Kind, id: string, enabled: boolean): Promise<void>;
  /** Every session and token of the user, on every device, is worth nothing from now on. */
  endSignIns(grant: Grant, id: string): Promise<void>;
  addSecret(grant: Grant, id: string, wanted: NewSecret): Promise<MadeSecret>;
  removeSecret(grant: Grant, id: string, keyId: string): Promise<void>;
  remove(grant: Grant, kind: Kind, id: string): Promise<void>;
};

const dayMs = 86_400_000;
const kindOf = (principal: Principal): Kind => (principal.kind === 'user' ? 'user' : 'servicePrincipal');

const missing = (id: string) =>
  new Failure({
    kind: 'notFound',
    code: 'Request_ResourceNotFound',
    message: `The directory holds no such object: '${id.slice(0, 64)}'.`,
  });
const refused = (message: string) => new Failure({ kind: 'invalid', code: 'Request_BadRequest', message });

export function toGraph(principal: Principal): GraphObject {
  const { objectId: id, displayName, enabled: accountEnabled, name, clientId = '' } = principal;
  if (principal.kind === 'user')
    return { '@odata.type': '#microsoft.graph.user', id, displayName, userPrincipalName: name, accountEnabled };
  return {
    '@odata.type': '#microsoft.graph.servicePrincipal',
    id,
    appId: clientId,
    displayName,
    accountEnabled,
    servicePrincipalType: principal.kind === 'application' ? 'Application' : 'ManagedIdentity',
    servicePrincipalNames: [clientId],
    alternativeNames: principal.resourceId === undefined ? [] : [principal.resourceId],
  };
}

export function createGraph(deps: {
  readonly database: Database;
  readonly directory: Directory;
  readonly signIn: SignIn;
  readonly clock: Clock;
  readonly leaving: Leaving;
}): Graph {
  const { database, directory, signIn, clock, leaving } = deps;

  /** With what is told of an application's secrets. */
  async function whole(principal: Principal): Promise<GraphObject> {
    if (principal.kind !== 'application' || principal.clientId === undefined) return toGraph(principal);
    const secrets = await directory.listSecrets(principal.clientId);
    const passwordCredentials = secrets.map(({ secretId, createdAt, expiresAt }) => ({
      keyId: secretId,
      startDateTime: createdAt,
      endDateTime: expiresAt,
    }));
    return { ...toGraph(principal), passwordCredentials };
  }

  async function find(kind: Kind, id: string): Promise<Principal> {
    const byId = await directory.findPrincipal(id);
    const principal = byId ?? (kind === 'user' && id.includes('@') ? await directory.findUser(id) : undefined);
    if (principal === undefined || kindOf(principal) !== kind) throw missing(id);
    return principal;
  }
  /** Managed identities belong to their resources, which make and remove them. */
  async function findApplication(id: string): Promise<Principal & { readonly clientId: string }> {
    const principal = await find('servicePrincipal', id);
    if (principal.kind !== 'application' || principal.clientId === undefined)
      throw refused('This is the identity of a resource. Change the resource instead.');
    return { ...principal, clientId: principal.clientId };
  }
  const notOneself = (grant: Grant, principal: Principal) => {
    if (grant.actor.objectId === principal.objectId)
      throw refused('Nobody can disable or remove his own account. Ask another administrator to do it.');
  };
  async function lookUp({ property, value }: GraphFilter): Promise<Principal | undefined> {
    if (property === 'id') return await directory.findPrincipal(value);
    if (property === 'appId') return await directory.findByClientId(value);
    return await directory.findUser(value);
  }

  return {
    me: async (grant) => toGraph((await directory.findPrincipal(grant.actor.objectId)) ?? missingSelf(grant)),
    get: async (_grant, kind, id) => whole(await find(kind, id)),
    async list(_grant, kind, { filter, after, limit }) {
      if (filter === undefined || filter.property === 'displayName') {
        const named = filter && { text: filter.value, isPrefix: filter.isPrefix === true };
        const all = await directory.listKind(kind, { after, limit, named });
        const last = all.length === limit ? all[all.length - 1]?.objectId : undefined;
        return { items: all.map(toGraph), next: last };
      }
      const found = await lookUp(filter);
      return { items: found !== undefined && kindOf(found) === kind ? [toGraph(found)] : [], next: undefined };
    },
    byIds: async (_grant, ids) => (await directory.findPrincipals(ids)).map(toGraph),

    async createUser(_grant, { userPrincipalName: userName, displayName, password }) {
      const passwordHash = await directory.hashPassword(password);
      const { objectId } = await database.write((tx) =>
        directory.createUser(tx, { userName, displayName, passwordHash }),
      );
      return toGraph(await find('user', objectId));
    },
    async changeUser(grant, id, { accountEnabled, passwordProfile }) {
      const user = await find('user', id);
      if (accountEnabled === false) notOneself(grant, user);
      const hash = passwordProfile && (await directory.hashPassword(passwordProfile.password));
      const change = async (tx: Tx) => {
        if (accountEnabled !== undefined) await directory.setEnabled(tx, user.objectId, accountEnabled);
        if (hash !== undefined) await directory.setPasswordHash(tx, user.objectId, hash);
      };
      if (accountEnabled === false) await leaving(user.objectId, 'disabled', change);
      else await database.write(change);
    },
    async changeOwnPassword(grant, current, next) {
      const user = await find('user', grant.actor.objectId);
      try {
        await signIn.verifyOwn(user.name, current);
      } catch (thrown) {
        // The caller is known; what is wrong is the password that it sent along.
        if (thrown instanceof Failure && thrown.kind === 'unauthenticated')
          throw refused('The current password is not right.');
        throw thrown;
      }
      const hash = await directory.hashPassword(next);
      await database.write((tx) => directory.setPasswordHash(tx, user.objectId, hash));
    },

    async createApplication(_grant, displayName) {
      const { objectId } = await database.write((tx) => directory.createApplication(tx, { name: displayName }));
      return whole(await find('servicePrincipal', objectId));
    },
    async servicePrincipalOf(_grant, appId) {
      const principal = await directory.findByClientId(appId);
      if (principal === undefined) throw missing(appId);
      return toGraph(principal);
    },
    async setEnabled(grant, kind, id, enabled) {
      const principal = await find(kind, id);
      if (!enabled) notOneself(grant, principal);
      const change = (tx: Tx) => directory.setEnabled(tx, principal.objectId, enabled);
      if (enabled) await database.write(change);
      else await leaving(principal.objectId, 'disabled', change);
    },
    async endSignIns(_grant, id) {
      const { objectId } = await find('user', id);
      await database.write((tx) => directory.endSignIns(tx, objectId));
    },
    async addSecret(_grant, id, { passwordCredential }) {
      const { clientId } = await findApplication(id);
      const until = passwordCredential?.endDateTime;
      const lifetimeDays = until ? (Date.parse(until) - clock.epochMs()) / dayMs : undefined;
      const { secretId, secret, expiresAt } = await database.write((tx) =>
        directory.addSecret(tx, clientId, lifetimeDays === undefined ? {} : { lifetimeDays }),
      );
      return {
        keyId: secretId,
        secretText: secret,
        startDateTime: clock.now().toISOString(),
        endDateTime: expiresAt.toISOString(),
      };
    },
    async removeSecret(_grant, id, keyId) {
      const { clientId } = await findApplication(id);
      if (!(await database.write((tx) => directory.removeSecret(tx, clientId, keyId)))) throw missing(keyId);
    },
    async remove(grant, kind, id) {
      const principal = kind === 'user' ? await find('user', id) : await findApplication(id);
      notOneself(grant, principal);
      await leaving(principal.objectId, 'removed', (tx) => directory.removePrincipal(tx, principal.objectId));
    },
  };
}

function missingSelf(grant: Grant): never {
  throw missing(grant.actor.objectId);
}
