// The door of access: may you? Decides every request from assignments in memory, mints the grants that services act by, and
// serves Microsoft.Authorization. Nothing else in the server decides, and nothing here knows what a resource is.

import type { AuditTrail } from '#kernel/authority/audit';
import type { Authorizer } from '#kernel/authority/authorizer';
import type { Action, Grants } from '#kernel/authority/grant';
import { type Acts, createActs } from '#kernel/authority/perform';
import type { Clock } from '#kernel/clock/clock';
import type { Database } from '#kernel/database/database';
import { tableOf } from '#kernel/errors/failures';
import { type Log, silentLog } from '#kernel/log/log';
import type { Module } from '#kernel/module';
import { createTurn } from '#kernel/turns/turns';
import { accessFailures, roleFailures } from './access.errors.ts';
import { createAssignmentList } from './assignment-list.service.ts';
import { assignmentRoutes } from './assignments.routes.ts';
import { type Assignments, createAssignments } from './assignments.service.ts';
import * as assignmentStore from './assignments.store.ts';
import { createAuthority } from './authority.service.ts';
import { builtInRoles } from './built-in-roles.data.ts';
import { providerOperations } from './catalogue.rules.ts';
import { definitionRoutes, questionRoutes } from './definitions.routes.ts';
import { createDefinitions } from './definitions.service.ts';
import * as definitionStore from './definitions.store.ts';
import { accessDuties } from './duties.ts';
import { elevationRoute } from './elevation.routes.ts';
import { createEvaluator, type Evaluator } from './evaluator.service.ts';
import { createExplain, type Explain } from './explanation.service.ts';
import { roles } from './migrations/001-roles.ts';
import { permissionsOf } from './permissions.rules.ts';
import type { Principals } from './principals.port.ts';
import type { Scopes } from './scopes.port.ts';
import { createStrays, type Strays } from './strays.service.ts';

export type { Assignment, PrincipalType } from './assignment.types.ts';
export type { NewAssignment } from './assignments.service.ts';
export { builtInRoles, roleIds } from './built-in-roles.data.ts';
export { checkCatalogue } from './catalogue.rules.ts';
export type { Explain, Question } from './explanation.service.ts';
export type { Principal, Principals } from './principals.port.ts';
export type { Permission, RoleDefinition } from './role.rules.ts';
export type { Scopes } from './scopes.port.ts';
export type { Refusal, Verdict } from './verdict.types.ts';
export { accessDuties };

/** What other modules hold of access besides `Grants`: roles for the identities that they make, and withdrawing them. */
export type RoleAssigner = Pick<
  Assignments,
  'assign' | 'isAssigned' | 'unassign' | 'unassignAll' | 'unassignPrincipal' | 'retire'
>;

export type Access = Module &
  RoleAssigner &
  Pick<Assignments, 'bootstrapOwner'> & {
    readonly authorizer: Authorizer;
    readonly grants: Grants;
    /** What begins inside, each with its record. */
    readonly acts: Acts;
    readonly evaluator: Pick<Evaluator, 'decide' | 'assignments'>;
    readonly explain: Explain;
    /** Roles at what does not exist are withdrawn and recorded. */
    readonly sweepStrays: Strays['sweep'];
    start(): Promise<void>;
  };

/** Asks about every assignment, so not more often than it is of use. */
const strayMs = 6 * 3_600_000;

/** `catalogue`: every action that the composed modules declare. */
export function createAccess(options: {
  readonly database: Database;
  readonly clock: Clock;
  readonly principals: Principals;
  readonly scopes: Scopes;
  readonly tenantId: string;
  readonly catalogue: readonly Action[];
  readonly audit: Pick<AuditTrail, 'begin' | 'refused'>;
  readonly log?: Log;
  /** Object id of the tenant's administrator, who alone may elevate himself. */
  readonly administrator?: string;
}): Access {
  const { database, clock, principals, scopes, tenantId, catalogue } = options;
  const nowMs = () => clock.epochMs();
  const evaluator = createEvaluator({ nowMs });
  for (const definition of builtInRoles) evaluator.putRole(definition);
  const { authorizer, grants, duties } = createAuthority({ evaluator, tenantId });
  const acts = createActs({ grants, duties, audit: options.audit, tenantId });
  // One change of access at a time: stored durably, then put in memory, before the next begins. So memory can never take an older
  // state after a newer one, and every rule that looks at several assignments sees them all.
  const serially = createTurn();
  const shared = { database, clock, evaluator, grants, serially };
  const assignments = createAssignments({ ...shared, principals, scopes, tenantId });
  const definitions = createDefinitions({ ...shared, catalogue });
  const explain = createExplain({ evaluator, principals, catalogue, tenantId, nowMs });
  const { sweep: sweepStrays } = createStrays({
    evaluator,
    assignments,
    scopes,
    acts,
    log: options.log ?? silentLog,
  });
  return {
    name: 'access',
    duties: Object.values(accessDuties),
    failures: [tableOf(accessFailures), tableOf(roleFailures)],
    routes: [
      ...assignmentRoutes(assignments, createAssignmentList({ evaluator, principals })),
      elevationRoute({ grants, assignments, administrator: options.administrator }),
      ...definitionRoutes(definitions),
      ...questionRoutes({
        explain,
        permissionsOf: (actor, scope, address) => permissionsOf(evaluator, actor, scope, address, nowMs()),
        operations: providerOperations(catalogue),
      }),
    ],
    migrations: accessMigrations,
    periodic: [{ name: 'role-strays', everyMs: strayMs, atStart: true, run: sweepStrays }],
    removed: async (grant, id) => void (await assignments.unassignAll(grant, id)),
    start: () => load(database, evaluator),
    authorizer,
    grants,
    acts,
    evaluator,
    explain,
    assign: assignments.assign,
    isAssigned: assignments.isAssigned,
    unassign: assignments.unassign,
    unassignAll: assignments.unassignAll,
    unassignPrincipal: assignments.unassignPrincipal,
    retire: assignments.retire,
    sweepStrays,
    bootstrapOwner: assignments.bootstrapOwner,
  };
}

/** For compose, which opens the database before it makes modules. */
export const accessMigrations = { module: 'access', migrations: [roles] } as const;

/** Definitions first: an assignment whose role is not known grants nothing. */
async function load({ read }: Database, evaluator: Evaluator): Promise<void> {
  await everyRow(
    (after, limit) => definitionStore.readAfter(read, after, limit),
    ({ id }) => id,
    evaluator.putRole,
  );
  await everyRow(
    (after, limit) => assignmentStore.readAfter(read, after, limit),
    ({ name }) => name,
    evaluator.putAssignment,
  );
}

const batchSize = 5_000;

/** Batch by batch, in the order of their keys. */
async function everyRow<T>(
  readAfter: (key: string, limit: number) => Promise<readonly T[]>,
  keyOf: (row: T) => string,
  take: (row: T) => void,
): Promise<void> {
  for (let after = ''; ; ) {
    const batch = await readAfter(after, batchSize);
    batch.forEach(take);
    const last = batch.at(-1);
    if (last === undefined || batch.length < batchSize) return;
    after = keyOf(last);
  }
}
