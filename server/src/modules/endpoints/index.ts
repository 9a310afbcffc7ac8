// The door of online endpoints: models that answer requests. Gives compose the two kinds and the scoring surface; takes from
// compute where scoring processes run, from the registry where their images lie.

import { registryActions } from '@strongroom/contract/registry.actions';
import type { Assets } from '#assets';
import type { Work } from '#compute';
import type { Environments } from '#environments';
import type { Images } from '#images';
import type { Grant, Grants } from '#kernel/authority/grant';
import type { Acts } from '#kernel/authority/perform';
import type { Clock } from '#kernel/clock/clock';
import { tableOf } from '#kernel/errors/failures';
import { parentId, parseResourceId } from '#kernel/ids/ids';
import type { Log } from '#kernel/log/log';
import type { Module } from '#kernel/module';
import type { DataKeys } from '#kernel/sealing/data-keys';
import type { Telemetry } from '#kernel/telemetry/telemetry';
import type { ScoringRecords } from '#monitoring';
import type { ResourceKind, Resources } from '#resources';
import type { Workspaces } from '#workspaces';
import { createAdmission } from './admission.service.ts';
import { createDeploymentKind } from './deployments.kind.ts';
import { createDirectory, type ServedEndpoint } from './directory.service.ts';
import { endpointsDuties } from './duties.ts';
import { endpointsFailures } from './endpoints.errors.ts';
import { createEndpointKind } from './endpoints.kind.ts';
import type { DeploymentRegistry } from './endpoints.types.ts';
import { createFleet } from './fleet.service.ts';
import { gatewayRoutes } from './gateway.routes.ts';
import { createScoringGateway } from './gateway.service.ts';
import { createEndpointKeys } from './keys.service.ts';
import { endpointsMeters } from './meters.ts';
import { endpointTables } from './migrations/index.ts';
import { deploymentType } from './names.rules.ts';
import { documentOf, pullTokenSeconds } from './plan.rules.ts';
import { createRestoring } from './restoring.service.ts';
import { createRetention } from './retention.service.ts';
import { createScoringSurface } from './surface.ts';
import { createTraces } from './traces.service.ts';

export type EndpointsDeps = {
  readonly resources: Resources;
  readonly workspaces: Workspaces;
  readonly assets: Assets;
  /** In process; `#registry` has it. */
  readonly registry: DeploymentRegistry;
  readonly images: Images;
  readonly environments: Environments;
  readonly work: Work;
  readonly dataKeys: DataKeys;
  readonly grants: Grants;
  readonly acts: Pick<Acts, 'duty'>;
  readonly scoring: ScoringRecords;
  readonly tenantId: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly telemetry: Telemetry;
  /** The port that the server listens on, which a sandbox reaches it at too. */
  readonly port: number;
  /** `https://localhost:8443`: what scoring URIs begin with. */
  readonly origin: string;
  /** How long a new deployment may take until it is ready; 120 by default. */
  readonly startSeconds?: number;
};

export type Endpoints = Module<ResourceKind> & {
  readonly kinds: readonly ResourceKind[];
  /** Removes records of scoring requests that are too old. A few times a day. */
  sweepRecords(signal: AbortSignal): Promise<void>;
  /**
   * The resource with this id is gone. When it is a workspace whose key was refused, its endpoints went without a word: what
   * they run ends here, and nobody is let in.
   */
  removed(grant: Grant, id: string): Promise<void>;
};

/** Opens every workspace once, so not more often than it is of use. */
const sweepEveryMs = 6 * 3_600_000;

/** Made before `start` of compute: it becomes the owner of scoring work. */
export function createEndpoints(deps: EndpointsDeps): Endpoints {
  const { workspaces, grants, dataKeys, registry } = deps;
  const work = () => deps.work;
  // What is used no more leaves the page of metrics.
  const directory = createDirectory((endpoint) => deps.scoring.forget(seriesOf(endpoint)));
  const keys = createEndpointKeys({ workspaces });
  const admission = createAdmission({ keys, directory, grants });
  dataKeys.onClosed((owner) => directory.forgetKeys(owner));

  const fleet = createFleet({
    ...deps,
    work,
    onReplaced({ endpointId, name }) {
      const endpoint = directory.byId(endpointId);
      if (endpoint !== undefined) deps.scoring.replaced({ ...seriesOf(endpoint), hbi: endpoint.hbi, deployment: name });
    },
    async documentFor(plan) {
      const { registryId, repository, digest } = plan.image;
      const workspace = await workspaces.get(grants.duty(endpointsDuties.serve, plan.workspaceId), plan.workspaceId);
      const pull = workspaces.asIdentity(workspace, registryActions.pull, registryId, 'pull the image of a deployment');
      const token = await registry.pullToken(pull, { registryId, repository, digest, ttlSeconds: pullTokenSeconds });
      return documentOf(plan, token, deps.port);
    },
  });
  function forgetDeployment(id: string): void {
    const { type, name } = parseResourceId(id);
    if (type?.toLowerCase() !== deploymentType.toLowerCase()) return;
    const endpoint = directory.byId(parentId(id));
    if (endpoint !== undefined) deps.scoring.forget({ ...seriesOf(endpoint), deployment: name });
  }
  const traces = createTraces({ ...deps, directory });
  const gateway = createScoringGateway({ fleet, work, traces, clock: deps.clock });
  const sweepRecords = createRetention(deps);
  const restoring = createRestoring({ ...deps, directory, fleet });
  deps.work.owner('score', { documentOf: fleet.documentOf, onEvent: fleet.onEvent });

  return {
    name: 'endpoints',
    workspaceTables: endpointTables,
    duties: Object.values(endpointsDuties),
    failures: [tableOf(endpointsFailures)],
    meters: Object.values(endpointsMeters),
    kinds: [
      createEndpointKind({ ...deps, keys, admission, directory }),
      createDeploymentKind({ ...deps, fleet, directory, domain: new URL(deps.origin).host }),
    ],
    surfaces: [createScoringSurface({ ...deps, admission, traces })],
    routes: gatewayRoutes({ ...deps, directory, gateway, traces }),
    periodic: [{ name: 'scoring-records', everyMs: sweepEveryMs, atStart: true, run: sweepRecords }],
    sweepRecords,
    async removed(_grant, id) {
      directory.remove(id);
      forgetDeployment(id);
      await fleet.forget(id);
    },
    start: restoring.start,
    async stop() {
      await restoring.stop();
      traces.flush();
      fleet.close();
    },
  };
}

const seriesOf = ({ workspaceUniqueId, name }: ServedEndpoint) => ({ workspace: workspaceUniqueId, endpoint: name });
