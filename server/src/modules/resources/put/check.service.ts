// The steps of a PUT that refuse, without those that make: what a new resource of this content would be held to.

import type { Grant } from '#kernel/authority/grant';
import { readDraft } from '../draft.rules.ts';
import type { Lookup } from '../lookup.service.ts';
import { tailOf } from '../paths.rules.ts';
import type { Ports } from '../ports.types.ts';
import { createName } from './name.step.ts';
import { createParentReady } from './parent.step.ts';
import { checkRules, propertiesOf } from './rules.step.ts';

export function createCheck(ports: Ports, deps: { readonly lookup: Lookup }) {
  const name = createName(ports);
  const parentReady = createParentReady(deps);
  return async (grant: Grant, id: string, body: unknown): Promise<void> => {
    const named = name({ grant, id, bodyFor: () => body, how: { wait: true } });
    const { kind, parsed, parent } = await parentReady(named);
    const at = { id: parent + tailOf(kind.type, parsed.name), name: parsed.name };
    const draft = readDraft(kind, at, body, undefined, undefined);
    await checkRules(grant, kind, { ...draft, properties: propertiesOf(kind, draft, undefined) }, undefined, at.id);
  };
}
