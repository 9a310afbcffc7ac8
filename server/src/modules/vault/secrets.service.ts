// Secrets: values of at most 25 KB with a content type. Promises: a value is answered by `get` and by nothing else; a disabled
// version does not show its value. Times before or after which a secret should not be used are for its users to respect:
// the value is still served, as Azure does, so that what was encrypted with it can be read.

import { type AttributesInput, vaultLimits } from '@strongroom/contract/vault';
import type { Grant } from '#kernel/authority/grant';
import type { Directory, Vault } from './directory.service.ts';
import type { Material } from './material.service.ts';
import type { DeletedVersion, Objects, Page, PageQuery, StoredVersion, Tags } from './objects.service.ts';
import { vaultFailures } from './vault.errors.ts';

export type SecretDetail = { readonly contentType: string | undefined };

export type SecretChange = {
  readonly contentType?: string | null | undefined;
  readonly attributes?: AttributesInput | null | undefined;
  readonly tags?: Tags | null | undefined;
};

export type Secrets = {
  set(
    grant: Grant,
    vault: string,
    name: string,
    input: SecretChange & { readonly value: string },
  ): Promise<StoredVersion>;
  get(
    grant: Grant,
    vault: string,
    name: string,
    version: string | undefined,
  ): Promise<{ readonly version: StoredVersion; readonly value: string }>;
  /** That there is a value which `get` would answer. Throws what `get` throws, and opens nothing. */
  check(grant: Grant, vault: string, name: string, version: string | undefined): Promise<void>;
  update(
    grant: Grant,
    vault: string,
    name: string,
    version: string | undefined,
    change: SecretChange,
  ): Promise<StoredVersion>;
  list(grant: Grant, vault: string, query: PageQuery): Promise<Page<StoredVersion>>;
  versions(grant: Grant, vault: string, name: string, query: PageQuery): Promise<Page<StoredVersion>>;
  remove(grant: Grant, vault: string, name: string): Promise<DeletedVersion>;
  getDeleted(grant: Grant, vault: string, name: string): Promise<DeletedVersion>;
  listDeleted(grant: Grant, vault: string, query: PageQuery): Promise<Page<DeletedVersion>>;
  recover(grant: Grant, vault: string, name: string): Promise<StoredVersion>;
  purge(grant: Grant, vault: string, name: string): Promise<void>;
};

export function createSecrets(options: {
  readonly directory: Directory;
  readonly objects: Objects;
  readonly material: Material;
}): Secrets {
  const { directory, objects, material: sealed } = options;
  const at = (grant: Grant, vault: string): Vault => directory.granted(grant, vault);

  async function readable(held: Vault, name: string, version: string | undefined): Promise<StoredVersion> {
    const found = await objects.get(held, name, version);
    if (!found.enabled) throw vaultFailures.SecretDisabled('get');
    return found;
  }

  return {
    async set(grant, vault, name, { value, contentType, attributes, tags }) {
      const material = Buffer.from(value, 'utf8');
      if (material.length > vaultLimits.secretBytes) throw vaultFailures.secretTooLong(vaultLimits.secretBytes);
      // A lone surrogate would come back as another character.
      if (!value.isWellFormed()) throw vaultFailures.secretMalformed();
      const detail = detailOf(contentType);
      const held = at(grant, vault);
      return await objects.add(held, name, {
        ...{ attributes, tags, detail },
        async keep() {
          const seal = await sealed.sealer(held.uniqueId);
          return (place) => seal(place, material);
        },
      });
    },

    async get(grant, vault, name, version) {
      const held = at(grant, vault);
      const found = await readable(held, name, version);
      const material = await sealed.open({
        ...{ vault: held.uniqueId, collection: 'secrets', name: found.name },
        ...{ number: found.number, version: found.version },
      });
      return { version: found, value: Buffer.from(material).toString('utf8') };
    },

    check: async (grant, vault, name, version) => void (await readable(at(grant, vault), name, version)),

    update: async (grant, vault, name, version, { contentType, attributes, tags }) =>
      await objects.update(at(grant, vault), name, version, {
        attributes,
        tags,
        detail: (present) => (contentType === undefined ? present : detailOf(contentType)),
      }),

    list: async (grant, vault, query) => await objects.list(at(grant, vault), query),
    versions: async (grant, vault, name, query) => await objects.versions(at(grant, vault), name, query),
    remove: async (grant, vault, name) => await objects.remove(at(grant, vault), name),
    getDeleted: async (grant, vault, name) => await objects.getDeleted(at(grant, vault), name),
    listDeleted: async (grant, vault, query) => await objects.listDeleted(at(grant, vault), query),
    recover: async (grant, vault, name) => await objects.recover(at(grant, vault), name),
    purge: async (grant, vault, name) => await objects.purge(at(grant, vault), name),
  };
}

function detailOf(contentType: string | null | undefined): SecretDetail {
  if ((contentType?.length ?? 0) > vaultLimits.contentTypeLength)
    throw vaultFailures.contentTypeTooLong(vaultLimits.contentTypeLength);
  return { contentType: contentType ?? undefined };
}
