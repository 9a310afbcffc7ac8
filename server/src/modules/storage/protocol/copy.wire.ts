// Where a copy comes from. Only a blob of this very server, read as whoever asks: a copy source is a URL that a user wrote, and
// fetching it would let him send the server anywhere.

import { readTarget } from '#kernel/http/target';
import { type Accounts, accountIdOf } from '../accounts.service.ts';
import { blobNameOf } from '../names.rules.ts';
import type { BlobRef } from '../scopes.rules.ts';
import { storageFailures } from '../storage.errors.ts';
import { accountOfHost, accountPath } from '../surface.ts';

/** Throws `invalid` CannotVerifyCopySource for anything else, InvalidHeaderValue for what is no URL. */
export function copySourceOf(url: string, accounts: Accounts, domain: string): BlobRef {
  if (!/^[a-z][a-z0-9+.-]*:/i.test(url)) throw storageFailures.InvalidHeaderValue({ target: 'x-ms-copy-source' });
  const [, host, rest] = /^https:\/\/([^/?#@]{1,255})(\/[^#]{1,8192})$/i.exec(url) ?? [];
  if (host === undefined || rest === undefined || rest.includes('?')) throw storageFailures.CannotVerifyCopySource();
  const target = readTarget(rest, host);
  // The server answers to other names too (a proxy's, an address); an account's URL is one of these two.
  const isOurs = target.host === domain || accountOfHost(target.host, domain) !== undefined;
  const [account, container, ...blob] = (isOurs ? accountPath(target, accounts, domain) : undefined) ?? [];
  if (account === undefined || container === undefined || blob.length === 0)
    throw storageFailures.CannotVerifyCopySource();
  return { account: accountIdOf(accounts, account), container, name: blobNameOf(blob.join('/')) };
}
