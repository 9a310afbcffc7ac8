// The door of compute: where work runs. Gives compose the kind of compute targets, the protocol of agents and the agent of
// this machine; gives jobs and endpoints `work`. It knows nothing of what the work is.

import type { AgentEnrolment, OfferedPython } from '@strongroom/contract/agent';
import type { Tokens } from '#identity';
import type { Grant } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import type { Database } from '#kernel/database/database';
import { tableOf } from '#kernel/errors/failures';
import type { Log } from '#kernel/log/log';
import type { Module } from '#kernel/module';
import type { Telemetry } from '#kernel/telemetry/telemetry';
import type { ResourceKind } from '#resources';
import { agentRoutes } from './agent.routes.ts';
import { createAgentSurface } from './agent.surface.ts';
import { type AgentToken, createAgents, type Readiness } from './agents.service.ts';
import { createClusters } from './clusters.service.ts';
import { allClusters } from './clusters.store.ts';
import { computeFailures } from './compute.errors.ts';
import { createComputesKind, removeCluster } from './computes.kind.ts';
import { createDispatch } from './dispatch.service.ts';
import { computeMeters, meterLoad } from './meters.ts';
import { computeTables } from './migrations/0001-work.ts';
import { createReaches } from './reach.service.ts';
import { computeSettings } from './settings.ts';
import { createEmbeddedAgent, type EmbeddedAgent } from './supervisor.service.ts';
import { localTarget, type TargetId } from './targets.rules.ts';
import { createTunnelReach } from './tunnel-reach.service.ts';
import { createUnixReach } from './unix-reach.service.ts';
import { createWork } from './work.service.ts';
import type { Work } from './work.types.ts';
import { createWorkQueue } from './work-queue.service.ts';

export type { AgentToken, Readiness } from './agents.service.ts';
export { computeTables } from './migrations/0001-work.ts';
export { reachTroubleOf } from './reach.service.ts';
export type { ReachAnswer, ReachCall, ReachRequest } from './reach.types.ts';
export { computeSettings } from './settings.ts';
export type {
  EndReason,
  SandboxLimits,
  Work,
  WorkDocument,
  WorkEvent,
  WorkKind,
  WorkOwner,
  WorkSpec,
  WorkState,
} from './work.types.ts';

export type AgentPlace = {
  /** `https://localhost:8443`: what the agent calls, by a name in the server's certificate. */
  readonly url: string;
  readonly caPem: string;
  /** Names besides localhost that lead to the server from inside a sandbox. */
  readonly hostNames: readonly string[];
};

export type Compute = Module<ResourceKind> & {
  readonly work: Work;
  readonly kinds: readonly ResourceKind[];
  /** Whether work could run there now, and what to do when it could not; of this machine when no target is named. */
  readiness(target?: TargetId): Readiness;
  /** The Pythons that can be asked for; the one that is taken when none is asked for first. Throws where nothing can run. */
  pythons(): Promise<readonly OfferedPython[]>;
  /** Starts the agent of this machine, when there is a command for it. */
  startAgent(place: AgentPlace): void;
  /** Ends the agent and what it runs, and lets its polls go. */
  stopAgent(): Promise<void>;
  agentPid(): number | undefined;
  /** Makes an agent known under a first token, for one target; what it had before, it has lost. */
  enrol(agent: string, target?: TargetId): Promise<AgentToken>;
  /**
   * A workspace is gone. What it had is removed with it one by one, unless its customer's key was refused: then its clusters
   * would stand in the control database for ever, and what runs on them run on.
   */
  removed(grant: Grant, workspaceId: string): Promise<void>;
  /** The agent has ended: its tokens are refused, and what it held is lost. */
  dismiss(agent: string): Promise<void>;
};

const clustersMax = 10_000;
const sweepMs = 5_000;
const forgetMs = 3_600_000;
const embedded = 'local';

export function createCompute(deps: {
  /** The control database, migrated with `computeTables`. */
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly tokens: Pick<Tokens, 'issueToken' | 'verifyToken'>;
  readonly tenantId: string;
  readonly telemetry: Telemetry;
  /** Nodes of all clusters together. */
  readonly maxNodes: number;
  /** Program and arguments of the agent; undefined: this installation runs none of its own. */
  readonly agentCommand: readonly [string, ...string[]] | undefined;
  /** Where that agent finds the server once it listens. */
  readonly agentPlace?: AgentPlace;
  readonly images?: AgentEnrolment['images'];
  readonly inputs?: AgentEnrolment['inputs'];
  /** Interpreters that the operator names, beside those that the agent finds. */
  readonly pythons?: readonly string[];
}): Compute {
  const { database, clock, log } = deps;
  const clusters = createClusters({ clock, nodesMax: deps.maxNodes });
  const agents = createAgents(deps);
  const queue = createWorkQueue({ database, clock, log, clusters });
  meterLoad(deps.telemetry, { measure: queue.measure, nodes: clusters.counts });
  const tunnel = createTunnelReach({ clock });
  const reach = createReaches({ unix: createUnixReach(), tunnel });
  const work = createWork({ database, clusters, agents, queue, reach });
  const dispatch = createDispatch({ clock, log, queue });
  const stopping = new AbortController();
  const sweeping: { done: Promise<void> } = { done: Promise.resolve() };
  let agent: EmbeddedAgent | undefined;

  /** What nobody calls for: silent agents, idle nodes, tokens that end, owners that were not told. */
  async function sweep(): Promise<void> {
    for (const session of agents.silent()) {
      log.warn({ module: 'compute', node: session.agent }, 'an agent was not heard of; what it held is lost');
      agents.end(session);
      await dispatch.lose(session);
    }
    clusters.scaleDown();
    dispatch.remind();
    // At a stop nobody is present any more, and nothing is lost by it: the next start finds the rows.
    await queue.catchUp((session) => stopping.signal.aborted || agents.isPresent(session));
  }

  async function sweepOn(): Promise<void> {
    let forgottenMs: number | undefined;
    while (!stopping.signal.aborted) {
      try {
        await sweep();
        if (forgottenMs === undefined || clock.elapsedMs() - forgottenMs > forgetMs) {
          forgottenMs = clock.elapsedMs();
          await queue.forgetOld();
        }
      } catch (error) {
        log.error({ module: 'compute', error }, 'the sweep of work failed');
      }
      await clock.sleep(sweepMs, stopping.signal).catch(() => undefined);
    }
  }

  async function dismiss(name: string): Promise<void> {
    const session = agents.dismiss(name);
    // At a stop the rows stay as they are: the next start finds them, when owners can be told again.
    if (session && !stopping.signal.aborted) await dispatch.lose(session);
  }

  async function stopAgent(): Promise<void> {
    stopping.abort();
    dispatch.release();
    tunnel.release();
    await agent?.stop();
  }

  function startAgent({ url, caPem, hostNames }: AgentPlace): void {
    const command = deps.agentCommand;
    if (command === undefined || agent !== undefined) return;
    agent = createEmbeddedAgent({
      command,
      agent: embedded,
      url,
      caPem,
      hostNames,
      ...(deps.images === undefined ? {} : { images: deps.images }),
      ...(deps.inputs === undefined ? {} : { inputs: deps.inputs }),
      ...(deps.pythons === undefined ? {} : { pythons: deps.pythons }),
      enrol: () => agents.enrol(embedded, localTarget),
      gone: () => dismiss(embedded),
      setTrouble: (trouble) => agents.setTrouble(localTarget, trouble),
      clock,
      log,
    });
  }

  return {
    name: 'compute',
    surfaces: [createAgentSurface(agents)],
    routes: agentRoutes({ agents, dispatch, tunnel }),
    migrations: computeTables,
    failures: [tableOf(computeFailures)],
    meters: Object.values(computeMeters),
    settings: computeSettings,
    kinds: [createComputesKind({ database, clusters, agents, queue, work })],
    work,
    readiness: (target = localTarget) => agents.readiness(target),
    pythons: () => agents.pythons(localTarget),
    async start() {
      for (const cluster of await allClusters(database.read, clustersMax)) clusters.put(cluster);
      await queue.load();
      // Enrolled before it is started, so that what is submitted at once waits for it.
      if (deps.agentCommand !== undefined) await agents.enrol(embedded, localTarget);
      sweeping.done = sweepOn();
    },
    startAgent,
    stopAgent,
    async listening() {
      if (deps.agentPlace !== undefined) startAgent(deps.agentPlace);
    },
    leaving: stopAgent,
    agentPid: () => agent?.pid(),
    async enrol(name, target = localTarget) {
      await dismiss(name);
      return agents.enrol(name, target);
    },
    dismiss,
    async removed(_grant, workspaceId) {
      for (const { id } of clusters.within(workspaceId)) await removeCluster({ database, clusters, work }, id);
    },
    async stop() {
      await stopAgent();
      await sweeping.done;
      reach.close();
    },
  };
}
