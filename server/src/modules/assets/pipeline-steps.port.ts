// The steps of a component of the type pipeline. What they may say, and that what they name is there and fits, is decided by who
// makes pipelines (`flows`); that it is an asset like others, is decided here. Compose introduces the two.

import type { Grant } from '#kernel/authority/grant';
import type { PipelineComponent } from './components.rules.ts';

export type PipelineSteps = {
  /** Everything that can be wrong with it, said before it is registered. Throws. */
  check(grant: Grant, componentVersionId: string, component: PipelineComponent): Promise<void>;
};
