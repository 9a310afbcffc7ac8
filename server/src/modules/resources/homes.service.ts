// Which database a resource's row is in. Groups and what stands directly in them live in the control database; the children
// of some resources live in a database that belongs to that resource (a workspace's own, under its own key), so that they
// are sealed with it and gone with it.

import type { Database } from '#kernel/database/database';
import { isGroupOrAbove, topLevelOf } from './catalog.service.ts';
import type { Resource } from './kind.types.ts';

/**
 * The database that holds the children of a resource that stands directly in a group; undefined: the control database. Must
 * throw when there is one that cannot be opened now: undefined would put sealed rows in the wrong place.
 */
export type HomeOf = (id: string) => Promise<Database | undefined>;

export type Homes = {
  readonly control: Database;
  /** Where the row of this id is. */
  of(id: string): Promise<Database>;
  /** Where rows below this resource are. */
  below(resource: Pick<Resource, 'id'>): Promise<Database>;
};

export function createHomes(options: {
  readonly control: Database;
  readonly homeOf: HomeOf;
  /** Told of each home once, when it is first used. */
  readonly opened: (home: Database) => void;
}): Homes {
  const { control, homeOf, opened } = options;
  // One that is opened anew is told of anew.
  const known = new WeakSet<Database>([control]);
  const seen = (home: Database) => {
    if (!known.has(home)) {
      known.add(home);
      opened(home);
    }
    return home;
  };
  const ownedBy = async (topLevel: string) => seen((await homeOf(topLevel)) ?? control);
  return {
    control,
    of: async (id) => {
      const owner = topLevelOf(id);
      return owner === undefined ? control : ownedBy(owner);
    },
    below: async ({ id }) => {
      // A group's children stand in the control database; only what stands directly in a group can own a home.
      return isGroupOrAbove(id) ? control : ownedBy(topLevelOf(id) ?? id);
    },
  };
}
