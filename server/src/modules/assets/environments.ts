// What an environment version says of how it is made. It is kept and answered as it was registered; what would have to be
// built is refused where it is used.

import { nodePython } from '@strongroom/contract/assets';
import { Failure } from '#kernel/errors/failure';
import type { Properties } from '#resources';

/** What identifies an environment: it never changes in a version. */
export const environmentContent = ['image', 'condaFile', 'build', 'inferenceConfig'] as const;

const words: Readonly<Record<string, string>> = {
  condaFile: 'a conda file',
  build: 'a build context',
  inferenceConfig: 'an inference configuration of its own',
};

/** What of it would have to be built or set up and is not. */
export const unbuiltIn = (properties: Properties): string | undefined =>
  Object.entries(words).find(([name]) => properties[name] !== undefined && properties[name] !== null)?.[1];

export function notBuilt(id: string, what: string): Failure {
  const [name, , version] = id.split('/').slice(-3);
  return new Failure({
    kind: 'invalid',
    code: 'EnvironmentNotServed',
    target: 'properties.environmentId',
    message: `The environment ${name}:${version} has ${what}. Such environments are kept, but not built yet, and nothing runs on another Python as if it were this one. Name one without it whose image is '${nodePython}', the node's own Python, and bring what is imported as wheels with the code.`,
  });
}
