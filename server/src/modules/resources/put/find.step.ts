// The resource as it is now, with nobody at work on it.

import type { Lookup } from '../lookup.service.ts';
import type { Operations } from '../operations.service.ts';
import { tailOf } from '../paths.rules.ts';
import { resourcesFailures } from '../resources.errors.ts';
import { restingState } from '../state.rules.ts';
import type { Found, Placed } from './put.types.ts';

export function createFind({ lookup, operations }: { readonly lookup: Lookup; readonly operations: Operations }) {
  return async (placed: Placed): Promise<Found> => {
    const { kind, parsed, parent } = placed;
    const { home, stored } = await lookup.load(parsed.id);
    if (stored !== undefined && (await operations.isAtWork(stored)))
      throw resourcesFailures.AnotherOperationInProgress(stored.resource.id, stored.resource.provisioningState);
    const existing = stored && { ...stored.resource, provisioningState: restingState(stored.resource) };
    const at = existing ?? { id: parent + tailOf(kind.type, parsed.name), name: parsed.name };
    const replaces = existing?.provisioningState === 'Failed' ? undefined : existing;
    return { ...placed, home, at: { id: at.id, name: at.name }, existing, replaces };
  };
}
