// Work, as its owners see it: jobs and deployments submit what is to run somewhere, and are told what becomes of it. Types
// only. Who asks for the document of a piece of work gets secrets made for that one run; nothing of it is ever stored.

import type { AgentItem, EndReason, SandboxLimits } from '@strongroom/contract/agent';
import type { Grant } from '#kernel/authority/grant';
import type { ReachCall, ReachRequest } from './reach.types.ts';

export type { EndReason, SandboxLimits } from '@strongroom/contract/agent';

export type WorkKind = 'job' | 'score';

export type WorkSpec = {
  /** A GUID made by the owner; the same id submitted again is the same work. */
  readonly id: string;
  readonly kind: WorkKind;
  /** Resource id. */
  readonly workspaceId: string;
  /** Resource id of an AmlCompute cluster; undefined is this machine's own node. */
  readonly computeId: string | undefined;
  /** Resource id of the job or the deployment. */
  readonly subject: string;
  /** Object id of whoever it is done for: submitters take turns. Undefined: it is its workspace's. */
  readonly submitter?: string;
  /** Bytes of inputs that its node must keep, which are too large for memory. Undefined: any node can have it. */
  readonly keptBytes?: number;
  /** For messages: letters, digits, dots, dashes, underscores. */
  readonly label: string;
};

/** What the runner gets (see runner/README.md), with the bounds of its sandbox. */
export type WorkDocument = {
  readonly document: {
    readonly port: number;
    /** `3.11`: one of `pythons`; absent: the first of them. */
    readonly python?: string;
    /** What that must be compatible with; absent: not known. */
    readonly abi?: string;
    /** The agent brings it, with the token of the job. */
    readonly image?: NonNullable<AgentItem['document']['image']>;
    /** Inputs that the node keeps where it can. */
    readonly kept?: NonNullable<AgentItem['document']['kept']>;
    readonly links?: string[];
    readonly writableRoot?: true;
    readonly job?: object;
    readonly score?: object;
  };
  readonly limits: SandboxLimits;
  /** Size of /job, in memory. */
  readonly scratchBytes: number;
  /** Size of /dev/shm, in memory, where it is asked for. */
  readonly sharedBytes?: number;
  /** How long the token in the document holds; a new one is asked for at a third of it. */
  readonly tokenTtlSeconds: number;
};

export type WorkEvent =
  | { readonly type: 'preparing' | 'running' | 'finalizing' | 'ready' }
  /** What the user's processes print, in order; at most 64 KiB. */
  | { readonly type: 'output'; readonly text: string }
  | {
      readonly type: 'finished';
      readonly reason: EndReason;
      readonly exitCode: number | null;
      readonly message: string | undefined;
    }
  /** Its agent or the server died while it ran. Nothing follows. */
  | { readonly type: 'lost' };

export type WorkOwner = {
  /** Asked at the moment an agent takes the item. A throw ends the work as `setup_failed` with the Failure's message. */
  documentOf(work: WorkSpec, fence: number): Promise<WorkDocument>;
  renewToken?(work: WorkSpec): Promise<string>;
  /**
   * Awaited before the agent's report is acknowledged: the events of one item come in order, each at least once. A throw has
   * the event told again. An end (`finished`, `lost`) can also be told again after a crash of the server.
   */
  onEvent(work: WorkSpec, event: WorkEvent): Promise<void>;
};

export type WorkState = 'queued' | 'leased' | 'running' | 'finished' | 'lost';

export type Work = {
  /** One for each kind, before `start`. */
  owner(kind: WorkKind, owner: WorkOwner): void;
  /** Durable when it resolves. Throws when the cluster is gone, or when this machine cannot run anything, with what to do. */
  submit(grant: Grant, spec: WorkSpec): Promise<void>;
  /** Asks for the end: `finished` follows, with reason `stopped` unless it ends by itself first. Work that has ended stays so. */
  cancel(grant: Grant, id: string, graceSeconds: number): Promise<void>;
  /** Ended work is remembered for a day. */
  state(id: string): Promise<WorkState | undefined>;
  /** What of a kind has not ended, or ended and its owner has not taken it in. Bounded by what may wait and run. */
  unsettled(kind: WorkKind): Promise<readonly WorkSpec[]>;
  /** The most bytes of inputs that a node keeps beyond memory, where work of this cluster is placed. */
  keptBytes(computeId: string | undefined): Promise<number>;
  /** Sends a request to the scoring server of this work, wherever it runs; undefined while it is not ready. */
  call(id: string, request: ReachRequest): ReachCall | undefined;
};
