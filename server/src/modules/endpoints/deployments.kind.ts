// The deployment as a resource kind. Creating one builds its image from code, model and environment, starts its scoring
// processes and waits until their init() has returned. An update with other contents does the same beside what runs, and
// takes its place only when it is ready.

import {
  deploymentSku,
  type GetLogsRequest,
  getLogsAnswer,
  getLogsRequest,
  onlineDeployment,
} from '@strongroom/contract/endpoints';
import { registryActions } from '@strongroom/contract/registry.actions';
import { type Assets, curatedName, type Snapshot } from '#assets';
import type { Environments, ModelFiles, Planned } from '#environments';
import { type BaseName, baseImageIn, type Images, isNamedIn } from '#images';
import type { Action, Grant, Grants } from '#kernel/authority/grant';
import type { Acts } from '#kernel/authority/perform';
import { accessed, activity, json } from '#kernel/http/route';
import { parentId, sameId } from '#kernel/ids/ids';
import type { Log } from '#kernel/log/log';
import type { Draft, Properties, Resource, ResourceKind, Resources } from '#resources';
import { type Workspace, type Workspaces, workspaceOf } from '#workspaces';
import type { Directory } from './directory.service.ts';
import { endpointsDuties } from './duties.ts';
import { endpointsFailures } from './endpoints.errors.ts';
import { takeFromTraffic } from './endpoints.kind.ts';
import { checkDeployment } from './endpoints.rules.ts';
import type { DeploymentRegistry } from './endpoints.types.ts';
import type { Fleet } from './fleet.service.ts';
import { labelsOf, madeBy } from './labels.rules.ts';
import { assetIdIn, deploymentType, modelIdIn } from './names.rules.ts';
import { type DeploymentState, type Plan, pathOf, planOf, stateOf } from './plan.rules.ts';
import {
  checkInputs,
  mlflowModelOf,
  modelDirOf,
  type ScoringInputs,
  scoringImageOf,
  scriptOf,
} from './scoring-image.rules.ts';
import { unservedOfDeployments } from './unserved.ts';

const deploymentsMax = 20;
const repositoryOf = ({ uniqueId }: Resource) => `deployments/${uniqueId}`;

type Inputs = Omit<ScoringInputs, 'base'>;

/** At most one of the two. */
type Ground = { readonly image?: BaseName; readonly recipe?: string | undefined };
/** What the layers of a deployment stand on, and the interpreter that it was built with. */
type Base = { readonly base: BaseName | undefined } & Pick<
  NonNullable<DeploymentState['image']>,
  'python' | 'abi' | 'links' | 'variables'
>;

export function createDeploymentKind(deps: {
  readonly resources: Resources;
  readonly workspaces: Workspaces;
  readonly assets: Assets;
  readonly registry: DeploymentRegistry;
  readonly images: Images;
  readonly environments: Environments;
  readonly grants: Grants;
  readonly acts: Pick<Acts, 'duty'>;
  readonly fleet: Fleet;
  readonly directory: Directory;
  readonly log: Log;
  /** `localhost:8443`: what images may be named with in front. */
  readonly domain: string;
}): ResourceKind {
  const { resources, workspaces, assets, registry, images, environments, grants, acts, fleet, directory, log } = deps;

  /** What the image is made of. The grant must be allowed to read each. */
  async function inputsOf(
    grant: Grant,
    workspace: Workspace,
    { model: named, codeConfiguration }: DeploymentState,
  ): Promise<Inputs> {
    const modelId = modelIdIn(workspace.id, named);
    const model = await assets.model(grant, modelId);
    if (!codeConfiguration && model.modelType !== 'mlflow_model')
      throw endpointsFailures.scriptMissing(model.modelType);
    const code =
      codeConfiguration &&
      (await assets.code(
        grant,
        assetIdIn(workspace.id, codeConfiguration.codeId ?? '', 'codes', 'codeConfiguration.codeId'),
      ));
    const reading = grants.duty(endpointsDuties.build, workspace.id);
    const filesOf = ({ digest, files }: Snapshot) =>
      files.map(({ path, size }) => ({
        path,
        size,
        open: async () => (await assets.snapshots.openFile(reading, workspace.id, digest, path)).stream,
      }));
    return {
      script:
        code && codeConfiguration
          ? { code: { digest: code.digest, files: filesOf(code) }, path: codeConfiguration.scoringScript }
          : undefined,
      model: { id: modelId, name: model.name, version: model.version, folder: model.folder, files: filesOf(model) },
    };
  }

  /** What a deployment without a script runs in when it names nothing: what its model brings. */
  async function groundFor(
    grant: Grant,
    workspace: Workspace,
    state: DeploymentState,
    inputs: Inputs,
  ): Promise<Ground> {
    const isNamed = (state.environmentId ?? undefined) !== undefined;
    if (inputs.script !== undefined) return groundOf(grant, workspace, state);
    const files = modelFilesOf(inputs);
    if (!isNamed) return await environments.planModel(workspace.id, files);
    await environments.checkModel(files);
    return groundOf(grant, workspace, state);
  }

  /** What the deployment names to run on: an image of the registry, or what is made of packages. Refused where it cannot be had. */
  async function groundOf(grant: Grant, workspace: Workspace, { environmentId }: DeploymentState): Promise<Ground> {
    if (environmentId === undefined || environmentId === null) return {};
    if (curatedName(environmentId) !== undefined)
      return groundIn(await environments.plan(grant, workspace.id, environmentId));
    const id = assetIdIn(workspace.id, environmentId, 'environments', 'environmentId');
    const { image, condaFile, build } = await assets.environment(grant, id);
    if (build !== undefined) return groundIn(await environments.plan(grant, workspace.id, id));
    const isOwn = image !== undefined && isNamedIn(workspace.containerRegistry, deps.domain, image);
    if (image !== undefined && condaFile === undefined && (isOwn || !environments.knows(workspace, image)))
      return { image: baseImageIn(workspace.containerRegistry, deps.domain, image) };
    return groundIn(await environments.plan(grant, workspace.id, id));
  }

  /** What the operator's map names may be an image itself. */
  const groundIn = ({ recipe, image }: Planned): Ground =>
    image === undefined ? { recipe } : { image: { repository: image.repository, reference: image.digest } };

  /** Waits for what is built. */
  async function baseOf(deployment: Resource, ground: Ground): Promise<Base> {
    if (ground.recipe === undefined) return { base: ground.image };
    const submitter = deployment.creator?.objectId ?? '';
    const { recipe } = ground;
    const image = await environments.ready({ submitter, subject: deployment.id, recipe });
    const { repository, digest, python, abi, links, variables } = image;
    return {
      base: { repository, reference: digest },
      ...(python === undefined ? {} : { python }),
      ...(abi === undefined ? {} : { abi }),
      ...(links === undefined ? {} : { links }),
      ...(variables === undefined ? {} : { variables }),
    };
  }

  /** Built by the workspace's identity, which pulls and pushes by its own roles. */
  async function build(
    grant: Grant,
    deployment: Resource,
    workspace: Workspace,
  ): Promise<NonNullable<DeploymentState['image']>> {
    const state = stateOf(deployment.properties);
    const made = await inputsOf(grant, workspace, state);
    const { base, ...interpreter } = await baseOf(deployment, await groundFor(grant, workspace, state, made));
    const inputs = { ...made, base };
    const registryId = workspace.containerRegistry;
    const repository = repositoryOf(deployment);
    const as = (action: Action) =>
      workspaces.asIdentity(workspace, action, registryId, 'build the image of a deployment');
    const built = await images.build(
      { push: as(registryActions.push), pull: as(registryActions.pull) },
      { registryId, repository },
      scoringImageOf(inputs),
    );
    return {
      ...built,
      ...interpreter,
      modelDir: modelDirOf(inputs),
      registryId,
      scoringScript: scriptOf(inputs),
      mlflowModel: mlflowModelOf(inputs),
    };
  }

  const isGoing = async (id: string): Promise<boolean> => {
    const resource = await resources.find(grants.duty(endpointsDuties.serve, id), id);
    return resource === undefined || resource.provisioningState === 'Deleting';
  };

  async function planFor(deployment: Resource, image: NonNullable<DeploymentState['image']>): Promise<Plan> {
    const workspaceId = workspaceOf(deployment.id) ?? '';
    return planOf(
      deployment,
      image,
      await workspaces.get(grants.duty(endpointsDuties.serve, workspaceId), workspaceId),
    );
  }

  /** What the deployment does not run any more is removed. That it stays when it cannot be must not keep the deployment. */
  async function keepImage(deployment: Resource, image: DeploymentState['image']): Promise<void> {
    try {
      const workspaceId = workspaceOf(deployment.id) ?? '';
      const workspace = await workspaces.get(grants.duty(endpointsDuties.serve, workspaceId), workspaceId);
      const registryId = workspace.containerRegistry;
      const repository = repositoryOf(deployment);
      const action = registryActions.deleteArtifacts;
      const facts = {
        operation: 'Images_RemoveUnused',
        action,
        scope: registryId,
        parameters: { repository, kept: image?.digest ?? '' },
      };
      await acts.duty(endpointsDuties.removeImages, facts, () => {
        const reason = 'remove images that a deployment does not run';
        const remove = workspaces.asIdentity(workspace, action, registryId, reason);
        return registry.keepOnly(remove, registryId, repository, image?.digest);
      });
    } catch (error) {
      log.warn({ module: 'endpoints', subject: deployment.uniqueId, error }, 'images of a deployment were not removed');
    }
  }

  /** Builds and starts; afterwards there is the image that runs, and no other. */
  async function roll(
    deployment: Resource,
    before: DeploymentState['image'],
  ): Promise<NonNullable<DeploymentState['image']>> {
    let runs = before;
    try {
      const workspaceId = workspaceOf(deployment.id) ?? '';
      const grant = grants.duty(endpointsDuties.build, workspaceId);
      const workspace = await workspaces.get(grant, workspaceId);
      const image = await build(grant, deployment, workspace);
      await fleet.roll(planOf(deployment, image, workspace));
      runs = image;
      return image;
    } finally {
      await keepImage(deployment, runs);
    }
  }

  const siblingsOf = async (id: string): Promise<Resource[]> => {
    const direct = grants.duty(endpointsDuties.direct, parentId(id));
    const siblings: Resource[] = [];
    for await (const one of resources.each(direct, { type: deploymentType, under: parentId(id) })) siblings.push(one);
    return siblings;
  };
  const byAge = (one: Resource, other: Resource) =>
    one.systemData.createdAt < other.systemData.createdAt ||
    (one.systemData.createdAt === other.systemData.createdAt && one.id < other.id)
      ? -1
      : 1;

  return {
    type: deploymentType,
    title: 'deployment',
    namePattern: /^[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]$/,
    nameRule: 'it has 3 to 32 letters, digits and hyphens, begins with a letter and does not end with a hyphen',
    properties: onlineDeployment,
    sku: deploymentSku,
    unserved: unservedOfDeployments,
    discriminators: [
      { path: 'endpointComputeType', serves: ['Managed'], refuse: endpointsFailures.ComputeTypeNotServed },
    ],
    location: 'optional',
    longRunning: true,

    normalise({ properties }): Properties {
      return {
        ...properties,
        properties: labelsOf(properties),
        scaleSettings: { scaleType: 'Default', ...(properties['scaleSettings'] as object | undefined) },
      };
    },

    async validate(grant, draft: Draft, existing, id) {
      const state = stateOf(draft.properties);
      checkDeployment(state);
      const workspace = await workspaces.get(grant, workspaceOf(id) ?? '');
      const inputs = await inputsOf(grant, workspace, state);
      checkInputs(inputs);
      await groundFor(grant, workspace, state, inputs);
      if (existing) return;
      const others = (await siblingsOf(id)).filter((one) => !sameId(one.id, id));
      if (others.length >= deploymentsMax) throw endpointsFailures.QuotaExceeded(deploymentsMax);
    },

    async create(_grant, resource) {
      // Those that were asked for at once did not see each other before: the first by their rows stay.
      const ids = (await siblingsOf(resource.id)).sort(byAge).map(({ id }) => id);
      if (ids.findIndex((id) => sameId(id, resource.id)) >= deploymentsMax)
        throw endpointsFailures.QuotaExceeded(deploymentsMax);
      return { ...resource.properties, image: await roll(resource, undefined) };
    },

    async update(_grant, resource, before) {
      const image = stateOf(before.properties).image;
      if (image !== undefined && isSameContent(resource, before)) {
        fleet.adjust(await planFor(resource, image));
        return { ...resource.properties, image };
      }
      return { ...resource.properties, image: await roll(resource, image) };
    },

    async remove(_grant, resource) {
      const endpointId = parentId(resource.id);
      const isAlone = !(await isGoing(endpointId)) && !(await isGoing(workspaceOf(resource.id) ?? ''));
      const done = isAlone
        ? await takeFromTraffic({ resources, grants, directory }, endpointId, resource.name)
        : undefined;
      try {
        await fleet.forget(resource.id);
        if (isAlone) await keepImage(resource, undefined);
      } finally {
        done?.();
      }
    },

    view(resource, addressed) {
      const { image, ...shown } = stateOf(resource.properties);
      const replaced = fleet.replaced(resource.id);
      return {
        description: null,
        environmentVariables: {},
        instanceType: null,
        ...shown,
        requestSettings: {
          maxConcurrentRequestsPerInstance: 1,
          requestTimeout: 'PT5S',
          maxQueueWait: 'PT0.5S',
          ...shown.requestSettings,
        },
        properties: {
          ...shown.properties,
          ...(image === undefined ? {} : { 'strongroom.image': `${pathOf(image)}@${image.digest}` }),
          'strongroom.health': fleet.health(resource.id),
          ...(replaced === 0 ? {} : { 'strongroom.replaced': String(replaced) }),
          ...madeBy(resource, addressed),
        },
      };
    },

    actions: [
      {
        name: 'getLogs',
        summary: 'The last lines that the scoring processes printed.',
        goesOnWhenLow: 'it stores nothing',
        audit: accessed('containerType'),
        body: { kind: 'json', schema: getLogsRequest, maxBytes: 4096 },
        responses: { 200: getLogsAnswer },
        async handle(_grant, deployment, { body }) {
          const { containerType, tail } = body as GetLogsRequest; // checked by the schema
          const isRunner = containerType !== 'StorageInitializer';
          return json(200, { content: isRunner ? fleet.output(deployment.id).tail(tail ?? undefined) : '' });
        },
      },
    ],
    audit: {
      write: activity(
        'properties.model',
        'properties.codeConfiguration.codeId',
        'properties.environmentId',
        'sku.capacity',
      ),
      remove: activity(),
    },
  };
}

/** Whether the processes that run are still what is asked for, however many and however long requests may take. */
function isSameContent(asked: Resource, before: Resource): boolean {
  const content = (resource: Resource) => {
    const { model, codeConfiguration, environmentId, environmentVariables, requestSettings } = stateOf(
      resource.properties,
    );
    return JSON.stringify([
      model,
      codeConfiguration ?? null,
      environmentId ?? null,
      environmentVariables ?? {},
      requestSettings?.maxConcurrentRequestsPerInstance ?? 1,
    ]);
  };
  return content(asked) === content(before);
}

/** What is read of a model is bounded by whoever reads it, who is told the sizes. */
function modelFilesOf({ model: { files } }: Inputs): ModelFiles {
  const byPath = new Map(files.map((file) => [file.path, file]));
  return {
    sizes: new Map(files.map(({ path, size }) => [path, size])),
    async read(path) {
      const content = await byPath.get(path)?.open();
      if (content === undefined) throw new Error('a file was asked for that the model has not');
      if (content instanceof Uint8Array) return content;
      const chunks: Buffer[] = [];
      for await (const chunk of content) chunks.push(Buffer.from(chunk));
      return Buffer.concat(chunks);
    },
  };
}
