// What other modules hold of the resource manager: the same procedures, for code. Each call decides by the grant it is
// given, or by a further one, before it looks anything up.

import { Failure } from '#kernel/errors/failure';
import { readId } from './catalog.service.ts';
import type { Guard } from './guard.service.ts';
import type { Resources } from './kind.types.ts';
import type { Listing } from './listing.service.ts';
import { notFound } from './resources.errors.ts';
import type { ResourcesService } from './resources.service.ts';

const listMax = 50_000;

export function createGranted(deps: {
  readonly service: ResourcesService;
  readonly listing: Listing;
  readonly guard: Guard;
}): Resources {
  const { service, listing, guard } = deps;

  const find: Resources['find'] = async (grant, id) => {
    const parsed = readId(id);
    guard.read(grant, parsed.type, parsed.id);
    return service.find(parsed.id);
  };

  return {
    find,
    async get(grant, id) {
      const resource = await find(grant, id);
      if (resource === undefined) throw notFound(id);
      return resource;
    },
    async put(grant, id, draft) {
      const parsed = readId(id);
      guard.write(grant, parsed.type, parsed.id);
      const { resource } = await service.put(grant, parsed.id, draft, { wait: true });
      return resource;
    },
    async create(grant, id, draft) {
      const parsed = readId(id);
      guard.write(grant, parsed.type, parsed.id);
      try {
        return (await service.put(grant, parsed.id, draft, { wait: true, ifNoneMatch: '*' })).resource;
      } catch (thrown) {
        if (thrown instanceof Failure && thrown.kind === 'precondition') return undefined;
        throw thrown;
      }
    },
    async check(grant, id, draft) {
      const parsed = readId(id);
      guard.write(grant, parsed.type, parsed.id);
      await service.check(grant, parsed.id, draft);
    },
    async change(grant, id, change) {
      const parsed = readId(id);
      guard.write(grant, parsed.type, parsed.id);
      return service.change(parsed.id, change);
    },
    async remove(grant, id) {
      const parsed = readId(id);
      guard.remove(grant, parsed.type, parsed.id);
      await service.remove(grant, parsed.id, { wait: true });
    },
    each(grant, { type, under }) {
      const shows = guard.shows(grant, type, under);
      return listing.each(type, under, (resource) => shows(resource.id));
    },
    async list(grant, { type, under, limit = 1000 }) {
      const shows = guard.shows(grant, type, under);
      return listing.gather(type, under, Math.min(limit, listMax), (resource) => shows(resource.id));
    },
  };
}
