// Containers in the management API. They are routes and not a resource kind, because the container that the blob protocol
// made and the one that was made here must be the same, and what exists is known to the account's index alone.

import { ContainerBody, ContainerListQuery, ContainerResource } from '@strongroom/contract/storage';
import { storageActions as actions } from '@strongroom/contract/storage.actions';
import {
  accessed,
  activity,
  empty,
  json,
  namedIn,
  needs,
  type Params,
  type Route,
  route,
  whole,
} from '#kernel/http/route';
import { accountType } from './account.kind.ts';
import type { Container, Containers } from './containers.service.ts';
import { type ContainerRef, containerScope } from './scopes.rules.ts';
import { storageFailures } from './storage.errors.ts';

const account =
  '/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}' +
  `/providers/${accountType}/{storageAccountName}`;
const collection = `${account}/blobServices/default/containers`;
const item = `${collection}/{containerName}`;

const accountOf = (params: Params) => account.replace(/\{(\w+)\}/g, (_, name: string) => params[name] ?? '');
const refOf = (params: Params): ContainerRef => ({
  account: accountOf(params),
  container: params['containerName'] ?? '',
});
const scopeOf = (params: Params) => containerScope(refOf(params));
const pageSize = 1000;

export function containerArmRoutes(containers: Containers): readonly Route[] {
  return [
    route({
      operation: 'BlobContainers_Get',
      surface: 'arm',
      method: 'GET',
      path: item,
      summary: 'Get a blob container',
      access: needs(actions.readContainers, scopeOf, whole),
      audit: accessed('containerName'),
      responses: { 200: ContainerResource },
      handle: async (grant, { params }) => json(200, view(params, await containers.getContainer(grant, refOf(params)))),
    }),
    route({
      operation: 'BlobContainers_Create',
      surface: 'arm',
      method: 'PUT',
      path: item,
      summary: 'Create a blob container, or replace its metadata',
      access: needs(actions.writeContainers, scopeOf, whole),
      audit: activity('containerName'),
      body: { kind: 'json', schema: ContainerBody, maxBytes: 65_536, optional: true },
      responses: { 200: ContainerResource, 201: ContainerResource },
      handle: async (grant, { params, body }) => {
        const metadata = body?.properties?.metadata;
        const { container, created } = await containers.putContainer(grant, refOf(params), metadata);
        return json(created ? 201 : 200, view(params, container));
      },
    }),
    route({
      operation: 'BlobContainers_Delete',
      surface: 'arm',
      method: 'DELETE',
      path: item,
      summary: 'Delete a blob container with everything in it',
      access: needs(actions.deleteContainers, scopeOf, whole),
      audit: activity('containerName'),
      handle: async (grant, { params }) => {
        const existed = await containers.deleteContainer(grant, refOf(params)).then(
          () => true,
          (thrown: unknown) => {
            if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ContainerNotFound') return false;
            throw thrown;
          },
        );
        return empty(existed ? 200 : 204);
      },
    }),
    route({
      operation: 'BlobContainers_List',
      surface: 'arm',
      method: 'GET',
      path: collection,
      summary: 'List the blob containers of an account',
      access: needs(actions.readContainers, accountOf, whole),
      audit: accessed('storageAccountName'),
      query: ContainerListQuery,
      reads: namedIn(ContainerListQuery),
      handle: async (grant, { params, query, exchange }) => {
        if (query.$filter !== undefined && !/^[a-z0-9-]*$/.test(query.$filter))
          throw storageFailures.InvalidQueryParameterValue({ target: '$filter' });
        const size = query.$maxpagesize;
        const { containers: page, nextMarker } = await containers.listContainers(grant, {
          account: accountOf(params),
          limit: size === undefined ? pageSize : Math.min(Number(size), pageSize),
          ...(query.$filter === undefined ? {} : { prefix: query.$filter }),
          ...(query.$skipToken === undefined ? {} : { marker: query.$skipToken }),
        });
        const value = page.map((container) => view({ ...params, containerName: container.name }, container));
        if (nextMarker === undefined) return json(200, { value });
        const next = new URLSearchParams(exchange.target.query.raw);
        next.set('$skipToken', nextMarker);
        return json(200, { value, nextLink: `${exchange.target.origin}${exchange.target.rawPath}?${next}` });
      },
    }),
  ];
}

function view(params: Params, container: Container): ContainerResource {
  return {
    id: containerScope({ account: accountOf(params), container: container.name }),
    name: container.name,
    type: `${accountType}/blobServices/containers`,
    etag: container.etag,
    properties: {
      publicAccess: 'None',
      lastModifiedTime: container.lastModified.toISOString(),
      leaseStatus: 'Unlocked',
      leaseState: 'Available',
      hasImmutabilityPolicy: false,
      hasLegalHold: false,
      metadata: { ...container.metadata },
    },
  };
}
