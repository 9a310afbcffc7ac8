// What an environment version says of how it is made. It is kept and answered as it was registered; what is not made here is
// refused where it is used.

import type { Properties } from '#resources';

/** What identifies an environment: it never changes in a version. */
export const environmentContent = ['image', 'condaFile', 'build', 'inferenceConfig'] as const;

const words: Readonly<Record<string, string>> = {
  inferenceConfig: 'an inference configuration of its own',
};

const isSaid = (properties: Properties, name: string) => properties[name] !== undefined && properties[name] !== null;

/** What of it would have to be built or set up and is not. */
export function unbuiltIn(properties: Properties): string | undefined {
  if (isSaid(properties, 'build') && (isSaid(properties, 'image') || isSaid(properties, 'condaFile')))
    return 'a build context beside an image or a conda file, so that it is not clear which of them it is';
  return Object.entries(words).find(([name]) => isSaid(properties, name))?.[1];
}
