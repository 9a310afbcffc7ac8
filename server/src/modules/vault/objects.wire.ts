// Stored versions as the Key Vault protocol shows them. Ids are in the form of the request's host; what is not set is left out;
// a listing never has a value.

import { vaultLimits } from '@strongroom/contract/vault';
import type { Exchange } from '#kernel/http/exchange';
import type { Vault } from './directory.service.ts';
import type { KeyVersion } from './keys.service.ts';
import type { DeletedVersion, Page, PageQuery, StoredVersion } from './objects.service.ts';
import type { Collection } from './objects.store.ts';
import type { SecretDetail } from './secrets.service.ts';
import { vaultFailures } from './vault.errors.ts';

/** `base` is what ids begin with: `https://{host}`. */
export type Wire = {
  secret(version: StoredVersion, value?: string): unknown;
  deletedSecret(version: DeletedVersion): unknown;
  /** In a list of secrets ids have no version; in a list of versions they do. */
  secretItem(version: StoredVersion, withVersion: boolean): unknown;
  deletedSecretItem(version: DeletedVersion): unknown;
  key(version: KeyVersion): unknown;
  deletedKey(version: DeletedVersion & KeyVersion): unknown;
  keyItem(version: StoredVersion, withVersion: boolean): unknown;
  deletedKeyItem(version: DeletedVersion): unknown;
  keyId(version: StoredVersion): string;
};

export function createWire(base: string, vault: Pick<Vault, 'retentionDays' | 'purgeProtection'>): Wire {
  const id = (collection: Collection, version: StoredVersion, withVersion = true) =>
    `${base}/${collection}/${version.name}${withVersion ? `/${version.version}` : ''}`;
  const common = (version: StoredVersion) => ({
    attributes: {
      enabled: version.enabled,
      ...(version.notBefore === undefined ? {} : { nbf: version.notBefore }),
      ...(version.expires === undefined ? {} : { exp: version.expires }),
      created: seconds(version.createdAtMs),
      updated: seconds(version.updatedAtMs),
      recoveryLevel: recoveryLevel(vault),
      recoverableDays: vault.retentionDays,
    },
    ...(Object.keys(version.tags).length === 0 ? {} : { tags: version.tags }),
  });
  const contentType = (version: StoredVersion) => {
    // What the secrets service wrote is a SecretDetail.
    const { contentType: type } = version.detail as SecretDetail;
    return type === undefined ? {} : { contentType: type };
  };
  const deletion = (collection: Collection, version: DeletedVersion) => ({
    recoveryId: `${base}/deleted${collection}/${version.name}`,
    deletedDate: seconds(version.deletion.deletedAtMs),
    scheduledPurgeDate: seconds(version.deletion.purgeAtMs),
  });

  const wire: Wire = {
    secret: (version, value) => ({
      ...(value === undefined ? {} : { value }),
      id: id('secrets', version),
      ...contentType(version),
      ...common(version),
    }),
    secretItem: (version, withVersion) => ({
      id: id('secrets', version, withVersion),
      ...contentType(version),
      ...common(version),
    }),
    deletedSecret: (version) => ({
      ...deletion('secrets', version),
      id: id('secrets', version),
      ...contentType(version),
      ...common(version),
    }),
    deletedSecretItem: (version) => ({
      ...deletion('secrets', version),
      id: id('secrets', version, false),
      ...contentType(version),
      ...common(version),
    }),
    key: (version) => ({
      key: {
        kid: id('keys', version),
        kty: version.detail.kty,
        key_ops: version.detail.operations,
        n: version.detail.n,
        e: version.detail.e,
      },
      ...withExportable(common(version)),
    }),
    deletedKey: (version) => ({
      ...deletion('keys', version),
      key: {
        kid: id('keys', version),
        kty: version.detail.kty,
        key_ops: version.detail.operations,
        n: version.detail.n,
        e: version.detail.e,
      },
      ...withExportable(common(version)),
    }),
    keyItem: (version, withVersion) => ({
      kid: id('keys', version, withVersion),
      ...withExportable(common(version)),
    }),
    deletedKeyItem: (version) => ({
      ...deletion('keys', version),
      kid: id('keys', version, false),
      ...withExportable(common(version)),
    }),
    keyId: (version) => id('keys', version),
  };
  return wire;
}

const seconds = (milliseconds: number) => Math.floor(milliseconds / 1000);

const withExportable = <T extends { readonly attributes: object }>(bundle: T) => ({
  ...bundle,
  attributes: { ...bundle.attributes, exportable: false },
});

function recoveryLevel({ retentionDays, purgeProtection }: Pick<Vault, 'retentionDays' | 'purgeProtection'>): string {
  return `${retentionDays < 90 ? 'CustomizedRecoverable' : 'Recoverable'}${purgeProtection ? '' : '+Purgeable'}`;
}

// ---- pages ----------------------------------------------------------------------------------------------------------

type ListQuery = {
  readonly maxresults?: string | undefined;
  readonly $skiptoken?: string | undefined;
};

/** Throws for a page size outside 1 to 25 and for a token that no answer held. */
export function pageQuery(query: ListQuery): PageQuery {
  const size = Number(query.maxresults ?? vaultLimits.pageSize);
  if (size < 1 || size > vaultLimits.pageSize) throw vaultFailures.pageSize(vaultLimits.pageSize);
  const token = query.$skiptoken ?? '';
  const after = Buffer.from(token, 'base64url').toString('latin1');
  if (!/^[0-9a-z-]{0,127}$/i.test(after)) throw vaultFailures.skipToken();
  return { size, after };
}

/** The body of a list answer. `nextLink` repeats the request's own path, so that it arrives where the request did. */
export function pageAnswer<T>(exchange: Exchange, page: Page<T>, item: (version: T) => unknown): unknown {
  const { target } = exchange;
  const query = new URLSearchParams();
  for (const name of ['api-version', 'maxresults']) {
    const value = target.query.get(name);
    if (value !== undefined) query.set(name, value);
  }
  if (page.next !== undefined) query.set('$skiptoken', Buffer.from(page.next, 'latin1').toString('base64url'));
  return {
    value: page.items.map(item),
    nextLink: page.next === undefined ? null : `${target.origin}${target.rawPath}?${query}`,
  };
}
