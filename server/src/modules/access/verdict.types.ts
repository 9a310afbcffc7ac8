// What a decision is: allowed and because of what, or not and why. Never a bare yes: the reason goes into every grant, and
// from there into the record.

import type { Assignment } from './assignment.types.ts';
import type { Role } from './role.rules.ts';

/** Why not: closed, so that a refusal costs no string; `explain` says it in words. */
export type Refusal =
  | 'malformedScope' // the scope has a dot segment or a character that no id may hold
  | 'notAPrincipal' // anonymous, or the system through the door
  | 'outsideBounds' // beyond what its token, or whatever else proved it, is good for
  | 'noAssignment' // nothing assigned at the scope or above it
  | 'noRoleCovers' // assignments apply, none of their roles has the action
  | 'expired' // a role would cover it, but its assignment has ended
  | 'conditionUnmet'; // a role would cover it, but needs MFA or another address

export type Verdict =
  | { readonly allowed: true; readonly because: Because }
  | { readonly allowed: false; readonly why: Refusal };

export type Because =
  | { readonly by: 'assignment'; readonly assignment: Assignment; readonly role: Role; readonly reason: string }
  | { readonly by: 'bounds'; readonly reason: string };

export type Applicable = { readonly assignment: Assignment; readonly role: Role };
