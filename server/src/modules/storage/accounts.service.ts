// The accounts of this server in memory, by name and by resource id. Names are unique over the whole server, because a
// name is a host and a path. The resource kind keeps this current; nothing else writes it.

import { idKey } from '#kernel/ids/ids';
import { storageFailures } from './storage.errors.ts';

export type Account = {
  /** Resource id in the casing that it was made with. */
  readonly id: string;
  readonly name: string;
  /** Names the folder on disk and owns the data keys; never reused. */
  readonly uniqueId: string;
};

export type Accounts = {
  byName(name: string): Account | undefined;
  /** Throws `notFound`. */
  byId(id: string): Account;
  /** Whether another resource holds the name. */
  isTaken(name: string, id: string): boolean;
  /** False when another resource holds the name; nothing is changed then. */
  add(account: Account): boolean;
  remove(id: string): void;
};

/** The id of an account by its name; for a name that there is not, an id that nothing was granted at. */
export const accountIdOf = (accounts: Pick<Accounts, 'byName'>, name: string): string =>
  accounts.byName(name)?.id ?? `/providers/Microsoft.Storage/storageAccounts/${name}`;

export function createAccounts(): Accounts {
  const names = new Map<string, Account>();
  const ids = new Map<string, Account>();
  const isTaken = (name: string, id: string) => {
    const holder = names.get(name);
    return holder !== undefined && idKey(holder.id) !== idKey(id);
  };
  return {
    isTaken,
    byName: (name) => names.get(name),
    byId(id) {
      const account = ids.get(idKey(id));
      if (account === undefined) throw storageFailures.ResourceNotFound();
      return account;
    },
    add(account) {
      if (isTaken(account.name, account.id)) return false;
      names.set(account.name, account);
      ids.set(idKey(account.id), account);
      return true;
    },
    remove(id) {
      const account = ids.get(idKey(id));
      if (account === undefined) return;
      ids.delete(idKey(id));
      names.delete(account.name);
    },
  };
}
