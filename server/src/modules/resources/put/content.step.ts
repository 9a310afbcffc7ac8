// What is asked for: the body, read by the kind's schema.

import { readDraft } from '../draft.rules.ts';
import { resourcesFailures } from '../resources.errors.ts';
import { shownOf } from '../resources.wire.ts';
import type { Drafted, Found } from './put.types.ts';

export function content(found: Found): Drafted {
  const { kind, existing, at, bodyFor, how } = found;
  const body = bodyFor(existing, kind);
  const shown = existing && (how.shown?.(kind, existing) ?? shownOf(kind, existing, undefined));
  return { ...found, draft: readDraft(kind, at, body, existing, shown) };
}

/** After the body was read: what is wrong with it is said first. */
export function refuseReplacement({ kind, replaces }: Drafted): void {
  if (replaces !== undefined && kind.immutable === true) throw resourcesFailures.immutable(kind.title, replaces.id);
}
