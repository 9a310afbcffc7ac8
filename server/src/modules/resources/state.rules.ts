// Reading a stored state. A transitional one means what it says only while somebody is at work: an operation that a task
// resumes, or this process.

import type { ProvisioningState, Resource, RestingState } from './kind.types.ts';
import type { Ports } from './ports.types.ts';
import type { Stored } from './resources.store.ts';

const transitional: ReadonlySet<ProvisioningState> = new Set(['Creating', 'Updating', 'Deleting']);

export const isTransitional = (resource: Pick<Resource, 'provisioningState'>): boolean =>
  transitional.has(resource.provisioningState);

/** What the resource is when nobody is at work on it: what was begun and is not under way any more has failed. */
export function restingState({ provisioningState }: Resource): RestingState {
  switch (provisioningState) {
    case 'Creating':
    case 'Updating':
    case 'Deleting':
      return 'Failed';
    default:
      return provisioningState;
  }
}

/** Somebody is at work on it. */
export function isBusy(ports: Pick<Ports, 'holder'>, stored: Stored): boolean {
  if (!isTransitional(stored.resource)) return false;
  return stored.operationId !== undefined || stored.holder === ports.holder;
}

/** A row as it is shown: one that a process left half-way, with nobody to resume it, has failed. */
export function present(ports: Pick<Ports, 'holder'>, stored: Stored): Resource {
  const left = isTransitional(stored.resource) && !isBusy(ports, stored);
  return left ? { ...stored.resource, provisioningState: 'Failed' } : stored.resource;
}
