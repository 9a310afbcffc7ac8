// Manifests, tags, referrers and the catalog over HTTP. Source: OCI distribution specification 1.1.

import { Catalog, registryLimits, TagList } from '@strongroom/contract/registry';
import { registryActions as actions } from '@strongroom/contract/registry.actions';
import { accessed, empty, json, listing, needs, type Route, route, whole } from '#kernel/http/route';
import type { CatalogService } from './catalog.service.ts';
import { mediaTypes } from './manifest.rules.ts';
import type { Manifests } from './manifests.service.ts';
import type { Registries } from './registries.service.ts';
import { addressOf, nameOf, nextPage, pageSizeOf, refOf, scopeOf } from './requests.wire.ts';

export function manifestRoutes(deps: {
  readonly registries: Registries;
  readonly manifests: Manifests;
  readonly catalog: CatalogService;
}): readonly Route[] {
  const { registries, manifests, catalog } = deps;
  const scope = scopeOf(registries);
  const common = { surface: 'oci', audit: accessed('registry', 'repository', 'reference') } as const;
  const pulls = { ...common, access: needs(actions.pull, scope, whole) };
  const path = '/manifests/{registry}/{repository}/{reference}';

  return [
    route({
      ...pulls,
      operation: 'Oci_GetManifest',
      method: 'GET',
      path,
      summary: 'A manifest, by tag or digest; HEAD asks for its headers alone.',
      async handle(grant, { params }) {
        const manifest = await manifests.get(grant, refOf(registries, params), params['reference'] ?? '');
        const { digest, mediaType, bytes } = manifest;
        const headers = {
          'docker-content-digest': digest,
          etag: `"${digest}"`,
          'content-length': String(bytes.length),
        };
        return { status: 200, headers, contentType: mediaType, body: Buffer.from(bytes) };
      },
    }),
    route({
      ...common,
      access: needs(actions.push, scope, whole),
      operation: 'Oci_PutManifest',
      method: 'PUT',
      path,
      summary: 'Stores a manifest under its digest, and lets a tag point to it.',
      body: { kind: 'bytes', maxBytes: registryLimits.manifestBytes },
      async handle(grant, { params, exchange, body }) {
        const ref = refOf(registries, params);
        const contentType = exchange.header('content-type') ?? '';
        const { digest, subject } = await manifests.put(grant, ref, params['reference'] ?? '', contentType, body);
        return empty(201, {
          location: addressOf(params, `manifests/${digest}`),
          'docker-content-digest': digest,
          ...(subject === undefined ? {} : { 'oci-subject': subject }),
        });
      },
    }),
    route({
      ...common,
      access: needs(actions.deleteArtifacts, scope, whole),
      operation: 'Oci_DeleteManifest',
      method: 'DELETE',
      path,
      summary: 'Takes a manifest away with its tags, or a tag alone.',
      async handle(grant, { params }) {
        await manifests.remove(grant, refOf(registries, params), params['reference'] ?? '');
        return empty(202);
      },
    }),
    route({
      ...pulls,
      operation: 'Oci_ListTags',
      method: 'GET',
      path: '/tags/{registry}/{repository}',
      summary: 'The tags of a repository, in order.',
      responses: { 200: TagList },
      async handle(grant, { params, exchange }) {
        const limit = pageSizeOf(exchange, registryLimits.pageSize);
        const after = exchange.target.query.get('last') ?? '';
        const { items, next } = await manifests.listTags(grant, refOf(registries, params), { after, limit });
        const link =
          next === undefined ? {} : nextPage(addressOf(params, 'tags/list'), { n: String(limit), last: next });
        return json(200, { name: nameOf(params), tags: items }, link);
      },
    }),
    route({
      ...pulls,
      operation: 'Oci_ListReferrers',
      method: 'GET',
      path: '/referrers/{registry}/{repository}/{digest}',
      summary: 'The manifests that are attached to another one.',
      async handle(grant, { params, exchange }) {
        const { query } = exchange.target;
        const subject = params['digest'] ?? '';
        const artifactType = query.get('artifactType');
        const limit = Math.max(1, pageSizeOf(exchange, registryLimits.pageSize));
        const page = { subject, artifactType, after: query.get('last') ?? '', limit };
        const { items, next } = await manifests.listReferrers(grant, refOf(registries, params), page);
        const filter = artifactType === undefined ? {} : { artifactType };
        return {
          status: 200,
          contentType: mediaTypes.ociIndex,
          body: JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: items }),
          headers: {
            ...(artifactType === undefined ? {} : { 'oci-filters-applied': 'artifactType' }),
            ...(next === undefined
              ? {}
              : nextPage(addressOf(params, `referrers/${subject}`), { ...filter, n: String(limit), last: next })),
          },
        };
      },
    }),
    route({
      surface: 'oci',
      audit: accessed(),
      access: listing(actions.pull, () => '/'),
      operation: 'Oci_ListRepositories',
      method: 'GET',
      path: '/_catalog',
      summary: 'The repositories that the caller may pull, of every registry.',
      responses: { 200: Catalog },
      async handle(grant, { exchange }) {
        const limit = pageSizeOf(exchange, registryLimits.pageSize);
        const { items, next } = await catalog.list(grant, { after: exchange.target.query.get('last') ?? '', limit });
        const link = next === undefined ? {} : nextPage('/v2/_catalog', { n: String(limit), last: next });
        return json(200, { repositories: items }, link);
      },
    }),
  ];
}
