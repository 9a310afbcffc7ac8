// What a step of a pipeline runs, as it was when the pipeline was accepted: kept by its digest, which holds those of what stands
// below it. So nothing that becomes of a component changes it, the same is kept once, and no part can be within itself.

import type { Component } from '#assets';

export type Part = {
  readonly component: Component;
  /** The snapshot URI of its code. */
  readonly codeUri?: string;
  /** Of a pipeline: what its steps run, by their digests. */
  readonly parts?: Readonly<Record<string, string>>;
  /** Of a pipeline: the snapshot URIs of data that stand in it, by `step.input`. */
  readonly inputs?: Readonly<Record<string, string>>;
};
