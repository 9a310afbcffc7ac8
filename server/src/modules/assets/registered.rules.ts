// What the registry of models keeps beside the properties that Resource Manager shows: of a container its aliases and the
// highest number that any version of it had, of a version where its registrar said it comes from. Pure.

import type { Properties } from '#resources';

/** Under this name among the properties; nobody can set it, and no view shows it. */
export const registryKey = 'registry';

export type KeptOfModel = {
  readonly aliases: Readonly<Record<string, string>>;
  /** A number is never given twice, also when its version is deleted. */
  readonly lastNumber: number;
  readonly changedMs: number;
};
export type KeptOfVersion = {
  readonly source?: string;
  readonly runLink?: string;
  readonly modelId?: string;
  readonly changedMs?: number;
};

export function keptOf(container: Properties): KeptOfModel {
  // Written by this file alone.
  const kept = container[registryKey] as Partial<KeptOfModel> | undefined;
  return { aliases: {}, lastNumber: 0, changedMs: 0, ...kept };
}

export const isNumber = (version: string): boolean => /^[1-9]\d{0,14}$/.test(version);

/** With a version that was made: the next number is behind it, whoever chose it. */
export function counted(container: Properties, version: string): KeptOfModel {
  const kept = keptOf(container);
  return isNumber(version) ? { ...kept, lastNumber: Math.max(kept.lastNumber, Number(version)) } : kept;
}

export function withoutAliasesOf(container: Properties, version: string): Properties {
  const kept = keptOf(container);
  const aliases = Object.fromEntries(Object.entries(kept.aliases).filter(([, named]) => named !== version));
  return { ...container, [registryKey]: { ...kept, aliases } };
}
