// What a deployment is to run, resolved: read from its stored properties, so that a restart needs no build. And the document
// that the runner gets for it (runner/README.md), with a token that pulls this one image. Pure.

import { readDurationMs } from '@strongroom/contract/duration';
import type { OnlineDeployment } from '@strongroom/contract/endpoints';
import type { WorkDocument } from '#compute';
import type { BuiltImage } from '#images';
import { parentId, parseResourceId } from '#kernel/ids/ids';
import type { Properties, Resource } from '#resources';
import { appRoot } from './scoring-image.rules.ts';

/** What the module keeps beside the deployment as it was asked for. */
export type DeploymentState = OnlineDeployment & {
  readonly image?: BuiltImage & {
    readonly registryId: string;
    /** One of the two: what is run, below the app root, or where a model of MLflow's lies in the image. */
    readonly scoringScript?: string | undefined;
    readonly mlflowModel?: string | undefined;
    /** Where the model is, in the image. */
    readonly modelDir: string;
    /** What its environment was built with, and what it runs on alone; absent: it has none that was built here. */
    readonly python?: string;
    readonly abi?: string;
    /** Beside `/env`: names below `/` that lead into the image. */
    readonly links?: readonly string[];
    /** What its environment sets, under what the service sets. */
    readonly variables?: Readonly<Record<string, string>>;
  };
};
export const stateOf = (properties: Properties): DeploymentState => properties as unknown as DeploymentState; // checked by the kind's schema

export type Plan = {
  readonly deploymentId: string;
  /** What it is called in logs, which hold no names. */
  readonly uniqueId: string;
  readonly endpointId: string;
  readonly workspaceId: string;
  readonly name: string;
  readonly hbi: boolean;
  readonly image: NonNullable<DeploymentState['image']>;
  readonly environment: Readonly<Record<string, string>>;
  readonly maxConcurrent: number;
  readonly capacity: number;
  readonly timeoutMs: number;
  readonly queueWaitMs: number;
};

const gib = 1024 ** 3;
/** Bounds of one scoring process's sandbox. */
const limits = { memoryBytes: 4 * gib, processes: 256, openFiles: 4096, fileBytes: 4 * gib } as const;
const scratchBytes = 4 * gib;
const pullSeconds = 900;
export const requestBytesMax = 10 * 1024 * 1024;
export const answerBytesMax = 100 * 1024 * 1024;
export const requestTimeoutSecondsMax = 180;

const msOr = (duration: string | undefined, otherwise: number): number =>
  duration === undefined ? otherwise : (readDurationMs(duration) ?? otherwise);

export const capacityOf = (resource: Pick<Resource, 'sku'>): number => {
  const capacity = resource.sku?.['capacity'];
  return typeof capacity === 'number' ? capacity : 1;
};

export function planOf(
  deployment: Resource,
  image: NonNullable<DeploymentState['image']>,
  workspace: { readonly id: string; readonly hbi: boolean },
): Plan {
  const state = stateOf(deployment.properties);
  const { requestSettings } = state;
  return {
    deploymentId: deployment.id,
    uniqueId: deployment.uniqueId,
    endpointId: parentId(deployment.id),
    workspaceId: workspace.id,
    name: deployment.name,
    hbi: workspace.hbi,
    image,
    environment: state.environmentVariables ?? {},
    maxConcurrent: requestSettings?.maxConcurrentRequestsPerInstance ?? 1,
    capacity: capacityOf(deployment),
    timeoutMs: msOr(requestSettings?.requestTimeout, 5_000),
    queueWaitMs: msOr(requestSettings?.maxQueueWait, 500),
  };
}

/** The repository as clients name it: below its registry's name. */
export const pathOf = ({ registryId, repository }: NonNullable<DeploymentState['image']>): string =>
  `${parseResourceId(registryId).name.toLowerCase()}/${repository}`;

export function documentOf(plan: Plan, token: string, port: number): WorkDocument {
  const { digest, modelDir, scoringScript, mlflowModel, python, abi, links, variables } = plan.image;
  return {
    document: {
      port,
      ...(python === undefined ? {} : { python }),
      ...(abi === undefined ? {} : { abi }),
      ...(links === undefined ? {} : { links: [...links] }),
      score: {
        token,
        image: { registryUrl: `https://localhost:${port}`, repository: pathOf(plan.image), digest },
        ...(mlflowModel === undefined ? { entryScript: scoringScript } : { mlflowModel }),
        appRoot,
        modelDir,
        environment: plan.environment,
        ...(variables === undefined ? {} : { imageEnvironment: variables }),
        redact: [token],
        maxConcurrency: plan.maxConcurrent,
        maxBodyBytes: requestBytesMax,
      },
    },
    limits,
    scratchBytes,
    tokenTtlSeconds: pullSeconds,
  };
}

export const pullTokenSeconds = pullSeconds;
