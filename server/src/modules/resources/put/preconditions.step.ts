// If-Match and If-None-Match (RFC 9110, 13.1), for a PUT and for a removal.

import type { Resource } from '../kind.types.ts';
import { resourcesFailures } from '../resources.errors.ts';
import type { How } from './put.types.ts';

export function checkPreconditions(
  { ifMatch, ifNoneMatch }: Pick<How, 'ifMatch' | 'ifNoneMatch'>,
  existing: Resource | undefined,
): void {
  const names = (header: string) => header.split(',').map((etag) => etag.trim().replace(/^W\//, ''));
  const holds = (header: string) =>
    existing !== undefined && names(header).some((etag) => etag === '*' || etag === existing.etag);
  if (ifMatch !== undefined && !holds(ifMatch)) throw resourcesFailures.PreconditionFailed('If-Match');
  if (ifNoneMatch !== undefined && holds(ifNoneMatch)) throw resourcesFailures.PreconditionFailed('If-None-Match');
}
