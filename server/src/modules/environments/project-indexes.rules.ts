// Projects that the operator lets come from an index of their own, such as the builds of PyTorch without CUDA. Each comes from exactly
// one index: one that may come from either would be whichever has the higher version, which a stranger could publish. Pure.

import { isProjectName, projectName } from './recipe.rules.ts';

export type ProjectIndex = { readonly project: string; readonly url: URL };

/** The address of an index, with the slash that it ends in. */
export const indexUrl = (address: string): URL => new URL(address.endsWith('/') ? address : `${address}/`);

/** `PROJECT=ADDRESS`. Answers what is wrong with it as text. */
export function readProjectIndex(text: string): ProjectIndex | string {
  const at = text.indexOf('=');
  const project = projectName(text.slice(0, Math.max(at, 0)).trim());
  const address = text.slice(at + 1).trim();
  if (at < 1 || !isProjectName(project)) return `'${text}' is not PROJECT=ADDRESS`;
  // pip itself is fetched by name from the index: it builds every environment.
  if (project === 'pip') return 'pip comes from environments.index';
  if (!/^https?:\/\/[^/?#@\s]+(\/[^?#\s]{0,900})?$/.test(address) || !URL.canParse(address))
    return `'${address}' is not the address of a package index`;
  return { project, url: indexUrl(address) };
}
