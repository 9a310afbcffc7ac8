// Online endpoints and their deployments in Azure ML's v2 YAML schema, turned into request bodies.

import type { JsonObject } from '@strongroom/contract/client';
import type { WorkspacePaths } from '@strongroom/contract/client.paths';
import { type Document, type Reader, readerOf } from '../document.reader.ts';
import {
  codeOf,
  defined,
  durationOf,
  environmentOf,
  modelOf,
  refuse,
  type Sources,
  secondsOf,
  wordIn,
} from './references.ts';

const authModes: Readonly<Record<string, string>> = { key: 'Key', aml_token: 'AMLToken', aad_token: 'AADToken' };

/** PUT of an online endpoint. */
export function endpointBody(
  document: Document,
  location: string,
): { readonly name: string | undefined; readonly body: JsonObject } {
  const read = readerOf(document);
  const name = read.text('name');
  // Public files write it in either case.
  const authMode = wordIn(authModes, (read.text('auth_mode') ?? 'key').toLowerCase());
  if (authMode === undefined) throw read.wrong('auth_mode', `must be one of ${Object.keys(authModes).join(', ')}`);
  refuse(read, {
    compute: 'it means a Kubernetes cluster, and only managed endpoints are. Leave it out',
    public_network_access: 'who reaches an endpoint is decided where the server listens. Leave it out',
    mirror_traffic: 'a request goes to one deployment. Leave it out',
  });
  const identityType = identityOf(read.within('identity'));
  const body = defined({
    location: read.text('location') ?? location,
    tags: read.texts('tags'),
    identity: identityType === undefined ? undefined : { type: identityType },
    properties: defined({
      authMode,
      description: read.text('description'),
      traffic: read.map('traffic'),
      properties: read.texts('properties'),
    }),
  });
  read.finish();
  return { name, body };
}

function identityOf(read: Reader | undefined): string | undefined {
  if (read === undefined) return undefined;
  const type = read.needed('type');
  if (type !== '' && type !== 'system_assigned' && type !== 'SystemAssigned')
    throw read.wrong('type', `is '${type}': identities of one's own are not served, 'system_assigned' is`);
  return 'SystemAssigned';
}

/** PUT of a deployment. */
export async function deploymentBody(document: Document, paths: WorkspacePaths, sources: Sources, location: string) {
  const read = readerOf(document);
  const type = read.text('type') ?? 'managed';
  if (type !== 'managed') throw read.wrong('type', `is '${type}': only managed deployments are served`);
  refuse(read, {
    egress_public_network_access: 'a deployment reaches Strongroom and nothing else. Leave it out',
    data_collector: 'requests are recorded by the server for every deployment. Leave it out',
  });
  const configuration = read.within('code_configuration');
  const [code, scoringScript] = [configuration?.text('code'), configuration?.text('scoring_script')];
  const requests = read.within('request_settings');
  const requestSettings =
    requests &&
    defined({
      requestTimeout: durationOf(requests.positive('request_timeout_ms', 'milliseconds')),
      maxQueueWait: durationOf(requests.positive('max_queue_wait_ms', 'milliseconds')),
      maxConcurrentRequestsPerInstance: requests.whole('max_concurrent_requests_per_instance'),
    });
  const fields = {
    name: read.text('name'),
    endpoint: read.text('endpoint_name'),
    environmentVariables: read.texts('environment_variables'),
    instanceType: read.text('instance_type'),
    description: read.text('description'),
    appInsightsEnabled: read.flag('app_insights_enabled'),
    livenessProbe: probeOf(read.within('liveness_probe')),
    readinessProbe: probeOf(read.within('readiness_probe')),
    tags: read.texts('tags'),
    properties: read.texts('properties'),
    place: read.text('location') ?? location,
  };
  const model = modelOf(read, document, paths);
  const environment = environmentOf(read, document, paths);
  const scaleType = read.within('scale_settings')?.text('type') ?? 'default';
  const instances = read.whole('instance_count') ?? 1;
  const codeId = configuration && code !== undefined ? codeOf(code, configuration, document, paths) : undefined;
  read.finish();
  if (model === undefined) throw read.wrong('model', 'is missing');
  if (scaleType !== 'default') throw read.wrong('scale_settings', "must be { type: default }; set 'instance_count'");
  if (configuration !== undefined && (codeId === undefined || scoringScript === undefined))
    throw read.wrong(
      'code_configuration',
      "needs 'code' (a folder) and 'scoring_script' (a file in it). Leave it out for a model of type mlflow_model, which is served without",
    );
  const { name, endpoint, tags, place, ...rest } = fields;
  return {
    name,
    endpoint,
    body: defined({
      location: place,
      tags,
      sku: { name: 'Default', capacity: instances },
      properties: defined({
        endpointComputeType: 'Managed',
        ...rest,
        environmentId: await environment?.(sources),
        model: await model(sources),
        codeConfiguration: codeId && { codeId: await codeId(sources), scoringScript },
        scaleSettings: { scaleType: 'Default' },
        requestSettings,
      }),
    }),
  };
}

function probeOf(probe: Reader | undefined): JsonObject | undefined {
  if (probe === undefined) return undefined;
  const seconds = (name: string) => secondsOf(probe.positive(name, 'seconds'));
  return defined({
    failureThreshold: probe.whole('failure_threshold'),
    successThreshold: probe.whole('success_threshold'),
    initialDelay: seconds('initial_delay'),
    period: seconds('period'),
    timeout: seconds('timeout'),
  });
}
