// Routes of secrets. Every one is recorded as an activity with the secret's name, readings included; never with a value.

import {
  DeletedSecret,
  DeletedSecretList,
  SecretBundle,
  SecretList,
  SetSecret,
  UpdateSecret,
  VaultQuery,
  vaultLimits,
} from '@strongroom/contract/vault';
import { vaultActions } from '@strongroom/contract/vault.actions';
import type { Exchange } from '#kernel/http/exchange';
import { activity, empty, json, needs, type Params, type Route, route, whole } from '#kernel/http/route';
import type { Directory } from './directory.service.ts';
import { pageAnswer, pageQuery, type Wire } from './objects.wire.ts';
import type { Secrets } from './secrets.service.ts';

export function secretRoutes(deps: {
  readonly secrets: Secrets;
  readonly directory: Directory;
  readonly wireOf: (exchange: Exchange, vault: string) => Wire;
}): readonly Route[] {
  const { secrets, directory, wireOf } = deps;
  const surface = 'keyvault';
  const query = VaultQuery;
  const secret = (p: Params) => directory.scope(p['vault'] ?? '', 'secrets', p['name'] ?? '');
  const vault = (p: Params) => directory.scope(p['vault'] ?? '');
  const body = <S>(schema: S) =>
    ({ kind: 'json', schema, maxBytes: vaultLimits.bodyBytes, holdsSecrets: true }) as const;
  const names = (p: Params) => ({ vault: p['vault'] ?? '', name: p['name'] ?? '', version: p['version'] });

  return [
    route({
      operation: 'Secrets_Set',
      surface,
      method: 'PUT',
      path: '/vaults/{vault}/secrets/{name}',
      summary: 'Makes a secret, or a new version of it.',
      access: needs(vaultActions.setSecret, secret, whole),
      audit: activity('vault', 'name', 'attributes.enabled', 'attributes.nbf', 'attributes.exp'),
      query,
      body: body(SetSecret),
      responses: { 200: SecretBundle },
      handle: async (grant, { params, body, exchange }) => {
        const at = names(params);
        const version = await secrets.set(grant, at.vault, at.name, body);
        return json(200, wireOf(exchange, at.vault).secret(version, body.value));
      },
    }),
    route({
      operation: 'Secrets_Get',
      surface,
      method: 'GET',
      path: '/vaults/{vault}/secrets/{name}/{version?}',
      summary: 'Reads the value of a version, or of the latest.',
      access: needs(vaultActions.getSecret, secret, whole),
      audit: activity('vault', 'name', 'version'),
      query,
      responses: { 200: SecretBundle },
      handle: async (grant, { params, exchange }) => {
        const at = names(params);
        const { version, value } = await secrets.get(grant, at.vault, at.name, at.version);
        return json(200, wireOf(exchange, at.vault).secret(version, value));
      },
    }),
    route({
      operation: 'Secrets_Update',
      surface,
      method: 'PATCH',
      path: '/vaults/{vault}/secrets/{name}/{version?}',
      summary: 'Changes attributes, tags and content type of a version; never its value.',
      access: needs(vaultActions.updateSecret, secret, whole),
      goesOnWhenLow: 'it changes what is there',
      audit: activity('vault', 'name', 'version', 'attributes.enabled', 'attributes.nbf', 'attributes.exp'),
      query,
      body: body(UpdateSecret),
      responses: { 200: SecretBundle },
      handle: async (grant, { params, body, exchange }) => {
        const at = names(params);
        const version = await secrets.update(grant, at.vault, at.name, at.version, body);
        return json(200, wireOf(exchange, at.vault).secret(version));
      },
    }),
    route({
      operation: 'Secrets_Delete',
      surface,
      method: 'DELETE',
      path: '/vaults/{vault}/secrets/{name}',
      summary: 'Deletes a secret softly: it can be recovered until its retention ends.',
      access: needs(vaultActions.deleteSecret, secret, whole),
      audit: activity('vault', 'name'),
      query,
      responses: { 200: DeletedSecret },
      handle: async (grant, { params, exchange }) => {
        const at = names(params);
        const deleted = await secrets.remove(grant, at.vault, at.name);
        return json(200, wireOf(exchange, at.vault).deletedSecret(deleted));
      },
    }),
    route({
      operation: 'Secrets_List',
      surface,
      method: 'GET',
      path: '/vaults/{vault}/secrets',
      summary: 'Lists secrets without their values.',
      access: needs(vaultActions.readSecretMetadata, vault, whole),
      audit: activity('vault'),
      query,
      responses: { 200: SecretList },
      handle: async (grant, { params, query, exchange }) => {
        const at = names(params);
        const page = await secrets.list(grant, at.vault, pageQuery(query));
        const wire = wireOf(exchange, at.vault);
        return json(
          200,
          pageAnswer(exchange, page, (version) => wire.secretItem(version, false)),
        );
      },
    }),
    route({
      operation: 'Secrets_ListVersions',
      surface,
      method: 'GET',
      path: '/vaults/{vault}/secrets/{name}/versions',
      summary: 'Lists versions of a secret without their values.',
      access: needs(vaultActions.readSecretMetadata, secret, whole),
      audit: activity('vault', 'name'),
      query,
      responses: { 200: SecretList },
      handle: async (grant, { params, query, exchange }) => {
        const at = names(params);
        const page = await secrets.versions(grant, at.vault, at.name, pageQuery(query));
        const wire = wireOf(exchange, at.vault);
        return json(
          200,
          pageAnswer(exchange, page, (version) => wire.secretItem(version, true)),
        );
      },
    }),
    route({
      operation: 'DeletedSecrets_List',
      surface,
      method: 'GET',
      path: '/vaults/{vault}/deletedsecrets',
      summary: 'Lists deleted secrets that can be recovered.',
      access: needs(vaultActions.readSecretMetadata, vault, whole),
      audit: activity('vault'),
      query,
      responses: { 200: DeletedSecretList },
      handle: async (grant, { params, query, exchange }) => {
        const at = names(params);
        const page = await secrets.listDeleted(grant, at.vault, pageQuery(query));
        return json(200, pageAnswer(exchange, page, wireOf(exchange, at.vault).deletedSecretItem));
      },
    }),
    route({
      operation: 'DeletedSecrets_Get',
      surface,
      method: 'GET',
      path: '/vaults/{vault}/deletedsecrets/{name}',
      summary: 'Shows a deleted secret without its value.',
      access: needs(vaultActions.readSecretMetadata, secret, whole),
      audit: activity('vault', 'name'),
      query,
      responses: { 200: DeletedSecret },
      handle: async (grant, { params, exchange }) => {
        const at = names(params);
        const deleted = await secrets.getDeleted(grant, at.vault, at.name);
        return json(200, wireOf(exchange, at.vault).deletedSecret(deleted));
      },
    }),
    route({
      operation: 'DeletedSecrets_Recover',
      surface,
      method: 'POST',
      path: '/vaults/{vault}/deletedsecrets/{name}/recover',
      summary: 'Brings a deleted secret back with all its versions.',
      access: needs(vaultActions.recoverSecret, secret, whole),
      audit: activity('vault', 'name'),
      query,
      responses: { 200: SecretBundle },
      handle: async (grant, { params, exchange }) => {
        const at = names(params);
        const recovered = await secrets.recover(grant, at.vault, at.name);
        return json(200, wireOf(exchange, at.vault).secret(recovered));
      },
    }),
    route({
      operation: 'DeletedSecrets_Purge',
      surface,
      method: 'DELETE',
      path: '/vaults/{vault}/deletedsecrets/{name}',
      summary: 'Destroys a deleted secret for good; refused under purge protection.',
      access: needs(vaultActions.purgeSecret, secret, whole),
      audit: activity('vault', 'name'),
      query,
      handle: async (grant, { params }) => {
        const at = names(params);
        await secrets.purge(grant, at.vault, at.name);
        return empty(204);
      },
    }),
  ];
}
