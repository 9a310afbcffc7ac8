// Where a copy comes from. Only a blob of the same account on this very server: a copy source is a URL that a user wrote,
// and fetching it would let him send the server anywhere.

import { readTarget } from '#kernel/http/target';
import type { Accounts } from '../accounts.ts';
import { failure } from '../errors.ts';
import type { BlobRef } from '../scopes.ts';
import { accountPath } from '../surface.ts';

/** Throws `invalid` CannotVerifyCopySource for anything else. `account` is the name of the one that is copied into. */
export function copySourceOf(url: string, account: string, accounts: Accounts, domain: string): BlobRef {
  const [, host, rest] = /^https:\/\/([^/?#@]{1,255})(\/[^#]{1,8192})$/i.exec(url) ?? [];
  if (host === undefined || rest === undefined || rest.includes('?')) throw failure('CannotVerifyCopySource');
  const target = readTarget(rest, host);
  const path = isOurs(target.host, account, domain) ? accountPath(target, accounts, domain) : undefined;
  const [name, container, ...blob] = path ?? [];
  const source = accounts.byName(account);
  if (name !== account || source === undefined || container === undefined || blob.length === 0)
    throw failure('CannotVerifyCopySource');
  return { account: source.id, container, name: blob.join('/') };
}

const isOurs = (host: string, account: string, domain: string) =>
  host === domain || host === `${account}.blob.storage.${domain}`;
