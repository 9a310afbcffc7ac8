// From an id to a kind that is served, and a name that the kind takes.

import { resourceLimits } from '@strongroom/contract/resources';
import { readId } from '../catalog.service.ts';
import type { Ports } from '../ports.types.ts';
import { resourcesFailures } from '../resources.errors.ts';
import type { Asked, Named } from './put.types.ts';

export function createName({ catalog }: Pick<Ports, 'catalog'>) {
  return (asked: Asked): Named => {
    const parsed = readId(asked.id);
    const kind = catalog.get(parsed.type);
    const { name } = parsed;
    if (name.length > resourceLimits.nameLength || !kind.namePattern.test(name))
      throw resourcesFailures.InvalidResourceName(name, kind);
    return { ...asked, parsed, kind };
  };
}
