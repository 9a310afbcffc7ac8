// The registries of this server in memory, by name and by resource id. A name is the first part of a repository's path, so
// it is unique over the whole server without regard to case. The resource kind keeps this current; nothing else writes it.

import { idKey } from '#kernel/ids/ids';
import { registryFailures } from './registry.errors.ts';

export type RegistryEntry = {
  /** Resource id in the casing that it was made with. */
  readonly id: string;
  readonly name: string;
  /** Names the folder on disk and owns the data keys; never reused. */
  readonly uniqueId: string;
};

export type Registries = {
  /** By its name in lower case. */
  byPath(name: string): RegistryEntry | undefined;
  find(id: string): RegistryEntry | undefined;
  /** Throws NAME_UNKNOWN. */
  byId(id: string): RegistryEntry;
  /** In the order of their names in lower case. */
  all(): readonly RegistryEntry[];
  /** Whether another resource holds the name. */
  isTaken(name: string, id: string): boolean;
  /** False when another resource holds the name; nothing is changed then. */
  add(entry: RegistryEntry): boolean;
  remove(id: string): void;
};

/** The first part of the paths of a registry's repositories. */
export const pathOf = (name: string): string => name.toLowerCase();

export function createRegistries(): Registries {
  const paths = new Map<string, RegistryEntry>();
  const ids = new Map<string, RegistryEntry>();
  const isTaken = (name: string, id: string) => {
    const holder = paths.get(pathOf(name));
    return holder !== undefined && idKey(holder.id) !== idKey(id);
  };
  return {
    isTaken,
    byPath: (name) => paths.get(name),
    find: (id) => ids.get(idKey(id)),
    byId(id) {
      const entry = ids.get(idKey(id));
      if (entry === undefined) throw registryFailures.unknownRegistry();
      return entry;
    },
    all: () => [...paths.keys()].sort().flatMap((path) => paths.get(path) ?? []),
    add(entry) {
      if (isTaken(entry.name, entry.id)) return false;
      paths.set(pathOf(entry.name), entry);
      ids.set(idKey(entry.id), entry);
      return true;
    },
    remove(id) {
      const entry = ids.get(idKey(id));
      if (entry === undefined) return;
      ids.delete(idKey(id));
      paths.delete(pathOf(entry.name));
    },
  };
}
