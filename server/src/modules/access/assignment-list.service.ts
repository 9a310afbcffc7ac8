// Lists of role assignments, from memory. At a scope Azure answers what is assigned at it, above it and below it; a filter
// narrows. Pages are by name, so that an assignment made between two pages neither repeats nor hides another.

import type { Grant } from '#kernel/authority/grant';
import { idKey, scopesOf } from '#kernel/ids/ids';
import type { Assignment } from './assignment.types.ts';
import type { Evaluator } from './evaluator.service.ts';
import { type Clause, notUnderstood, parseFilter } from './filter.rules.ts';
import type { Principals } from './principals.port.ts';
import { isKeyWithin } from './scope.rules.ts';

export const pageSize = 1_000;

export type AssignmentPage = {
  readonly assignments: readonly Assignment[];
  /** Name after which the next page begins. */
  readonly next: string | undefined;
};

type Question = { readonly atScope: boolean; readonly principals: ReadonlySet<string> | undefined };

export function createAssignmentList(options: {
  readonly evaluator: Pick<Evaluator, 'assignments'>;
  readonly principals: Principals;
}) {
  const { evaluator, principals } = options;

  async function questionOf(filter: string | undefined): Promise<Question> {
    let atScope = false;
    let wanted: ReadonlySet<string> | undefined;
    const narrow = (ids: readonly string[]) => {
      const keys = ids.map((id) => id.toLowerCase());
      wanted = new Set(wanted ? keys.filter((key) => wanted?.has(key)) : keys);
    };
    for (const clause of parseFilter(filter)) {
      if (isCall(clause, 'atscope') && clause.argument === undefined) atScope = true;
      else if (clause.kind === 'equals' && clause.name === 'principalid') narrow([clause.value]);
      else if (isCall(clause, 'assignedto') && clause.argument !== undefined) {
        const principal = await principals.find(clause.argument.toLowerCase());
        narrow([clause.argument, ...(principal?.groups ?? [])]);
      } else throw notUnderstood(filter ?? '');
    }
    return { atScope, principals: wanted };
  }

  /** What the grant may see around its scope. `after` is the `next` of the page before. */
  return async function list(
    grant: Grant,
    filter: string | undefined,
    after: string | undefined,
  ): Promise<AssignmentPage> {
    const { atScope, principals: wanted } = await questionOf(filter);
    const above = new Set(scopesOf(grant.scope));
    const scopeKey = idKey(grant.scope);
    const sees = visibleTo(grant);
    const found: Assignment[] = [];
    for (const assignment of evaluator.assignments()) {
      if (after !== undefined && assignment.name <= after) continue;
      if (wanted && !wanted.has(assignment.principalId)) continue;
      if (!above.has(assignment.scopeKey) && (atScope || !isKeyWithin(assignment.scopeKey, scopeKey))) continue;
      if (!sees(assignment)) continue;
      found.push(assignment);
    }
    found.sort((one, other) => (one.name < other.name ? -1 : 1));
    const assignments = found.slice(0, pageSize);
    return { assignments, next: found.length > pageSize ? assignments.at(-1)?.name : undefined };
  };
}

/** Decided once for each scope, not once for each of the thousands of assignments at it. */
function visibleTo({ visibility }: Grant): (assignment: Assignment) => boolean {
  if (visibility === undefined || visibility.all) return () => true;
  const decided = new Map<string, boolean>();
  return ({ scope, scopeKey }) => {
    const known = decided.get(scopeKey) ?? visibility.sees(scope);
    decided.set(scopeKey, known);
    return known;
  };
}

const isCall = (clause: Clause, name: string): clause is Clause & { readonly kind: 'call' } =>
  clause.kind === 'call' && clause.name === name;
