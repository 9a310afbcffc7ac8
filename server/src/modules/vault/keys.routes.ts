// Routes of keys. Every one is recorded as an activity with the key's name, uses included; never with what was encrypted or signed.

import {
  CreateKey,
  DeletedKey,
  DeletedKeyList,
  ImportKey,
  KeyBundle,
  KeyList,
  KeyOperation,
  KeyOperationResult,
  UpdateKey,
  VaultQuery,
  VerifyResult,
  VerifySignature,
  vaultLimits,
} from '@strongroom/contract/vault';
import { vaultActions } from '@strongroom/contract/vault.actions';
import type { Exchange } from '#kernel/http/exchange';
import { activity, empty, json, needs, type Params, type Route, route, whole } from '#kernel/http/route';
import type { Directory } from './directory.service.ts';
import { type Keys, keyVersion } from './keys.service.ts';
import { pageAnswer, pageQuery, type Wire } from './objects.wire.ts';

const bytes = (text: string) => Buffer.from(text, 'base64url');

export function keyRoutes(deps: {
  readonly keys: Keys;
  readonly directory: Directory;
  readonly wireOf: (exchange: Exchange, vault: string) => Wire;
}): readonly Route[] {
  const { keys, directory, wireOf } = deps;
  const surface = 'keyvault';
  const query = VaultQuery;
  const key = (p: Params) => directory.scope(p['vault'] ?? '', 'keys', p['name'] ?? '');
  const vault = (p: Params) => directory.scope(p['vault'] ?? '');
  const body = <S>(schema: S) =>
    ({ kind: 'json', schema, maxBytes: vaultLimits.bodyBytes, holdsSecrets: true }) as const;
  const names = (p: Params) => ({ vault: p['vault'] ?? '', name: p['name'] ?? '', version: p['version'] });
  const attributes = ['attributes.enabled', 'attributes.nbf', 'attributes.exp'] as const;

  const manage: readonly Route[] = [
    route({
      operation: 'Keys_Create',
      surface,
      method: 'POST',
      path: '/vaults/{vault}/keys/{name}/create',
      summary: 'Generates a key, or a new version of it.',
      access: needs(vaultActions.createKey, key, whole),
      audit: activity('vault', 'name', 'kty', 'key_size', ...attributes),
      query,
      body: body(CreateKey),
      responses: { 200: KeyBundle },
      handle: async (grant, { params, body, exchange }) => {
        const at = names(params);
        return json(200, wireOf(exchange, at.vault).key(await keys.create(grant, at.vault, at.name, body)));
      },
    }),
    route({
      operation: 'Keys_Import',
      surface,
      method: 'PUT',
      path: '/vaults/{vault}/keys/{name}',
      summary: 'Imports a private key as a new version.',
      access: needs(vaultActions.importKey, key, whole),
      audit: activity('vault', 'name', 'key.kty', ...attributes),
      query,
      body: body(ImportKey),
      responses: { 200: KeyBundle },
      handle: async (grant, { params, body, exchange }) => {
        const at = names(params);
        return json(200, wireOf(exchange, at.vault).key(await keys.import(grant, at.vault, at.name, body)));
      },
    }),
    route({
      operation: 'Keys_Rotate',
      surface,
      method: 'POST',
      path: '/vaults/{vault}/keys/{name}/rotate',
      summary: 'Generates a new version like the latest.',
      access: needs(vaultActions.rotateKey, key, whole),
      audit: activity('vault', 'name'),
      query,
      responses: { 200: KeyBundle },
      handle: async (grant, { params, exchange }) => {
        const at = names(params);
        return json(200, wireOf(exchange, at.vault).key(await keys.rotate(grant, at.vault, at.name)));
      },
    }),
    route({
      operation: 'Keys_Get',
      surface,
      method: 'GET',
      path: '/vaults/{vault}/keys/{name}/{version?}',
      summary: 'Shows the public half of a version, or of the latest.',
      access: needs(vaultActions.readKey, key, whole),
      audit: activity('vault', 'name', 'version'),
      query,
      responses: { 200: KeyBundle },
      handle: async (grant, { params, exchange }) => {
        const at = names(params);
        return json(200, wireOf(exchange, at.vault).key(await keys.get(grant, at.vault, at.name, at.version)));
      },
    }),
    route({
      operation: 'Keys_Update',
      surface,
      method: 'PATCH',
      path: '/vaults/{vault}/keys/{name}/{version?}',
      summary: 'Changes attributes, operations and tags of a version.',
      access: needs(vaultActions.updateKey, key, whole),
      goesOnWhenLow: 'it changes what is there',
      audit: activity('vault', 'name', 'version', ...attributes),
      query,
      body: body(UpdateKey),
      responses: { 200: KeyBundle },
      handle: async (grant, { params, body, exchange }) => {
        const at = names(params);
        const version = await keys.update(grant, at.vault, at.name, at.version, body);
        return json(200, wireOf(exchange, at.vault).key(version));
      },
    }),
    route({
      operation: 'Keys_Delete',
      surface,
      method: 'DELETE',
      path: '/vaults/{vault}/keys/{name}',
      summary: 'Deletes a key softly: it can be recovered until its retention ends, and cannot be used meanwhile.',
      access: needs(vaultActions.deleteKey, key, whole),
      audit: activity('vault', 'name'),
      query,
      responses: { 200: DeletedKey },
      handle: async (grant, { params, exchange }) => {
        const at = names(params);
        const deleted = await keys.remove(grant, at.vault, at.name);
        return json(200, wireOf(exchange, at.vault).deletedKey({ ...deleted, ...keyVersion(deleted) }));
      },
    }),
    route({
      operation: 'Keys_List',
      surface,
      method: 'GET',
      path: '/vaults/{vault}/keys',
      summary: 'Lists keys.',
      access: needs(vaultActions.readKey, vault, whole),
      audit: activity('vault'),
      query,
      responses: { 200: KeyList },
      handle: async (grant, { params, query, exchange }) => {
        const at = names(params);
        const page = await keys.list(grant, at.vault, pageQuery(query));
        const wire = wireOf(exchange, at.vault);
        return json(
          200,
          pageAnswer(exchange, page, (version) => wire.keyItem(version, false)),
        );
      },
    }),
    route({
      operation: 'Keys_ListVersions',
      surface,
      method: 'GET',
      path: '/vaults/{vault}/keys/{name}/versions',
      summary: 'Lists versions of a key.',
      access: needs(vaultActions.readKey, key, whole),
      audit: activity('vault', 'name'),
      query,
      responses: { 200: KeyList },
      handle: async (grant, { params, query, exchange }) => {
        const at = names(params);
        const page = await keys.versions(grant, at.vault, at.name, pageQuery(query));
        const wire = wireOf(exchange, at.vault);
        return json(
          200,
          pageAnswer(exchange, page, (version) => wire.keyItem(version, true)),
        );
      },
    }),
    route({
      operation: 'DeletedKeys_List',
      surface,
      method: 'GET',
      path: '/vaults/{vault}/deletedkeys',
      summary: 'Lists deleted keys that can be recovered.',
      access: needs(vaultActions.readKey, vault, whole),
      audit: activity('vault'),
      query,
      responses: { 200: DeletedKeyList },
      handle: async (grant, { params, query, exchange }) => {
        const at = names(params);
        const page = await keys.listDeleted(grant, at.vault, pageQuery(query));
        return json(200, pageAnswer(exchange, page, wireOf(exchange, at.vault).deletedKeyItem));
      },
    }),
    route({
      operation: 'DeletedKeys_Get',
      surface,
      method: 'GET',
      path: '/vaults/{vault}/deletedkeys/{name}',
      summary: 'Shows a deleted key.',
      access: needs(vaultActions.readKey, key, whole),
      audit: activity('vault', 'name'),
      query,
      responses: { 200: DeletedKey },
      handle: async (grant, { params, exchange }) => {
        const at = names(params);
        const deleted = await keys.getDeleted(grant, at.vault, at.name);
        return json(200, wireOf(exchange, at.vault).deletedKey({ ...deleted, ...keyVersion(deleted) }));
      },
    }),
    route({
      operation: 'DeletedKeys_Recover',
      surface,
      method: 'POST',
      path: '/vaults/{vault}/deletedkeys/{name}/recover',
      summary: 'Brings a deleted key back with all its versions.',
      access: needs(vaultActions.recoverKey, key, whole),
      audit: activity('vault', 'name'),
      query,
      responses: { 200: KeyBundle },
      handle: async (grant, { params, exchange }) => {
        const at = names(params);
        return json(200, wireOf(exchange, at.vault).key(await keys.recover(grant, at.vault, at.name)));
      },
    }),
    route({
      operation: 'DeletedKeys_Purge',
      surface,
      method: 'DELETE',
      path: '/vaults/{vault}/deletedkeys/{name}',
      summary: 'Destroys a deleted key, and what was encrypted with it, for good; refused under purge protection.',
      access: needs(vaultActions.purgeKey, key, whole),
      audit: activity('vault', 'name'),
      query,
      handle: async (grant, { params }) => {
        const at = names(params);
        await keys.purge(grant, at.vault, at.name);
        return empty(204);
      },
    }),
  ];

  // A client that holds a key id without a version sends an empty segment, which is dropped: the same operation on the latest.
  const forms = [
    { suffix: '', path: '/vaults/{vault}/keys/{name}/{version}', named: ['vault', 'name', 'version'] },
    { suffix: 'WithLatest', path: '/vaults/{vault}/keys/{name}', named: ['vault', 'name'] },
  ] as const;
  const uses = [
    { word: 'encrypt', operation: 'encrypt', action: vaultActions.encrypt, summary: 'Encrypts with the public half.' },
    { word: 'decrypt', operation: 'decrypt', action: vaultActions.decrypt, summary: 'Decrypts.' },
    { word: 'wrapkey', operation: 'wrapKey', action: vaultActions.wrapKey, summary: 'Wraps another key.' },
    { word: 'unwrapkey', operation: 'unwrapKey', action: vaultActions.unwrapKey, summary: 'Unwraps another key.' },
    { word: 'sign', operation: 'sign', action: vaultActions.sign, summary: 'Signs a digest.' },
  ] as const;

  const use = forms.flatMap(({ suffix, path, named }) => [
    ...uses.map(({ word, operation, action, summary }) =>
      route({
        operation: `Keys_${word}${suffix}`,
        surface,
        method: 'POST',
        path: `${path}/${word}`,
        summary,
        access: needs(action, key, whole),
        goesOnWhenLow: 'it stores nothing',
        audit: activity(...named, 'alg'),
        query,
        body: body(KeyOperation),
        responses: { 200: KeyOperationResult },
        handle: async (grant, { params, body: { alg, value }, exchange }) => {
          const at = names(params);
          const done = await keys.operate(grant, at.vault, at, operation, { algorithm: alg, value: bytes(value) });
          const result = Buffer.from(done.value).toString('base64url');
          return json(200, { kid: wireOf(exchange, at.vault).keyId(done.version), value: result });
        },
      }),
    ),
    route({
      operation: `Keys_verify${suffix}`,
      surface,
      method: 'POST',
      path: `${path}/verify`,
      summary: 'Verifies a signature over a digest.',
      access: needs(vaultActions.verify, key, whole),
      goesOnWhenLow: 'it stores nothing',
      audit: activity(...named, 'alg'),
      query,
      body: body(VerifySignature),
      responses: { 200: VerifyResult },
      handle: async (grant, { params, body: { alg, digest, value } }) => {
        const at = names(params);
        const input = { algorithm: alg, digest: bytes(digest), signature: bytes(value) };
        return json(200, { value: await keys.verify(grant, at.vault, at, input) });
      },
    }),
  ]);

  return [...manage, ...use];
}
