// What is asked for, with the kind's defaults, held to what no resource may show and to the kind's own rules.

import type { Grant } from '#kernel/authority/grant';
import type { Draft, Properties, Resource, ResourceKind } from '../kind.types.ts';
import { knownOnly } from '../unknown.rules.ts';
import { refuseCredentials } from '../visible.rules.ts';
import type { Drafted, Ruled } from './put.types.ts';

export async function keepRules(drafted: Drafted): Promise<Ruled> {
  const { grant, kind, draft, replaces, at } = drafted;
  const properties = propertiesOf(kind, draft, replaces);
  await checkRules(grant, kind, { ...draft, properties }, replaces, at.id);
  return { ...drafted, properties };
}

/** @param draft with the properties that `propertiesOf` answered */
export async function checkRules(
  grant: Grant,
  kind: ResourceKind,
  draft: Draft,
  replaces: Resource | undefined,
  id: string,
): Promise<void> {
  refuseCredentials(kind, draft, replaces);
  await kind.validate?.(grant, draft, replaces, id);
}

/** @param replaces as it is at that moment */
export function propertiesOf(kind: ResourceKind, draft: Draft, replaces: Resource | undefined): Properties {
  const normalised = kind.normalise?.(draft, replaces);
  if (normalised !== undefined) return normalised;
  return replaces === undefined ? draft.properties : { ...keptBeside(kind, replaces), ...draft.properties };
}

/** What a kind without `normalise` keeps beside what its callers set. */
function keptBeside(kind: ResourceKind, { properties }: Resource): Properties {
  const asked = knownOnly(kind.properties, properties);
  return Object.fromEntries(Object.entries(properties).filter(([name]) => !Object.hasOwn(asked, name)));
}
