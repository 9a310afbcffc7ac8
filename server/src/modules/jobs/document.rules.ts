// The document that the runner on a node gets for a job (runner/README.md): where its code and inputs are, what to run, its
// environment as Azure ML's clients expect it, and where its outputs go. It holds the run token, so it is made for one
// taking and never stored. Pure.

import type { SnapshotFile } from '#assets';
import type { WorkDocument } from '#compute';
import { parseResourceId } from '#kernel/ids/ids';
import type { Secret } from '#kernel/sealing/secret';
import type { Resource } from '#resources';
import type { Workspace } from '#workspaces';
import { spreadOf } from './distribution.rules.ts';
import type { BuildDocument, EnvironmentImage } from './environments.port.ts';
import type { JobState } from './job-state.service.ts';
import { timeoutSecondsOf } from './jobs.rules.ts';
import { isKept } from './kept.rules.ts';
import { environmentScratchBytes, limits, scratchBytes, sharedBytesOf } from './limits.rules.ts';
import { logArtifact } from './log.service.ts';
import { fileIn, placeOf, placesOf } from './outputs.rules.ts';
import { redactedOf } from './secrets.rules.ts';
import { systemMetricsInCommand, systemMetricsOf } from './system-metrics.rules.ts';

/** Without a digest: a folder in which nothing is. */
export type Content = { readonly digest: string | undefined; readonly files: readonly SnapshotFile[] };
export type JobContent = { readonly code: Content | undefined; readonly inputs: ReadonlyMap<string, Content> };

/** Where a command installs packages to: of its own, in the memory of the job. */
const packagesHome = '/job/packages';

const apiVersion = 'api-version=2024-10-01';

const bytesOf = ({ files }: Content): number => files.reduce((sum, { size }) => sum + size, 0);
const allBytesOf = ({ inputs }: JobContent): number =>
  [...inputs.values()].reduce((sum, input) => sum + bytesOf(input), 0);

const encodePath = (path: string) => path.split('/').map(encodeURIComponent).join('/');

const filesAt = (origin: string, workspaceId: string, { digest, files }: Content) =>
  files.map(({ path, size, sha256 }) => ({
    path,
    size,
    sha256,
    url: `${origin}${workspaceId}/snapshots/${digest}/files/${encodePath(path)}?${apiVersion}`,
  }));

export function documentOf(made: {
  readonly job: Resource;
  readonly state: JobState;
  readonly workspace: Workspace;
  readonly content: JobContent;
  /** The package index, where the job may install from it. */
  readonly index: string | undefined;
  readonly token: string;
  readonly port: number;
  readonly command: string;
  /** By the name of the variable. */
  readonly secrets: ReadonlyMap<string, Secret<string>>;
  /** From which on a single input is kept by its node. */
  readonly keptInputBytes: number;
}): WorkDocument {
  const { job, state, workspace, content, token, port } = made;
  const origin = `https://localhost:${port}`;
  const secrets = new Map([...made.secrets].map(([name, secret]) => [name, secret.expose()]));
  const filesOf = (files: Content) => filesAt(origin, workspace.id, files);
  const tracking = `${origin}/mlflow/v1.0${workspace.id}`;
  const timeoutSeconds = timeoutSecondsOf(state);
  const sharedBytes = sharedBytesOf(state);
  // What a command installs is in its memory, as an environment is.
  const isRoomy = state.environmentImage !== undefined || made.index !== undefined;
  return {
    document: {
      port,
      job: {
        token,
        command: made.command,
        environment: {
          ...state.environmentVariables,
          ...Object.fromEntries(secrets),
          ...environmentOf(made, tracking, origin),
        },
        timeoutSeconds,
        spread: spreadOf(state),
        snapshot: content.code ? filesOf(content.code) : [],
        inputs: Object.fromEntries([...content.inputs].map(([name, input]) => [name, filesOf(input)])),
        // A file is made by the command.
        outputs: Object.entries(state.outputs ?? {}).flatMap(([name, output]) =>
          output.jobOutputType === 'uri_file' || placeOf(output, job.name, name) !== undefined ? [] : [name],
        ),
        placed: Object.fromEntries(
          placesOf(state.outputs, job.name).map(([name, place]) => [
            name,
            {
              baseUrl: `${origin}${job.id}/outputs/${encodeURIComponent(name)}/files`,
              query: apiVersion,
              ...(place.isFile ? { file: fileIn(place) } : {}),
            },
          ]),
        ),
        // What is told of them afterwards is that there is a file: a job that has left none has not done what was asked for.
        required: Object.entries(state.outputs ?? {}).flatMap(([name, { jobOutputType, assetName }]) =>
          jobOutputType === 'uri_file' || assetName !== undefined ? [name] : [],
        ),
        systemMetrics: systemMetricsOf(state, { url: `${tracking}/api/2.0/mlflow/runs/log-batch`, runId: job.name }),
        redact: [token, ...redactedOf([...secrets.values()])],
        upload: {
          artifactBaseUrl: `${tracking}/api/2.0/mlflow-artifacts/artifacts/${state.experimentId}/${encodeURIComponent(job.name)}/artifacts`,
        },
        ...(made.index === undefined ? {} : { packages: { index: made.index, home: packagesHome } }),
        ...imageWithin(state, origin),
      },
      ...pythonFor(state.environmentImage),
      ...imageFor(state.environmentImage, workspace),
      ...keptOf(made, origin),
    },
    limits,
    // Inputs come on top: what a job writes has as much room whatever it reads.
    scratchBytes: (isRoomy ? environmentScratchBytes : scratchBytes) + allBytesOf(content),
    ...(sharedBytes === undefined ? {} : { sharedBytes }),
    tokenTtlSeconds: timeoutSeconds,
  };
}

/** For the agent, where its node keeps inputs; the server decides with the token of the run, at each use, whether it may read them. */
function keptOf(made: Parameters<typeof documentOf>[0], origin: string): Pick<WorkDocument['document'], 'kept'> {
  const { state, workspace, content, keptInputBytes } = made;
  const isOne = ([name, input]: readonly [string, Content]) =>
    isKept(state.inputs?.[name] ?? {}, bytesOf(input), { hbi: workspace.hbi, keptInputBytes });
  const inputs = [...content.inputs]
    .filter(isOne)
    .map(([name, { digest }]) => ({ name, url: `${origin}${workspace.id}/snapshots/${digest}?${apiVersion}` }));
  if (inputs.length === 0) return {};
  return { kept: { scope: workspace.uniqueId, isNeeded: state.keptBytes !== undefined, inputs } };
}

const pathOf = ({ registryId, repository }: EnvironmentImage): string =>
  `${parseResourceId(registryId).name.toLowerCase()}/${repository}`;

/** For the agent, which brings it with the token of the run; it decides nothing of who may have it. */
function imageFor(image: EnvironmentImage | undefined, { hbi }: Workspace): Pick<WorkDocument['document'], 'image'> {
  if (image === undefined) return {};
  const as = image.python === undefined ? 'root' : 'environment';
  return { image: { repository: pathOf(image), digest: image.digest, as, inMemory: hbi } };
}

/** What the agent is to run it on, and nothing else instead. */
function pythonFor(image: EnvironmentImage | undefined): Pick<WorkDocument['document'], 'python' | 'abi' | 'links'> {
  if (image?.python === undefined) return {};
  const { python, abi, links } = image;
  return { python, ...(abi === undefined ? {} : { abi }), ...(links === undefined ? {} : { links: [...links] }) };
}

/** For the runner, should the node have no room to keep it: an environment can be in the memory of the job. */
function imageWithin({ environmentImage: image }: JobState, origin: string): object {
  if (image?.python === undefined) return {};
  return {
    image: { registryUrl: origin, repository: pathOf(image), digest: image.digest },
    ...(image.variables === undefined ? {} : { imageEnvironment: image.variables }),
  };
}

/** What a build runs: it holds the token for the package index, and no tracking, no code and no inputs. */
export function buildDocumentOf(made: {
  readonly state: JobState;
  readonly build: BuildDocument;
  readonly workspace: Workspace;
  readonly token: string;
  readonly port: number;
}): WorkDocument {
  const { state, build, workspace, token, port } = made;
  const timeoutSeconds = timeoutSecondsOf(state);
  const shared = { token, timeoutSeconds, redact: [token], packages: { index: build.index } };
  return {
    document:
      'command' in build
        ? {
            port,
            python: build.python,
            job: { ...shared, command: build.command, environment: build.environment, why: build.why },
          }
        : {
            port,
            writableRoot: true,
            ...(build.python === undefined ? {} : { python: build.python }),
            ...imageFor(build.image, workspace),
            job: {
              ...shared,
              build: { ...build.build, context: filesAt(`https://localhost:${port}`, workspace.id, build.context) },
            },
          },
    limits,
    scratchBytes: environmentScratchBytes,
    tokenTtlSeconds: timeoutSeconds,
  };
}

function environmentOf(
  made: Parameters<typeof documentOf>[0],
  tracking: string,
  origin: string,
): Readonly<Record<string, string>> {
  const { job, state, workspace, token } = made;
  const { subscriptionId = '', resourceGroup = '', name } = parseResourceId(workspace.id);
  const experiment = state.experimentName ?? 'Default';
  const expiry = String(
    Math.floor(Date.parse(state.startTime ?? new Date(0).toISOString()) / 1000) + timeoutSecondsOf(state),
  );
  return {
    MLFLOW_TRACKING_URI: tracking,
    MLFLOW_TRACKING_TOKEN: token,
    MLFLOW_RUN_ID: job.name,
    MLFLOW_EXPERIMENT_ID: state.experimentId ?? '',
    MLFLOW_EXPERIMENT_NAME: experiment,
    ...systemMetricsInCommand,
    AZUREML_RUN_TOKEN: token,
    AZUREML_RUN_TOKEN_EXPIRY: expiry,
    AZUREML_RUN_ID: job.name,
    AZUREML_ARM_SUBSCRIPTION: subscriptionId,
    AZUREML_ARM_RESOURCEGROUP: resourceGroup,
    AZUREML_ARM_WORKSPACE_NAME: name,
    AZUREML_ARM_PROJECT_NAME: experiment,
    AZUREML_EXPERIMENT_ID: state.experimentId ?? '',
    AZUREML_EXPERIMENT_SCOPE: `${workspace.id}/experiments/${experiment}`,
    AZUREML_WORKSPACE_ID: workspace.uniqueId,
    AZUREML_WORKSPACE_SCOPE: workspace.id,
    AZUREML_SERVICE_ENDPOINT: origin,
    AZUREML_DISCOVERY_SERVICE_ENDPOINT: `${origin}/discovery`,
    AZUREML_RUN_HISTORY_SERVICE_ENDPOINT: origin,
    AZUREML_FRAMEWORK: 'Python',
    AZUREML_SCRIPT_DIRECTORY_NAME: '/job/code',
    AZUREML_CONTROLLOG_PATH: logArtifact,
    AZUREML_DRIVERLOG_PATH: logArtifact,
  };
}
