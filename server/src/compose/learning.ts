// Machine learning: the workspace and what is done in it, from an experiment to an endpoint that answers.

import { fileURLToPath } from 'node:url';
import { createAssets } from '#assets';
import { createCompute } from '#compute';
import { createConnections } from '#connections';
import { createEndpoints } from '#endpoints';
import { createEnvironments, type EnvironmentsModule } from '#environments';
import { createFlows, type Flows } from '#flows';
import { createImages } from '#images';
import { createImports } from '#imports';
import { createJobs, type Jobs } from '#jobs';
import { originHere } from '#kernel/http/certificates';
import { createRuns } from '#runs';
import { createSchedules } from '#schedules';
import { createWorkspaces, type RegistryRule, readRegistryRule } from '#workspaces';
import type { DataPlane } from './data-plane.ts';
import type { Foundation } from './foundation.ts';
import type { Ground } from './ground.ts';
import { packageIndexesOf, registriesOf } from './ways-out.ts';

export function composeLearning(foundation: Foundation, ground: Ground, data: DataPlane) {
  const { config, clock, log, control } = foundation;
  const { common, identity, access, armSchemes, addresses, dataKeys } = ground;
  const { vault, storage, registry, monitoring } = data;

  const registryRules = config.environments.registries.map(ruleIn);
  const workspaces = createWorkspaces({
    ...common,
    access,
    vaults: vault.vaults,
    blobs: storage.blobs,
    protectStorage: storage.protect,
    protectRegistry: registry.protect,
    storageUsed: storage.used,
    registryUsed: registry.used,
    accountNamed: storage.accountNamed,
    addresses,
    dataKeys,
    indexForJobs: config.environments.indexForJobs,
    registryRules,
  });
  const inWorkspaces = { ...common, workspaces: workspaces.workspaces, blobs: storage.blobs, addresses };
  const connections = createConnections({ workspaces: workspaces.workspaces });
  const assets = createAssets({
    ...inWorkspaces,
    loggedModel: (...asked) => runs.runs.loggedModel(...asked),
    pipelineSteps: () => flows.pipelineSteps,
    placed: (...named) => jobs.placed(...named),
  });
  const runs = createRuns({ ...inWorkspaces, registry: assets.assets.registry, schemes: armSchemes });
  const compute = createCompute({
    database: control,
    clock,
    log,
    telemetry: common.telemetry,
    tokens: identity.tokens,
    tenantId: common.tenantId,
    maxNodes: config.agent.maxNodes,
    agentCommand: config.agent.embedded ? embeddedAgent : undefined,
    images: {
      bytes: config.agent.imageBytes,
      ...(config.agent.imageFolder === '' ? {} : { folder: config.agent.imageFolder }),
    },
    inputs: {
      bytes: config.agent.inputBytes,
      isEncrypted: config.agent.inputFolderIsEncrypted,
      ...(config.agent.inputFolder === '' ? {} : { folder: config.agent.inputFolder }),
    },
    pythons: config.agent.pythons,
    agentPlace: {
      url: originHere(config.http.host, config.http.port),
      caPem: foundation.trust.pem,
      hostNames: [],
    },
  });
  const jobs: Jobs = createJobs({
    ...inWorkspaces,
    runs: runs.runs,
    assets: assets.assets,
    vaults: vault.vaults,
    putAsked: storage.putAsked,
    work: compute.work,
    inputBytes: config.jobs.inputBytes,
    keptInputBytes: config.jobs.keptInputBytes,
    serverlessNodes: Math.min(config.jobs.serverlessNodes, config.agent.maxNodes),
    tokens: identity.tokens,
    directory: identity.directory,
    schemes: [addresses.scheme('history'), ...armSchemes],
    room: foundation.room,
    parents: {
      of: (type) => flows.parents.of(type),
      look: (id) => flows.parents.look(id),
      isMaking: (id) => flows.parents.isMaking(id),
    },
    environments: () => environments.forJobs,
  });
  const flows: Flows = createFlows({
    ...common,
    database: control,
    assets: assets.assets,
    jobs,
    room: foundation.room,
  });
  const schedules = createSchedules({
    ...common,
    database: control,
    jobs,
    directory: identity.directory,
    room: foundation.room,
  });
  const images = createImages({ registry: registry.registry });
  const imports = createImports({
    registry: registry.registry,
    fetch: registriesOf(config.environments),
    rules: registryRules,
    imageBytes: config.environments.imageBytes,
  });
  const environments: EnvironmentsModule = createEnvironments({
    ...inWorkspaces,
    assets: assets.assets,
    registry: registry.registry,
    images: images.images,
    imports: imports.imports,
    preparing: jobs.preparing,
    pythons: compute.pythons,
    ...packageIndexesOf(config.environments),
    indexForJobs: config.environments.indexForJobs,
    map: config.environments.images,
    aside: foundation.tasks.aside,
    enqueue: foundation.tasks.enqueue,
    database: control,
    keptDays: config.environments.keptDays,
    runTokens: ground.runTokens,
    schemes: armSchemes,
  });
  const endpoints = createEndpoints({
    ...inWorkspaces,
    assets: assets.assets,
    registry: registry.registry,
    images: images.images,
    environments: environments.environments,
    work: compute.work,
    dataKeys,
    scoring: monitoring.scoring,
  });
  // In the order in which they stand on each other.
  return {
    workspaces,
    connections,
    runs,
    assets,
    compute,
    jobs,
    flows,
    schedules,
    images,
    imports,
    environments,
    endpoints,
  };
}
export type Learning = ReturnType<typeof composeLearning>;

function ruleIn(text: string): RegistryRule {
  const rule = readRegistryRule(text);
  if (typeof rule === 'string') throw new Error(`environments.registries was not checked: ${rule}`);
  return rule;
}

const embeddedAgent: readonly [string, ...string[]] = [
  process.execPath,
  '--disable-warning=ExperimentalWarning',
  fileURLToPath(new URL('../../../agent/src/main.ts', import.meta.url)),
];
