// A kind may make the parent that is missing, as versions of assets make their container: by the caller's right to write it,
// and only for a child that will be taken.

import { actionsOfType } from '@strongroom/contract/resources.actions';
import { Failure } from '#kernel/errors/failure';
import { parentId } from '#kernel/ids/ids';
import { readId } from '../catalog.service.ts';
import { readDraft } from '../draft.rules.ts';
import type { Resource } from '../kind.types.ts';
import type { Lookup } from '../lookup.service.ts';
import type { Ports } from '../ports.types.ts';
import type { Removal } from '../removal/removal.service.ts';
import type { Asked, Named, Put } from './put.types.ts';
import { checkRules, propertiesOf } from './rules.step.ts';

export function createContainer(
  { grants }: Pick<Ports, 'grants'>,
  { lookup, removal }: { readonly lookup: Lookup; readonly removal: Removal },
  put: (asked: Asked) => Promise<Put>,
) {
  /**
   * Before the child's turn: a removal has the parent's turn and asks for the child's. Answers what it made.
   */
  async function make({ grant, kind, parsed, bodyFor }: Named): Promise<Resource | undefined> {
    const parent = parentId(parsed.id);
    const { type } = readId(parent);
    if ((await lookup.find(parent)) !== undefined) return undefined;
    grants.also(grant, actionsOfType(type).write, parent);
    await lookup.readyParent(grant, parent, type);
    const draft = readDraft(kind, parsed, bodyFor(undefined, kind), undefined, undefined);
    await checkRules(grant, kind, { ...draft, properties: propertiesOf(kind, draft, undefined) }, undefined, parsed.id);
    try {
      const how = { wait: true, ifNoneMatch: '*' };
      return (await put({ grant, id: parent, bodyFor: () => ({}), how })).resource;
    } catch (thrown) {
      const isThere = thrown instanceof Failure && thrown.kind === 'precondition';
      if (!isThere) throw thrown;
      return undefined;
    }
  }

  return async (named: Named, putChild: () => Promise<Put>): Promise<Put> => {
    const made = named.kind.makesParent === true ? await make(named) : undefined;
    try {
      return await putChild();
    } catch (thrown) {
      // A parent that was made for this child alone does not outlive its refusal.
      if (made !== undefined) await removal.removeUnused(made).catch(() => undefined);
      throw thrown;
    }
  };
}
