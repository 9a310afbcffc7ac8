// Targets: pools of nodes that agents serve. Work is placed on one when it is submitted, an agent is enrolled for one, and a
// session takes, reports on and reaches what is placed on its own and nothing else. A target is an id and no more: what kind of
// machines stand behind it is its agents' affair.

import type { ReachOffer } from '@strongroom/contract/agent';

export type TargetId = string;

/** The machine that the server runs on: AmlCompute clusters are sandboxes of it. */
export const localTarget: TargetId = 'local';

/** Only on this machine is a path that an agent names a path of ours; anybody else could name a socket that is not his. */
export const mayOffer = (target: TargetId, { kind }: ReachOffer): boolean =>
  kind === 'tunnel' || target === localTarget;
