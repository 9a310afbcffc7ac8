// The ids that are decided on. A grant for one container opens no other, and one for a blob or a folder of blobs none
// beside it. Below the container names count exactly: unlike resource ids, blob names differ by case and by slashes.

import type { Grant } from '#kernel/authority/grant';
import { idKey, isWithin } from '#kernel/ids/ids';
import { storageFailures } from './storage.errors.ts';

/** A blob: `account` is the resource id of its storage account. */
export type BlobRef = { readonly account: string; readonly container: string; readonly name: string };
export type ContainerRef = { readonly account: string; readonly container: string };

export const containerScope = (ref: ContainerRef): string =>
  `${ref.account}/blobServices/default/containers/${ref.container}`;

export const blobScope = (ref: BlobRef): string => `${containerScope(ref)}/blobs/${ref.name}`;

export function requireAccountScope(grant: Grant, account: string): void {
  if (!isWithin(account, grant.scope)) throw storageFailures.AuthorizationPermissionMismatch();
}

/** @param name a blob's name or a prefix that a listing is confined to */
export function requireScope(grant: Grant, ref: ContainerRef, name = ''): void {
  const container = containerScope(ref);
  if (isWithin(container, grant.scope)) return;
  const above = `${container}/blobs/`;
  if (idKey(grant.scope.slice(0, above.length)) !== idKey(above) || grant.scope[above.length - 1] !== '/')
    throw storageFailures.AuthorizationPermissionMismatch();
  const granted = grant.scope.slice(above.length);
  if (granted === '' || (name !== granted && !name.startsWith(granted.endsWith('/') ? granted : `${granted}/`)))
    throw storageFailures.AuthorizationPermissionMismatch();
}
