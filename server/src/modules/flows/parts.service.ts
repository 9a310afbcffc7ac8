// What the steps of a pipeline run, found through all its levels, counted before anything is made of it, and kept as it is then
// until the pipeline has ended.

import type { Assets, Component } from '#assets';
import { type JobLives, type OutputPlace, type References, siblingId } from '#jobs';
import type { Grant } from '#kernel/authority/grant';
import { sha256Hex } from '#kernel/crypto/digest';
import { idKey, isWithin, parseResourceId } from '#kernel/ids/ids';
import { workspaceType } from '#workspaces';
import { flowsFailures } from './flows.errors.ts';
import * as store from './parts.store.ts';
import type { Part } from './parts.types.ts';
import { dataOf, fixedInputs, type PipelineFlow } from './pipeline.rules.ts';
import type { Step } from './steps.rules.ts';
import { inlineSpec, type Wired, wiredIn } from './wires.rules.ts';

/** A component with what stands below it; the same one is the same object, wherever it is named. */
export type Branch = { readonly component: Component; readonly tree?: Tree };
export type Tree = { readonly wired: Wired; readonly branches: Readonly<Record<string, Branch>>; readonly size: Size };
type Size = {
  /** Through all levels. */
  readonly steps: number;
  /** Of those, sweeps and pipelines: they are looked after as long as they go on. */
  readonly parents: number;
  /** What the longest name of a job of it has more than the name of the pipeline. */
  readonly suffix: number;
};

export const levelsMax = 10;
export const stepsOfAllMax = 10_000;
export const parentsOfAllMax = 500;
/** The text of all components, each counted once. */
const bytesMax = 1_048_576;
const nameMax = 255;
/** `_999`: a sweep has a thousand trials at most. */
const trialSuffix = 4;

export type Parts = {
  /** Throws for what is not there, not readable, in a circle, or more than may be. */
  find(grant: Grant, workspaceId: string, wired: Wired): Promise<Tree>;
  /** The same of a pipeline of this name, whose jobs must bear theirs. */
  findFor(grant: Grant, workspaceId: string, wired: Wired, name: string): Promise<Tree>;
  component(grant: Grant, workspaceId: string, componentId: string, at: string): Promise<Component>;
  /** Of the levels that stand in it, each component counted once. */
  stepsBelow(tree: Tree): readonly Step[];
  /**
   * Keeps all of it with the outermost pipeline. @param self what that is, where it is a component
   * @param written where its steps write: see `fixedInputs`. Idempotent.
   */
  fix(
    grant: Grant,
    rootId: string,
    tree: Tree,
    self: Component | undefined,
    written: readonly OutputPlace[],
  ): Promise<Pick<PipelineFlow, 'parts' | 'self'> & { readonly inputs: PipelineFlow['inputs'] }>;
  /** Undefined: it is not there any more. */
  load(jobId: string, flow: PipelineFlow): Promise<Loaded | undefined>;
  one(jobId: string, root: string, digest: string): Promise<Part | undefined>;
  /** The outermost pipeline has ended. */
  forget(rootId: string): Promise<void>;
};
export type Loaded = { readonly self: Part | undefined; readonly running: Readonly<Record<string, Part>> };

/** One search: what was found, and what of it stands above what is looked at now. */
type Search = {
  readonly grant: Grant;
  readonly workspaceId: string;
  readonly found: Map<string, Branch>;
  bytes: number;
};

export function createParts(deps: {
  readonly lives: Pick<JobLives, 'database'>;
  readonly references: Pick<References, 'takeInputs'>;
  readonly assets: Pick<Assets, 'code' | 'component' | 'componentIn'>;
}): Parts {
  const { lives, references, assets } = deps;

  async function component(grant: Grant, workspaceId: string, componentId: string, at: string): Promise<Component> {
    const wanted = `${workspaceType}/components/versions`.toLowerCase();
    if (isWithin(componentId, workspaceId) && parseResourceId(componentId).type?.toLowerCase() === wanted)
      return assets.component(grant, componentId);
    throw flowsFailures.FlowValidationError(
      at,
      `${at} must name one of this workspace's components/versions by its id: ${workspaceId}/components/NAME/versions/VERSION.`,
    );
  }

  /** @param above the ids of the components that it stands in, from outside */
  async function branchOf(search: Search, step: Step, wired: Wired, above: readonly string[]): Promise<Branch> {
    const { componentId } = step;
    if (componentId === undefined) return counted(search, { component: assets.componentIn(inlineSpec(step, wired)) });
    const key = idKey(componentId);
    if (above.includes(key))
      throw flowsFailures.ComponentCircle([...above.slice(above.indexOf(key)), key].map(labelOf));
    const before = search.found.get(key);
    if (before !== undefined) return before;
    const at = `jobs.${step.name}.${step.type === 'sweep' ? 'trial' : 'componentId'}`;
    const found = await component(search.grant, search.workspaceId, componentId, at);
    const branch = counted(
      search,
      found.type === 'pipeline'
        ? { component: found, tree: await treeOf(search, wiredIn(found), [...above, key]) }
        : { component: found },
    );
    search.found.set(key, branch);
    return branch;
  }

  async function treeOf(search: Search, wired: Wired, above: readonly string[]): Promise<Tree> {
    if (above.length > levelsMax) throw flowsFailures.TooManyLevels(levelsMax);
    const branches: Record<string, Branch> = {};
    for (const step of wired.steps) branches[step.name] = await branchOf(search, step, wired, above);
    const size = sizeOf(wired.steps, branches);
    if (size.steps > stepsOfAllMax) throw flowsFailures.TooManySteps(size.steps, stepsOfAllMax);
    if (size.parents > parentsOfAllMax) throw flowsFailures.TooManyWithin(size.parents, parentsOfAllMax);
    return { wired, branches, size };
  }

  const find = (grant: Grant, workspaceId: string, wired: Wired) =>
    treeOf({ grant, workspaceId, found: new Map(), bytes: 0 }, wired, []);

  /** The key of its rows. */
  const rootKey = (rootId: string) => rootId.slice(rootId.lastIndexOf('/') + 1).toLowerCase();

  function stepsBelow({ branches }: Tree, seen: Set<Tree> = new Set()): readonly Step[] {
    return Object.values(branches).flatMap(({ tree }) => {
      if (tree === undefined || seen.has(tree)) return [];
      seen.add(tree);
      return [...tree.wired.steps, ...stepsBelow(tree, seen)];
    });
  }

  return {
    find,
    stepsBelow: (tree) => stepsBelow(tree),
    component,
    async findFor(grant, workspaceId, wired, name) {
      const tree = await find(grant, workspaceId, wired);
      const { suffix } = tree.size;
      if (suffix >= nameMax) throw flowsFailures.StepNamesTooLong(suffix, nameMax);
      if (name.length + suffix > nameMax) throw flowsFailures.FlowNameTooLong(nameMax - suffix);
      return tree;
    },
    async fix(grant, rootId, tree, self, written) {
      const workspaceId = rootId.slice(0, rootId.lastIndexOf('/jobs/'));
      const parts = new Map<string, Part>();
      const digests = new Map<Branch, string>();
      const put = (part: Part): string => {
        const digest = sha256Hex(Buffer.from(JSON.stringify(part)));
        parts.set(digest, part);
        return digest;
      };
      const partsOf = async ({ wired, branches }: Tree) => {
        const fixed: Record<string, string> = {};
        for (const [step, branch] of Object.entries(branches)) fixed[step] = await fixBranch(branch);
        const { inputSnapshots: inputs } = await references.takeInputs(grant, workspaceId, {
          inputs: fixedInputs(dataOf(wired.steps), written),
        });
        return { parts: fixed, inputs };
      };
      const fixBranch = async (branch: Branch): Promise<string> => {
        const before = digests.get(branch);
        if (before !== undefined) return before;
        const { component: found, tree: below } = branch;
        const code = found.type === 'pipeline' ? undefined : found.codeId;
        const digest = put({
          component: found,
          ...(code === undefined ? {} : { codeUri: (await assets.code(grant, code)).uri }),
          ...(below === undefined ? {} : await partsOf(below)),
        });
        digests.set(branch, digest);
        return digest;
      };
      const fixed = await partsOf(tree);
      const own = self === undefined ? {} : { self: put({ component: self, ...fixed }) };
      await (await lives.database(rootId)).write((tx) => store.putParts(tx, rootKey(rootId), parts));
      return { ...fixed, ...own };
    },
    async load(jobId, { root, self, parts }) {
      const wanted = [...new Set([...Object.values(parts), ...(self === undefined ? [] : [self])])];
      const { read } = await lives.database(jobId);
      const found = await store.findParts(read, rootKey(siblingId(jobId, root)), wanted);
      if (found.size < wanted.length) return undefined;
      return {
        self: self === undefined ? undefined : found.get(self),
        running: Object.fromEntries(
          Object.entries(parts).flatMap(([step, digest]) => {
            const part = found.get(digest);
            return part === undefined ? [] : [[step, part]];
          }),
        ),
      };
    },
    async one(jobId, root, digest) {
      const { read } = await lives.database(jobId);
      return (await store.findParts(read, rootKey(siblingId(jobId, root)), [digest])).get(digest);
    },
    async forget(rootId) {
      await (await lives.database(rootId)).write((tx) => store.deleteParts(tx, rootKey(rootId)));
    },
  };
}

function counted(search: Search, branch: Branch): Branch {
  search.bytes += Buffer.byteLength(JSON.stringify(branch.component));
  if (search.bytes <= bytesMax) return branch;
  throw flowsFailures.FlowValidationError(
    'jobs',
    'The components of the pipeline are more than a mebibyte of text. Make pipelines of their own of some steps.',
  );
}

function sizeOf(steps: readonly Step[], branches: Readonly<Record<string, Branch>>): Size {
  let [all, parents, suffix] = [0, 0, 0];
  for (const { name, type } of steps) {
    const below = branches[name]?.tree?.size;
    all += 1 + (below?.steps ?? 0);
    parents += (type === 'sweep' || below !== undefined ? 1 : 0) + (below?.parents ?? 0);
    suffix = Math.max(suffix, 1 + name.length + (type === 'sweep' ? trialSuffix : (below?.suffix ?? 0)));
  }
  return { steps: all, parents, suffix };
}

/** `train:1`, of the id of a version. */
const labelOf = (id: string): string => {
  const [name, , version] = id.split('/').slice(-3);
  return `${name}:${version}`;
};
