// For tests: what compute is to its owners, without agents. What was submitted outlives the modules, as compute's rows do;
// a test says what becomes of it.

import type { Work, WorkDocument, WorkEvent, WorkOwner, WorkSpec, WorkState } from '#compute';

export type PlayedItem = {
  readonly spec: WorkSpec;
  state: WorkState;
  canceled: boolean;
  /** Its end was heard. */
  told: boolean;
};

export type PlayedWork = {
  readonly items: ReadonlyMap<string, PlayedItem>;
  /** What the best of its nodes keeps of inputs. */
  readonly keeps: { bytes: number };
  /** Work for modules made anew. */
  anew(seam: { readonly before: (step: string) => Promise<void> }): Work;
  /** What was submitted for a subject, the latest last. */
  of(subject: string): readonly PlayedItem[];
  latest(subject: string): PlayedItem;
  /** An agent takes it. */
  take(item: PlayedItem): Promise<WorkDocument>;
  tell(item: PlayedItem, event: WorkEvent): Promise<void>;
  renew(item: PlayedItem): Promise<string>;
  /** As when compute has forgotten it, or never heard of it. */
  forget(item: PlayedItem): void;
};

export function createPlayedWork(): PlayedWork {
  const items = new Map<string, PlayedItem>();
  const owner: { now: WorkOwner | undefined } = { now: undefined };
  const ownerNow = () => owner.now ?? fail('nobody owns the work');
  const of = (subject: string) =>
    [...items.values()].filter(({ spec }) => spec.subject.toLowerCase() === subject.toLowerCase());
  const keeps = { bytes: 0 };
  return {
    items,
    keeps,
    anew(seam) {
      owner.now = undefined;
      return {
        owner: (_kind, given) => {
          owner.now = given;
        },
        async submit(_grant, spec) {
          await seam.before('submit');
          if (!items.has(spec.id)) items.set(spec.id, { spec, state: 'queued', canceled: false, told: false });
          await seam.before('submitted');
        },
        async cancel(_grant, id) {
          const item = items.get(id);
          if (item === undefined) fail('there is no such work');
          item.canceled = true;
          if (item.state !== 'queued') return;
          item.state = 'finished';
          const message = 'It was canceled before it began.';
          await ownerNow().onEvent(item.spec, { type: 'finished', reason: 'stopped', exitCode: null, message });
          item.told = true;
        },
        state: async (id) => items.get(id)?.state,
        keptBytes: async () => keeps.bytes,
        unsettled: async () => [...items.values()].flatMap(({ spec, told }) => (told ? [] : [spec])),
        call: () => undefined,
      };
    },
    of,
    latest: (subject) => of(subject).at(-1) ?? fail(`nothing was submitted for ${subject}`),
    take(item) {
      item.state = 'leased';
      return ownerNow().documentOf(item.spec, 1);
    },
    async tell(item, event) {
      if (event.type === 'running') item.state = 'running';
      const isEnd = event.type === 'finished' || event.type === 'lost';
      if (isEnd) item.state = event.type;
      await ownerNow().onEvent(item.spec, event);
      if (isEnd) item.told = true;
    },
    renew: (item) => ownerNow().renewToken?.(item.spec) ?? fail('tokens are not renewed'),
    forget: ({ spec }) => void items.delete(spec.id),
  };
}

function fail(message: string): never {
  throw new Error(message);
}
