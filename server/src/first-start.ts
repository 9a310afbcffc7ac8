// What happens once in the life of an installation: it tells how to sign in, and its first two principals become Owners.
// That it happened is kept in the keyring, so that a start which was cut off before goes on, and a later one does nothing.

import { resolve } from 'node:path';
import { accessActions } from '@strongroom/contract/access.actions';
import { type Access, accessDuties } from '#access';
import type { Bootstrapped, Identity } from '#identity';
import type { Acts } from '#kernel/authority/perform';
import type { Files } from '#kernel/files/files';
import type { Keyring } from '#kernel/sealing/keyring';
import { installationFailures } from './installation.errors.ts';

const announced = 'first-start/announced';
const ownersMade = 'first-start/owners';

/**
 * Where nobody reads along (a journal, a file, a pipe) the two credentials would be kept by whoever keeps what is printed.
 * @throws Failure `conflict` at a first start
 */
export async function refuseToTellAJournal(keyring: Keyring): Promise<void> {
  if ((await keyring.get(announced)) !== undefined) return;
  throw installationFailures.BootstrapFileNeeded();
}

/** Only what nobody was told yet: at the first start, or after one that ended before it could tell. */
export async function tellHowToSignIn(
  deps: { readonly keyring: Keyring; readonly identity: Pick<Identity, 'renewCredentials'> },
  bootstrapped: Bootstrapped,
  to: Telling,
): Promise<void> {
  if ((await deps.keyring.get(announced)) !== undefined) return;
  const credentials = bootstrapped.credentials ?? (await deps.identity.renewCredentials());
  await tell(bootstrapped, credentials, to);
  await deps.keyring.put(announced, Buffer.from('1'));
}

/** Once, and never again: a role that somebody took away stays away. */
export async function makeOwners(
  deps: {
    readonly keyring: Keyring;
    readonly access: Pick<Access, 'bootstrapOwner'>;
    readonly acts: Pick<Acts, 'duty'>;
  },
  { administrator, automation, subscriptionId }: Bootstrapped,
): Promise<void> {
  if ((await deps.keyring.get(ownersMade)) !== undefined) return;
  const owners = [administrator.objectId, automation.objectId];
  const facts = {
    operation: 'FirstStart_MakeOwners',
    action: accessActions.writeRoleAssignments,
    scope: `/subscriptions/${subscriptionId}`,
    parameters: { owners: owners.join(', ') },
  };
  await deps.acts.duty(accessDuties.makeFirstOwners, facts, (grant) =>
    deps.access.bootstrapOwner(grant, owners, subscriptionId),
  );
  await deps.keyring.put(ownersMade, Buffer.from('1'));
}

type Telling = {
  readonly url: string;
  readonly caFile: string;
  readonly location: string;
  /** Undefined: on standard output. */
  readonly bootstrapFile: string | undefined;
  readonly print: (line: string) => void;
  readonly files: Files;
};

/** On standard output, or for programs in a file that only its owner reads. */
async function tell(
  bootstrapped: Bootstrapped,
  credentials: { readonly password: string; readonly clientSecret: string },
  to: Telling,
): Promise<void> {
  if (to.bootstrapFile === undefined) {
    to.print(`This is the first start. Keep what follows; it is not shown again.`);
    to.print(`  sign in as   ${bootstrapped.administrator.userName}`);
    to.print(`  password     ${credentials.password}`);
    to.print(`  application  ${bootstrapped.automation.clientId} (Owner of the subscription, for automation)`);
    to.print(`  secret       ${credentials.clientSecret}`);
    to.print(`  trust        ${to.caFile}`);
    return;
  }
  const content = {
    url: to.url,
    caFile: to.caFile,
    tenantId: bootstrapped.tenantId,
    subscriptionId: bootstrapped.subscriptionId,
    location: to.location,
    administrator: { userName: bootstrapped.administrator.userName, password: credentials.password },
    application: {
      clientId: bootstrapped.automation.clientId,
      clientSecret: credentials.clientSecret,
      objectId: bootstrapped.automation.objectId,
    },
  };
  await to.files.writeDurably(resolve(to.bootstrapFile), Buffer.from(`${JSON.stringify(content, null, 2)}\n`), {
    mode: 0o600,
  });
  to.print(`This is the first start. How to sign in is in ${to.bootstrapFile} (readable by you only).`);
}
