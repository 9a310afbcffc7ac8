// What an environment version says of how it is made. It is kept and answered as it was registered; what is not made here is
// refused where it is used.

import type { Properties } from '#resources';

/** What identifies an environment: it never changes in a version. */
export const environmentContent = ['image', 'condaFile', 'build', 'inferenceConfig'] as const;

const words: Readonly<Record<string, string>> = {
  build: 'a build context',
  inferenceConfig: 'an inference configuration of its own',
};

/** What of it would have to be built or set up and is not. */
export const unbuiltIn = (properties: Properties): string | undefined =>
  Object.entries(words).find(([name]) => properties[name] !== undefined && properties[name] !== null)?.[1];
