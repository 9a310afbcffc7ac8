// Azure's own view of images over HTTP, below `/acr/v1`. Source: Azure container registry data plane, api-version 2021-07-01.
// Nothing is ever locked here, so every attribute that Azure lets one change is as open as it begins, and stays so.

import {
  Catalog,
  DeletedRepository,
  ManifestDescription,
  ManifestDescriptions,
  RepositoryDescription,
  registryLimits,
  TagDescription,
  TagDescriptions,
} from '@strongroom/contract/registry';
import { registryActions as actions } from '@strongroom/contract/registry.actions';
import type { Exchange } from '#kernel/http/exchange';
import { accessed, empty, json, listing, needs, type Params, type Route, route, whole } from '#kernel/http/route';
import type { CatalogService } from './catalog.service.ts';
import type { DescribedManifest, DescribedTag, Descriptions, Order, Ordered } from './descriptions.service.ts';
import type { Registries } from './registries.service.ts';
import { registryFailures } from './registry.errors.ts';
import { nameOf, nextPage, pageSizeOf, refOf, scopeOf } from './requests.wire.ts';

const orders: Readonly<Record<string, Order>> = { '': 'name', none: 'name', timeasc: 'oldest', timedesc: 'newest' };
const open = { deleteEnabled: true, writeEnabled: true, readEnabled: true, listEnabled: true };

export function descriptionRoutes(deps: {
  readonly registries: Registries;
  readonly descriptions: Descriptions;
  readonly catalog: CatalogService;
  readonly domain: string;
}): readonly Route[] {
  const { registries, descriptions, catalog, domain } = deps;
  const scope = scopeOf(registries);
  const common = { surface: 'oci', audit: accessed('registry', 'repository', 'reference') } as const;
  const reads = { ...common, method: 'GET', access: needs(actions.pull, scope, whole) } as const;
  const deletes = { ...common, method: 'DELETE', access: needs(actions.deleteArtifacts, scope, whole) } as const;
  const paths = {
    repository: '/acr/{registry}/{repository}',
    tags: '/acr-tags/{registry}/{repository}',
    tag: '/acr-tags/{registry}/{repository}/{reference}',
    manifests: '/acr-manifests/{registry}/{repository}',
    manifest: '/acr-manifests/{registry}/{repository}/{reference}',
  };
  const of = (params: Params) => ({ registry: domain, imageName: nameOf(params) });
  const referenceOf = (params: Params) => params['reference'] ?? '';

  /** Locks: whoever asks for one must not believe that he has it. */
  const lock = (operation: string, path: string) =>
    route({
      ...common,
      operation,
      method: 'PATCH',
      path,
      summary: 'Refused: images and tags are not locked here.',
      access: needs(actions.push, scope, whole),
      goesOnWhenLow: 'it refuses, and nothing is stored',
      handle: () => {
        throw registryFailures.locksNotServed();
      },
    });

  return [
    route({
      ...common,
      audit: accessed(),
      access: listing(actions.pull, () => '/'),
      operation: 'Acr_ListRepositories',
      method: 'GET',
      path: '/acr-catalog',
      summary: 'The repositories that the caller may pull, of every registry.',
      responses: { 200: Catalog },
      async handle(grant, { exchange }) {
        const limit = pageSizeOf(exchange, registryLimits.pageSize);
        const { items, next } = await catalog.list(grant, { after: exchange.target.query.get('last') ?? '', limit });
        const link = next === undefined ? {} : nextPage('/acr/v1/_catalog', { n: String(limit), last: next });
        return json(200, { repositories: items }, link);
      },
    }),
    route({
      ...reads,
      operation: 'Acr_GetRepository',
      path: paths.repository,
      summary: 'What a repository holds, counted, and since when.',
      responses: { 200: RepositoryDescription },
      async handle(grant, { params }) {
        const { manifests, tags, createdMs, changedMs } = await descriptions.ofRepository(
          grant,
          refOf(registries, params),
        );
        const times = { createdTime: timeOf(createdMs), lastUpdateTime: timeOf(changedMs) };
        const counts = { manifestCount: manifests, tagCount: tags };
        return json(200, { ...of(params), ...times, ...counts, changeableAttributes: open });
      },
    }),
    route({
      ...deletes,
      operation: 'Acr_DeleteRepository',
      path: paths.repository,
      summary: 'Takes every manifest of a repository away, with its tags.',
      responses: { 202: DeletedRepository },
      async handle(grant, { params }) {
        const { manifests, tags } = await descriptions.removeRepository(grant, refOf(registries, params));
        return json(202, { manifestsDeleted: manifests, tagsDeleted: tags });
      },
    }),
    route({
      ...reads,
      operation: 'Acr_ListTags',
      path: paths.tags,
      summary: 'The tags of a repository with their times, by name or by time.',
      responses: { 200: TagDescriptions },
      async handle(grant, { params, exchange }) {
        const page = orderedOf(exchange, registryLimits.pageSize);
        const digest = exchange.target.query.get('digest');
        const { items, next } = await descriptions.listTags(grant, refOf(registries, params), page, digest);
        const link = linkTo(`/acr/v1/${nameOf(params)}/_tags`, exchange, page, next);
        return json(200, { ...of(params), tags: items.map(viewOfTag) }, link);
      },
    }),
    route({
      ...reads,
      operation: 'Acr_GetTag',
      path: paths.tag,
      summary: 'A tag with its times.',
      responses: { 200: TagDescription },
      async handle(grant, { params }) {
        const tag = await descriptions.ofTag(grant, refOf(registries, params), referenceOf(params));
        return json(200, { ...of(params), tag: viewOfTag(tag) });
      },
    }),
    route({
      ...deletes,
      operation: 'Acr_DeleteTag',
      path: paths.tag,
      summary: 'Takes a tag away and leaves its manifest.',
      async handle(grant, { params }) {
        await descriptions.removeTag(grant, refOf(registries, params), referenceOf(params));
        return empty(202);
      },
    }),
    route({
      ...reads,
      operation: 'Acr_ListManifests',
      path: paths.manifests,
      summary: 'The manifests of a repository with their sizes, times and tags, by digest or by time.',
      responses: { 200: ManifestDescriptions },
      async handle(grant, { params, exchange }) {
        const page = orderedOf(exchange, registryLimits.describedPageSize);
        const { items, next } = await descriptions.listManifests(grant, refOf(registries, params), page);
        const link = linkTo(`/acr/v1/${nameOf(params)}/_manifests`, exchange, page, next);
        return json(200, { ...of(params), manifests: items.map(viewOfManifest) }, link);
      },
    }),
    route({
      ...reads,
      operation: 'Acr_GetManifest',
      path: paths.manifest,
      summary: 'What a manifest weighs, and which tags point to it.',
      responses: { 200: ManifestDescription },
      async handle(grant, { params }) {
        const manifest = await descriptions.ofManifest(grant, refOf(registries, params), referenceOf(params));
        return json(200, { ...of(params), manifest: viewOfManifest(manifest) });
      },
    }),
    lock('Acr_UpdateRepository', paths.repository),
    lock('Acr_UpdateTag', paths.tag),
    lock('Acr_UpdateManifest', paths.manifest),
  ];
}

const timeOf = (ms: number): string => new Date(ms).toISOString();

const viewOfTag = ({ name, digest, createdMs, movedMs }: DescribedTag) => ({
  name,
  digest,
  createdTime: timeOf(createdMs),
  lastUpdateTime: timeOf(movedMs),
  signed: false,
  changeableAttributes: open,
});

const viewOfManifest = ({ digest, contentSize, pushedMs, mediaType, tags }: DescribedManifest) => ({
  digest,
  imageSize: contentSize,
  createdTime: timeOf(pushedMs),
  lastUpdateTime: timeOf(pushedMs),
  mediaType,
  tags,
  changeableAttributes: open,
});

function orderedOf(exchange: Exchange, max: number): Ordered {
  const { query } = exchange.target;
  const orderBy = query.get('orderby') ?? '';
  const by = Object.hasOwn(orders, orderBy) ? orders[orderBy] : undefined;
  if (by === undefined) throw registryFailures.unknownOrder();
  return { by, after: query.get('last') ?? '', limit: Math.max(1, pageSizeOf(exchange, max)) };
}

function linkTo(path: string, exchange: Exchange, { limit }: Ordered, next: string | undefined) {
  if (next === undefined) return {};
  const { query } = exchange.target;
  const asked: Record<string, string> = { n: String(limit), last: next };
  for (const name of ['orderby', 'digest']) {
    const value = query.get(name);
    if (value !== undefined) asked[name] = value;
  }
  return nextPage(path, asked);
}
