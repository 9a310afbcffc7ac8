// Images of other registries as environments: what each is found again by, and where it lies in the registry of the workspace. Pure.

import { type Source, textOfSource } from '#imports';
import { sha256Hex } from '#kernel/crypto/digest';

/** An image of another registry, as it is there. */
export type ImageRecipe = { readonly source: Source };

/** One image of one repository of one registry: the same digest elsewhere is another, because who may have it is. */
export function imageRecipe(source: Source) {
  const recipe: ImageRecipe = { source };
  return { recipe, digest: digestOf(textOfSource(source)), remarks: [] };
}

/** Below which everything of one registry lies; none but fetched images are there. */
export const importedFrom = (host: string): string => `imported/${host.replace(':', '_')}/`;

/** One for each image of a workspace, so that it is read, and goes, alone. A registry may be that of several workspaces. */
export const importedRepository = (workspaceUniqueId: string, source: Source): string =>
  `${importedFrom(source.host)}${digestOf(`${workspaceUniqueId} ${textOfSource(source)}`).slice('sha256:'.length)}`;

const digestOf = (text: string): string => `sha256:${sha256Hex(Buffer.from(text))}`;
