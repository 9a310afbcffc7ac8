// The directory for administrators and command lines. Anybody who is signed in may look people up, as in Azure; changing
// them needs the actions of `identity.actions.ts`. Nobody can lock himself out here: one's own account is neither disabled
// nor removed, and one's own password is changed with the old one; and `leaving` decides whether somebody may go.

import type {
  ChangedServicePrincipal,
  ChangedUser,
  GraphObject,
  MadeSecret,
  NewSecret,
  NewUser,
} from '@strongroom/contract/graph';
import type { Grant } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import type { Database, Tx } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import type { Directory, Principal } from './directory.service.ts';
import { graphFailures } from './graph.errors.ts';
import type { GraphFilter } from './graph-filter.rules.ts';
import { requireServed } from './graph-properties.rules.ts';
import { identityFailures } from './identity.errors.ts';
import type { Leaving } from './leaving.port.ts';
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
  createUser(grant: Grant, user: NewUser): Promise<GraphObject>;
  changeUser(grant: Grant, id: string, change: ChangedUser): Promise<void>;
  changeOwnPassword(grant: Grant, current: string, next: string): Promise<void>;
  createApplication(grant: Grant, application: { readonly displayName: string }): Promise<GraphObject>;
  /** Answers the one that the application already has. */
  servicePrincipalOf(grant: Grant, wanted: { readonly appId: string }): Promise<GraphObject>;
  /** An application is its service principal; `served` says what this address of it may change. */
  changeServicePrincipal(
    grant: Grant,
    id: string,
    change: ChangedServicePrincipal,
    served: readonly ('displayName' | 'accountEnabled')[],
  ): Promise<void>;
  /** Every session and token of the user, on every device, is worth nothing from now on. */
  endSignIns(grant: Grant, id: string): Promise<void>;
  addSecret(grant: Grant, id: string, wanted: NewSecret): Promise<MadeSecret>;
  removeSecret(grant: Grant, id: string, keyId: string): Promise<void>;
  remove(grant: Grant, kind: Kind, id: string): Promise<void>;
};

const dayMs = 86_400_000;
const kindOf = (principal: Principal): Kind => (principal.kind === 'user' ? 'user' : 'servicePrincipal');

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
    const passwordCredentials = secrets.map(({ secretId, createdAt, expiresAt, displayName }) => ({
      keyId: secretId,
      displayName,
      startDateTime: createdAt,
      endDateTime: expiresAt,
    }));
    return { ...toGraph(principal), passwordCredentials, keyCredentials: [], requiredResourceAccess: [] };
  }

  async function find(kind: Kind, id: string): Promise<Principal> {
    const byId = await directory.findPrincipal(id);
    const principal = byId ?? (kind === 'user' && id.includes('@') ? await directory.findUser(id) : undefined);
    if (principal === undefined || kindOf(principal) !== kind) throw graphFailures.Request_ResourceNotFound(id);
    return principal;
  }
  /** Managed identities belong to their resources, which make and remove them. */
  async function findApplication(id: string): Promise<Principal & { readonly clientId: string }> {
    const principal = await find('servicePrincipal', id);
    if (principal.kind !== 'application' || principal.clientId === undefined) throw graphFailures.identityOfResource();
    return { ...principal, clientId: principal.clientId };
  }
  const notOneself = (grant: Grant, principal: Principal) => {
    if (grant.actor.objectId === principal.objectId) throw graphFailures.notOneself();
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

    async createUser(_grant, user) {
      const { userPrincipalName: userName, displayName, accountEnabled = true, passwordProfile } = user;
      requireServed(user, ['userPrincipalName', 'displayName', 'accountEnabled', 'passwordProfile'], {
        mailNickname: userName.split('@')[0],
        userType: 'Member',
      });
      requireServed(passwordProfile, ['password', 'forceChangePasswordNextSignIn']);
      const passwordHash = await directory.hashPassword(passwordProfile.password, [userName, displayName]);
      // As in Azure: not set is false.
      const mustChange = passwordProfile.forceChangePasswordNextSignIn === true;
      const { objectId } = await database.write(async (tx) => {
        const made = await directory.createUser(tx, { userName, displayName, passwordHash, mustChange });
        if (!accountEnabled) await directory.setEnabled(tx, made.objectId, false);
        return made;
      });
      return toGraph(await find('user', objectId));
    },
    async changeUser(grant, id, wanted) {
      requireServed(wanted, ['displayName', 'accountEnabled', 'passwordProfile']);
      const { displayName, accountEnabled, passwordProfile = {} } = wanted;
      requireServed(passwordProfile, ['password', 'forceChangePasswordNextSignIn']);
      const { password, forceChangePasswordNextSignIn: force } = passwordProfile;
      const user = await find('user', id);
      if (accountEnabled === false) notOneself(grant, user);
      const names = [user.name, displayName ?? user.displayName];
      const hash = password === undefined ? undefined : await directory.hashPassword(password, names);
      const change = async (tx: Tx) => {
        if (displayName !== undefined) await directory.rename(tx, user.objectId, displayName);
        if (accountEnabled !== undefined) await directory.setEnabled(tx, user.objectId, accountEnabled);
        // As in Azure: a password that somebody else gave is changed at the next sign-in, unless that is declined.
        if (hash !== undefined)
          await directory.setPasswordHash(tx, user.objectId, hash, { mustChange: force !== false });
        else if (typeof force === 'boolean') await directory.setMustChange(tx, user.objectId, force);
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
        if (thrown instanceof Failure && thrown.kind === 'unauthenticated') throw graphFailures.wrongPassword();
        throw thrown;
      }
      const hash = await directory.hashPassword(next, [user.name, user.displayName]);
      // Judging and hashing take long enough for an administrator to take the account from whoever knows the old password.
      const replaced = await database.write((tx) =>
        directory.replacePassword(tx, user.objectId, user.generation, hash),
      );
      if (replaced === undefined) throw identityFailures.AccountChanged();
    },

    async createApplication(_grant, application) {
      requireServed(application, ['displayName'], { signInAudience: 'AzureADMyOrg' });
      const { displayName } = application;
      const { objectId } = await database.write((tx) => directory.createApplication(tx, { name: displayName }));
      return whole(await find('servicePrincipal', objectId));
    },
    async servicePrincipalOf(_grant, wanted) {
      requireServed(wanted, ['appId'], { accountEnabled: true });
      const { appId } = wanted;
      const principal = await directory.findByClientId(appId);
      if (principal === undefined) throw graphFailures.Request_ResourceNotFound(appId);
      return toGraph(principal);
    },
    async changeServicePrincipal(grant, id, wanted, served) {
      requireServed(wanted, served);
      const { displayName, accountEnabled } = wanted;
      // What a resource is called is the resource's to say.
      const principal = displayName === undefined ? await find('servicePrincipal', id) : await findApplication(id);
      if (accountEnabled === false) notOneself(grant, principal);
      const change = async (tx: Tx) => {
        if (displayName !== undefined) await directory.rename(tx, principal.objectId, displayName);
        if (accountEnabled !== undefined) await directory.setEnabled(tx, principal.objectId, accountEnabled);
      };
      if (accountEnabled === false) await leaving(principal.objectId, 'disabled', change);
      else await database.write(change);
    },
    async endSignIns(_grant, id) {
      const { objectId } = await find('user', id);
      await database.write((tx) => directory.endSignIns(tx, objectId));
    },
    async addSecret(_grant, id, wanted) {
      const { passwordCredential } = wanted;
      requireServed(wanted, ['passwordCredential']);
      requireServed(passwordCredential ?? {}, ['displayName', 'startDateTime', 'endDateTime']);
      const { clientId } = await findApplication(id);
      if (Date.parse(passwordCredential?.startDateTime ?? '') > clock.epochMs() + dayMs)
        throw graphFailures.laterSecret();
      const displayName = passwordCredential?.displayName ?? undefined;
      const until = passwordCredential?.endDateTime;
      const lifetimeDays = until ? (Date.parse(until) - clock.epochMs()) / dayMs : undefined;
      const { secretId, secret, expiresAt } = await database.write((tx) =>
        directory.addSecret(tx, clientId, { displayName, ...(lifetimeDays === undefined ? {} : { lifetimeDays }) }),
      );
      return {
        keyId: secretId,
        displayName: displayName ?? null,
        secretText: secret,
        startDateTime: clock.now().toISOString(),
        endDateTime: expiresAt.toISOString(),
      };
    },
    async removeSecret(_grant, id, keyId) {
      const { clientId } = await findApplication(id);
      if (!(await database.write((tx) => directory.removeSecret(tx, clientId, keyId))))
        throw graphFailures.Request_ResourceNotFound(keyId);
    },
    async remove(grant, kind, id) {
      const principal = kind === 'user' ? await find('user', id) : await findApplication(id);
      notOneself(grant, principal);
      await leaving(principal.objectId, 'removed', (tx) => directory.removePrincipal(tx, principal.objectId));
    },
  };
}

function missingSelf(grant: Grant): never {
  throw graphFailures.Request_ResourceNotFound(grant.actor.objectId);
}
