// Role assignments at any scope. Handlers translate; who may is decided before them, on the scope in the path.
// Status codes are the ones that arm-authorization accepts: PUT 201 or 200, DELETE 200 with the body or 204.

import { RoleAssignment, RoleAssignmentList, RoleAssignmentRequest } from '@strongroom/contract/access';
import { accessActions } from '@strongroom/contract/access.actions';
import type { Grant } from '#kernel/authority/grant';
import type { Exchange } from '#kernel/http/exchange';
import { accessed, activity, empty, json, listing, needs, type Route, route, whole } from '#kernel/http/route';
import type { AssignmentPage } from './assignment-list.service.ts';
import type { Assignments } from './assignments.service.ts';
import { assignmentView, draftOf } from './assignments.view.ts';
import { atEveryScope, scopeOf } from './scoped.routes.ts';

const path = '/{scope+}/providers/Microsoft.Authorization/roleAssignments';
const one = `${path}/{name}`;

export function assignmentRoutes(
  assignments: Assignments,
  list: (grant: Grant, filter: string | undefined, after: string | undefined) => Promise<AssignmentPage>,
): readonly Route[] {
  const put = route({
    operation: 'RoleAssignments_Create',
    surface: 'arm',
    method: 'PUT',
    path: one,
    summary: 'Gives a principal a role at a scope',
    access: needs(accessActions.writeRoleAssignments, scopeOf, whole),
    goesOnWhenLow: 'whoever is to make room may need a role for it',
    audit: activity(
      'name',
      'properties.roleDefinitionId',
      'properties.principalId',
      'properties.expiresOn',
      'properties.requireMfa',
    ),
    body: { kind: 'json', schema: RoleAssignmentRequest, maxBytes: 65_536 },
    responses: { 200: RoleAssignment, 201: RoleAssignment },
    handle: async (grant, { params, body }) => {
      const { assignment, created } = await assignments.put(grant, params.name ?? '', draftOf(body));
      return json(created ? 201 : 200, assignmentView(assignment, grant.scope));
    },
  });
  const get = route({
    operation: 'RoleAssignments_Get',
    surface: 'arm',
    method: 'GET',
    path: one,
    summary: 'Shows a role assignment',
    access: needs(accessActions.readRoleAssignments, scopeOf, whole),
    audit: accessed('name'),
    responses: { 200: RoleAssignment },
    handle: (grant, { params }) => json(200, assignmentView(assignments.get(grant, params.name ?? ''), grant.scope)),
  });
  const remove = route({
    operation: 'RoleAssignments_Delete',
    surface: 'arm',
    method: 'DELETE',
    path: one,
    summary: 'Withdraws a role from a principal',
    access: needs(accessActions.deleteRoleAssignments, scopeOf, whole),
    audit: activity('name'),
    recordsBefore(params) {
      const found = assignments.find(scopeOf(params), params['name'] ?? '');
      if (found === undefined) return {};
      const { principalId, roleDefinitionId, scope } = assignmentView(found, found.scope).properties;
      return {
        'properties.principalId': principalId,
        'properties.roleDefinitionId': roleDefinitionId,
        'properties.scope': scope,
      };
    },
    responses: { 200: RoleAssignment },
    handle: async (grant, { params }) => {
      const removed = await assignments.remove(grant, params.name ?? '');
      return removed ? json(200, assignmentView(removed, grant.scope)) : empty(204);
    },
  });
  const listAt = route({
    operation: 'RoleAssignments_ListForScope',
    surface: 'arm',
    method: 'GET',
    path,
    summary: 'Lists the role assignments at, above and below a scope',
    access: needs(accessActions.readRoleAssignments, scopeOf, whole),
    audit: accessed('$filter'),
    reads: ['?$filter', '?$skipToken'],
    responses: { 200: RoleAssignmentList },
    handle: async (grant, { exchange }) => {
      const { query } = exchange.target;
      const { assignments: found, next } = await list(grant, query.get('$filter'), query.get('$skipToken'));
      const value = found.map((assignment) => assignmentView(assignment, grant.scope));
      return json(200, next === undefined ? { value } : { value, nextLink: nextLink(exchange, next) });
    },
  });
  return [
    ...atEveryScope(put),
    ...atEveryScope(get),
    ...atEveryScope(remove),
    // At the root few may read everything; the list there shows each caller what it may read.
    ...atEveryScope(listAt, listing(accessActions.readRoleAssignments, scopeOf)),
  ];
}

/** The same request, from where this page ends. */
function nextLink(exchange: Exchange, next: string): string {
  const { origin, rawPath, query } = exchange.target;
  const parameters = new URLSearchParams(query.raw);
  parameters.set('$skipToken', next);
  return `${origin}${rawPath}?${parameters}`;
}
