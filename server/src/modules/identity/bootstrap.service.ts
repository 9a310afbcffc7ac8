// First start: the tenant, its first subscription's id, the administrator and an application for automation, in one
// transaction. Credentials are answered by the call that made them, and by no later one.

import { tenantDomain } from '@strongroom/contract/identity';
import { randomToken, randomUuid } from '#kernel/crypto/random';
import type { Database } from '#kernel/database/database';
import type { Directory } from './directory.service.ts';
import * as store from './directory.store.ts';
import { generatePassword } from './passwords.service.ts';

/** Not the same for every installation: whoever wants to keep somebody out, or guess, has to know a name first. */
const nameOfAdministrator = () =>
  `admin-${randomToken(32)
    .toLowerCase()
    .replace(/[^a-km-np-z]/g, '')
    .slice(0, 5)}@${tenantDomain}`;

export type Bootstrapped = {
  readonly tenantId: string;
  readonly subscriptionId: string;
  readonly administrator: { readonly objectId: string; readonly userName: string };
  readonly automation: { readonly objectId: string; readonly clientId: string };
  /** Only on the very first start. For the operator, once. */
  readonly credentials: { readonly password: string; readonly clientSecret: string } | undefined;
};

export async function bootstrap(database: Database, directory: Directory): Promise<Bootstrapped> {
  const present = await readBootstrapped(database);
  if (present) return present;
  const password = generatePassword();
  const passwordHash = await directory.hashPassword(password);
  return await database.write(async (tx) => {
    const tenantId = randomUuid();
    const subscriptionId = randomUuid();
    const userName = nameOfAdministrator();
    const { objectId } = await directory.createUser(tx, {
      userName,
      displayName: 'Administrator',
      passwordHash,
    });
    const automation = await directory.createApplication(tx, { name: 'strongroom-automation' });
    const { secret } = await directory.addSecret(tx, automation.clientId);
    const settings = { tenantId, subscriptionId, administrator: objectId, automation: automation.objectId };
    // A second server that starts on the same new database fails here, on the primary key, and changes nothing.
    for (const [name, value] of Object.entries({ ...settings, automationClient: automation.clientId }))
      await store.writeSetting(tx, name, value);
    return {
      tenantId,
      subscriptionId,
      administrator: { objectId, userName },
      automation,
      credentials: { password, clientSecret: secret },
    };
  });
}

/** What an earlier start made, or undefined on a new database. */
export async function readBootstrapped(database: Database): Promise<Bootstrapped | undefined> {
  const setting = (name: string) => store.readSetting(database.read, name);
  const [tenantId, subscriptionId] = [await setting('tenantId'), await setting('subscriptionId')];
  const [administrator, automation] = [await setting('administrator'), await setting('automation')];
  const clientId = await setting('automationClient');
  const user = administrator === undefined ? undefined : await store.findPrincipal(database.read, administrator);
  if (!tenantId || !subscriptionId || !administrator || !automation || !clientId) return undefined;
  return {
    tenantId,
    subscriptionId,
    // Empty where the administrator of the first start was removed since.
    administrator: { objectId: administrator, userName: user?.name ?? '' },
    automation: { objectId: automation, clientId },
    credentials: undefined,
  };
}

/**
 * New credentials for what the first start made, when nobody was told the first ones (a crash before they were written down).
 * The earlier password and its sign-ins end with it; the earlier secret was known to nobody.
 */
export async function renewCredentials(
  database: Database,
  directory: Directory,
): Promise<NonNullable<Bootstrapped['credentials']>> {
  const present = await readBootstrapped(database);
  if (!present) throw new Error('there is nothing to renew before the first start');
  const password = generatePassword();
  const passwordHash = await directory.hashPassword(password);
  return await database.write(async (tx) => {
    await directory.setPasswordHash(tx, present.administrator.objectId, passwordHash);
    const { secret } = await directory.addSecret(tx, present.automation.clientId);
    return { password, clientSecret: secret };
  });
}
