// The operator's map of names that are not here onto what stands for them: images of other registries, and environments that
// Azure curates. It is a setting, empty by default, so that nothing runs on something else without somebody having said so. Pure.

import { nodePython } from '@strongroom/contract/assets';

export type Mapped = {
  /** Exactly this, or everything that begins so where it ends in `*`. */
  readonly pattern: string;
  readonly target: string;
};

/** `PATTERN=TARGET`. Answers what is wrong with it as text. */
export function readMapped(text: string): Mapped | string {
  const at = text.lastIndexOf('=');
  const pattern = at < 0 ? '' : text.slice(0, at).trim();
  const target = text.slice(at + 1).trim();
  if (pattern === '' || pattern === '*' || /\*./.test(pattern)) return `'${text}' is not NAME=TARGET or PREFIX*=TARGET`;
  if (target !== nodePython && environmentIn(target) === undefined)
    return `the target of '${text}' is neither ${nodePython} nor azureml:NAME:VERSION nor the id of an environment version`;
  return { pattern, target };
}

/** What stands for a name; the longest pattern wins. */
export function targetOf(map: readonly Mapped[], name: string): string | undefined {
  const fits = ({ pattern }: Mapped) =>
    pattern.endsWith('*')
      ? name.toLowerCase().startsWith(pattern.slice(0, -1).toLowerCase())
      : name.toLowerCase() === pattern.toLowerCase();
  return map.filter(fits).sort((one, other) => other.pattern.length - one.pattern.length)[0]?.target;
}

/** The environment version that a target names: in the workspace of who asks, or by its id. */
export function environmentIn(
  target: string,
): { readonly name: string; readonly version: string } | { readonly id: string } | undefined {
  const [, name, version] = /^azureml:([A-Za-z0-9][\w.-]{0,254}):([A-Za-z0-9][\w.-]{0,254})$/.exec(target) ?? [];
  if (name !== undefined && version !== undefined) return { name, version };
  return /^\/subscriptions\/.+\/environments\/[^/]+\/versions\/[^/]+$/i.test(target) ? { id: target } : undefined;
}
