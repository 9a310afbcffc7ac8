// Containers over the blob protocol, and the answer to what of that protocol is not served.

import { storageActions as actions } from '@strongroom/contract/storage.actions';
import type { Exchange } from '#kernel/http/exchange';
import {
  accessed,
  activity,
  empty,
  needs,
  type Params,
  type Route,
  route,
  signedIn,
  unrecorded,
  whole,
} from '#kernel/http/route';
import { type Accounts, accountIdOf } from './accounts.service.ts';
import type { Containers } from './containers.service.ts';
import { containerPath, containersPath } from './operations.rules.ts';
import * as answers from './protocol/answers.wire.ts';
import { reads } from './protocol/reads.wire.ts';
import * as requests from './protocol/requests.wire.ts';
import { otherServiceMessage, unservedMessage } from './protocol/unserved.ts';
import type { RequestBlobs } from './reserved.service.ts';
import { type ContainerRef, containerScope } from './scopes.rules.ts';
import { storageFailures } from './storage.errors.ts';
import { accountOfHost, otherServiceOf } from './surface.ts';

const methods = ['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE'] as const;

export function containerRoutes(deps: {
  readonly accounts: Accounts;
  readonly blobs: RequestBlobs;
  readonly containers: Containers;
  readonly domain: string;
}): readonly Route[] {
  const { accounts, blobs, containers, domain } = deps;
  const refOf = (params: Params): ContainerRef => ({
    account: accountIdOf(accounts, params['account'] ?? ''),
    container: params['container'] ?? '',
  });
  const scopeOf = (params: Params) => containerScope(refOf(params));
  const listingOf = (exchange: Exchange, account: string, known: readonly string[]): answers.Listing => {
    const { query, origin, host } = exchange.target;
    return {
      endpoint: accountOfHost(host, domain) === undefined ? `${origin}/${account}/` : `${origin}/`,
      prefix: query.get('prefix'),
      marker: query.get('marker'),
      delimiter: query.get('delimiter') || undefined,
      limit: requests.pageSizeOf(exchange),
      include: requests.includedOf(exchange, known),
    };
  };
  const surface = 'blob';
  const read = {
    surface,
    access: needs(actions.readContainers, scopeOf, whole),
    audit: accessed('account', 'container'),
  };

  // Of most of these there is nothing here: no snapshots, no versions, nothing deleted that could be listed.
  const ofContainers = ['metadata', 'deleted', 'system'];
  const ofBlobs = [
    ...['metadata', 'uncommittedblobs', 'copy', 'snapshots', 'versions', 'deleted', 'deletedwithversions', 'tags'],
    ...['immutabilitypolicy', 'legalhold', 'permissions'],
  ];

  const get = (operation: string, method: 'GET' | 'HEAD', name: 'container' | 'container-metadata') =>
    route({
      ...read,
      operation,
      method,
      path: containerPath(name),
      summary: 'Properties and metadata of a container',
      reads: reads.nothing,
      handle: async (grant, { params }) =>
        empty(200, answers.containerHeaders(await containers.getContainer(grant, refOf(params)))),
    });

  return [
    get('Container_GetProperties', 'GET', 'container'),
    get('Container_HeadProperties', 'HEAD', 'container'),
    get('Container_GetMetadata', 'GET', 'container-metadata'),
    get('Container_HeadMetadata', 'HEAD', 'container-metadata'),
    route({
      surface,
      operation: 'Container_List',
      method: 'GET',
      path: containersPath('containers'),
      summary: 'List the containers of an account',
      reads: reads.listContainers,
      access: needs(actions.readContainers, (params) => accountIdOf(accounts, params['account'] ?? ''), whole),
      audit: accessed('account'),
      handle: async (grant, { params, exchange }) => {
        const listing = listingOf(exchange, params['account'] ?? '', ofContainers);
        const { prefix, marker, limit } = listing;
        const account = accountIdOf(accounts, params['account'] ?? '');
        const query = { account, limit, ...requests.withoutUndefined({ prefix, marker }) };
        return answers.containerList(await containers.listContainers(grant, query), listing);
      },
    }),
    route({
      surface,
      operation: 'Container_Create',
      method: 'PUT',
      path: containerPath('container'),
      summary: 'Create a container',
      reads: reads.createContainer,
      access: needs(actions.writeContainers, scopeOf, whole),
      audit: activity('account', 'container'),
      handle: async (grant, { params, exchange }) => {
        const made = await containers.createContainer(grant, refOf(params), requests.metadataOf(exchange));
        return empty(201, answers.versionHeaders(made));
      },
    }),
    route({
      surface,
      operation: 'Container_SetMetadata',
      method: 'PUT',
      path: containerPath('container-metadata'),
      summary: 'Replace the metadata of a container',
      reads: reads.setContainerMetadata,
      access: needs(actions.writeContainers, scopeOf, whole),
      audit: activity('account', 'container'),
      handle: async (grant, { params, exchange }) => {
        const [metadata, conditions] = [requests.metadataOf(exchange), requests.conditionsOf(exchange)];
        const set = await containers.setContainerMetadata(grant, refOf(params), metadata, conditions);
        return empty(200, answers.versionHeaders(set));
      },
    }),
    route({
      surface,
      operation: 'Container_Delete',
      method: 'DELETE',
      path: containerPath('container'),
      summary: 'Delete a container with everything in it',
      reads: reads.deleteContainer,
      access: needs(actions.deleteContainers, scopeOf, whole),
      audit: activity('account', 'container'),
      handle: async (grant, { params, exchange }) => {
        await containers.deleteContainer(grant, refOf(params), requests.conditionsOf(exchange));
        return empty(202);
      },
    }),
    route({
      surface,
      operation: 'Container_ListBlobs',
      method: 'GET',
      path: containerPath('list'),
      summary: 'List the blobs of a container',
      reads: reads.list,
      access: needs(actions.readBlobs, scopeOf, whole),
      audit: accessed('account', 'container', 'prefix'),
      handle: async (grant, { params, exchange }) => {
        const listing = listingOf(exchange, params['account'] ?? '', ofBlobs);
        const { prefix, delimiter, limit } = listing;
        const uncommitted = listing.include.has('uncommittedblobs');
        const marker = listing.marker === '' ? undefined : listing.marker;
        const query = {
          ...refOf(params),
          limit,
          uncommitted,
          ...requests.withoutUndefined({ prefix, delimiter, marker }),
        };
        return answers.blobList(params['container'] ?? '', await blobs.list(grant, query), listing);
      },
    }),
    ...methods.map((method) =>
      route({
        surface,
        operation: `Blob_Unserved_${method}`,
        method,
        path: '/unserved/{rest+}',
        summary: 'Operations of the protocol that are not served',
        access: signedIn('does nothing but say that the operation is not served'),
        goesOnWhenLow: 'it does nothing but refuse',
        audit: unrecorded('nothing is looked at and nothing is done'),
        reads: 'anything',
        handle: (_grant, { params, exchange }) => {
          throw storageFailures.OperationNotSupported(
            otherServiceMessage(otherServiceOf(exchange.target.host, domain.toLowerCase())) ??
              unservedMessage(method, params['rest']?.split('/').length ?? 1, exchange.target.query),
          );
        },
      }),
    ),
  ];
}
