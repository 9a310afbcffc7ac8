// What a grant in hand covers when another module asks for a resource, and what needs a further decision. Fails closed: a
// grant that decided nothing (signed in, open) covers nothing, a listing covers what it may show, a run token what it was
// decided on.

import { actionsOfType } from '@strongroom/contract/resources.actions';
import { isBounded } from '#kernel/authority/actor';
import type { Grant, Grants } from '#kernel/authority/grant';
import { isWithin, sameId } from '#kernel/ids/ids';

export type Guard = {
  /** Throws `forbidden` unless the grant, or a further one, allows it. */
  read(grant: Grant, type: string, id: string): void;
  write(grant: Grant, type: string, id: string): void;
  remove(grant: Grant, type: string, id: string): void;
  /** Which resources of a type below `under` a list may show. Throws `forbidden` where the caller is owed all or nothing. */
  shows(grant: Grant, type: string, under: string): (id: string) => boolean;
};

export function createGuard(grants: Pick<Grants, 'also' | 'mayAlso'>): Guard {
  /** Decided already: a scope that reaches the id, by a decision that was about something. */
  function covers(grant: Grant, id: string): boolean {
    // A duty is asked each time: what it may is what it declares.
    if (grant.duty !== undefined) return false;
    if (grant.action === '' || grant.visibility !== undefined) return false;
    return isBounded(grant.actor) ? sameId(id, grant.scope) : isWithin(id, grant.scope);
  }
  /** Who may act on something may read what it stands in: a job's workspace, a vault's group. */
  const isAncestor = (grant: Grant, id: string) =>
    grant.action !== '' && grant.visibility === undefined && isWithin(grant.scope, id);
  const isRead = (grant: Grant) => grant.action.toLowerCase().endsWith('/read');

  return {
    read(grant, type, id) {
      if (covers(grant, id) || isAncestor(grant, id)) return;
      const { read } = actionsOfType(type);
      if (grant.visibility !== undefined && grant.action === read.name && grant.visibility.sees(id)) return;
      grants.also(grant, read, id);
    },
    write(grant, type, id) {
      if (!covers(grant, id) || isRead(grant)) grants.also(grant, actionsOfType(type).write, id);
    },
    remove(grant, type, id) {
      if (!covers(grant, id) || isRead(grant)) grants.also(grant, actionsOfType(type).remove, id);
    },
    shows(grant, type, under) {
      const { read } = actionsOfType(type);
      if (grant.visibility !== undefined) {
        const { all, sees } = grant.visibility;
        // The listing's own decision holds for its own action, at and below its scope.
        if (grant.action !== read.name) return (id) => grants.mayAlso(grant, read, id);
        return all && isWithin(under, grant.scope) ? () => true : sees;
      }
      if (!covers(grant, under)) grants.also(grant, read, under);
      return () => true;
    },
  };
}
