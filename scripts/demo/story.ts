// What the demo does, step by step. Each step does the thing over the public API, says in plain words what it means, and holds
// the answer against what was promised.

import { randomBytes, randomUUID } from 'node:crypto';
import { appendFileSync, cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { AuditEntry, AuditVerification } from '@strongroom/contract/audit';
import { type Client, createClient, type JsonObject, ServiceError } from '@strongroom/contract/client';
import {
  auditPath,
  groupPath,
  resourcePath,
  vaultAudience,
  vaultOrigin,
  vaultType,
  vaultVersion,
  workspacePaths,
  workspaceType,
} from '@strongroom/contract/client.paths';
import { createTokenEndpoint } from '@strongroom/contract/client.tokens';
import { readDocument } from '../../cli/src/document.reader.ts';
import { deploymentBody, endpointBody } from '../../cli/src/documents/endpoint.ts';
import { jobBody } from '../../cli/src/documents/job.ts';
import { readTrail } from '../../cli/src/trail.ts';
import { createTransport } from '../../cli/src/transport.ts';
import { followLog, propertiesOf, runOf, sourcesOf, waitForJob } from '../../cli/src/work.ts';
import { searchFor } from './canaries.ts';
import type { Narrator } from './narrator.ts';
import { shortened } from './record.ts';
import { startDemoServer } from './server.ts';
import { lines, watchMetrics } from './training.ts';

export type Places = {
  readonly dataDir: string;
  readonly logFile: string;
  readonly bootstrapFile: string;
  /** Where the example is copied to. */
  readonly project: string;
};

export const names = {
  group: 'demo',
  vault: `demo-${randomBytes(4).toString('hex')}`,
  key: 'workspace-key',
  workspace: 'breast-cancer',
  cluster: 'cpu-cluster',
  model: 'breast-cancer',
  endpoint: 'breast-cancer',
  deployment: 'blue',
} as const;
const roleName = 'Key Vault Crypto Officer';
const example = fileURLToPath(new URL('../../examples/breast-cancer/', import.meta.url));

/** A promise of this demo that did not hold. */
export function promise(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

export async function tellStory(
  tell: Narrator,
  places: Places,
  /** Given how to stop the server as soon as there is one. */
  spawned: (stop: () => Promise<void>) => void,
  /** Without it, what needs a sandbox is left out: training, the model, its deployment. */
  { trains }: { readonly trains: boolean } = { trains: true },
) {
  const marker = randomBytes(6).toString('hex');
  const canaries = { data: `nightingale-${marker}-in-the-data`, note: `wren-${marker}-in-the-note` };

  tell.title('Strongroom, from an empty folder to a scored model');
  const server = await tell.step('Start a server on an empty folder', async () => {
    const started = await startDemoServer(places, spawned);
    tell.say(
      `It made its keys, its certificate authority and its first administrator, and answers at ${started.bootstrap.url}`,
    );
    return started;
  });
  const { bootstrap } = server;
  const origin = bootstrap.url;
  const { location, subscriptionId } = bootstrap;
  const transport = createTransport({ caFile: bootstrap.caFile });

  const client = await tell.step('Sign in as the application that the first start made', async () => {
    const endpoint = createTokenEndpoint({ origin, tenant: bootstrap.tenantId, transport: transport.send });
    const tokens = new Map<string, Promise<string>>();
    const made = createClient({
      origin,
      transport: transport.send,
      userAgent: 'strongroom-demo',
      token: (audience) => {
        const present = tokens.get(audience);
        if (present) return present;
        const asked = endpoint
          .withSecret(bootstrap.application.clientId, bootstrap.application.clientSecret, audience)
          .then(({ accessToken }) => accessToken);
        tokens.set(audience, asked);
        return asked;
      },
    });
    const [subscription] = await made.list('/subscriptions');
    tell.say(
      `Owner of the subscription '${String(subscription?.['displayName'])}', over TLS, trusting only this server's own authority.`,
    );
    return made;
  });

  const paths = workspacePaths(resourcePath(subscriptionId, names.group, workspaceType, names.workspace));
  const vaultId = resourcePath(subscriptionId, names.group, vaultType, names.vault);
  const key = await tell.step('Make a key vault, and in it the key that the workspace will live under', async () => {
    await client.settle('PUT', groupPath(subscriptionId, names.group), { body: { location } });
    await client.settle('PUT', vaultId, {
      body: {
        location,
        properties: {
          tenantId: bootstrap.tenantId,
          sku: { family: 'A', name: 'standard' },
          enableRbacAuthorization: true,
          enablePurgeProtection: true,
        },
      },
    });
    const create = () =>
      client.post<{ readonly key: { readonly kid: string } }>(
        `${vaultOrigin(origin, names.vault)}/keys/${names.key}/create`,
        {
          audience: vaultAudience(origin),
          apiVersion: vaultVersion,
          body: { kty: 'RSA', key_size: 3072 },
        },
      );
    const refused = await statusOf(create);
    promise(
      refused === 403,
      `An Owner without a data role should be refused (403) by the vault; it answered ${refused}.`,
    );
    tell.good('An Owner may not use the vault yet (403): owning a resource is not owning what is in it.');
    await assignRole(client, vaultId, roleName, bootstrap.application.objectId);
    tell.say(`So it gives itself the role ${roleName}, which the audit log keeps for good, and tries again.`);
    const made = await create();
    tell.fact('key', made.key.kid);
    return made.key.kid;
  });

  await tell.step('Make a workspace whose data is sealed under that key', async () => {
    await client.settle('PUT', paths.id, {
      body: {
        location,
        identity: { type: 'SystemAssigned' },
        properties: {
          friendlyName: 'Breast cancer, diagnostic',
          ...(trains ? {} : { description: canaries.note }),
          encryption: { status: 'Enabled', keyVaultProperties: { keyVaultArmId: vaultId, keyIdentifier: key } },
        },
      },
    });
    tell.say(
      'With it came a storage account, a container registry, a database of its own and an identity that may use the key.',
    );
    if (!trains) return tell.quiet('A canary is hidden in its description. At the end the disk is searched for it.');
    await client.settle('PUT', paths.compute(names.cluster), {
      body: {
        location,
        properties: {
          computeType: 'AmlCompute',
          properties: {
            vmSize: 'STANDARD_D2_V3',
            scaleSettings: { minNodeCount: 0, maxNodeCount: 2, nodeIdleTimeBeforeScaleDown: 'PT2M' },
          },
        },
      },
    });
    tell.say('And a cluster of nodes: sandboxes without a network, that exist only while something runs.');
  });

  async function learn() {
    const trained = await tell.step('Train a model on 569 real biopsies', async () => {
      cpSync(example, places.project, { recursive: true });
      appendFileSync(join(places.project, 'src', 'data.csv'), `# ${canaries.data}\n`);
      tell.quiet(
        `A canary is hidden in the data and another in a parameter. At the end the disk is searched for both.`,
      );
      const document = await readDocument(join(places.project, 'job.yml'), [
        `command=python3 train.py --epochs \${{inputs.epochs}} --learning-rate \${{inputs.learning_rate}} --note \${{inputs.note}}`,
        `inputs.note=${canaries.note}`,
        `compute=azureml:${names.cluster}`,
      ]);
      const { body } = await jobBody(document, paths, sourcesOf(client, paths));
      const job = `breast-cancer-${randomBytes(4).toString('hex')}`;
      await client.settle('PUT', paths.job(job), { body });
      tell.fact('job', job);
      const watch = watchMetrics(() => runOf(client, paths, job), tell);
      const print = lines((line) => tell.quote(line));
      await followLog(client, paths, job, print.write);
      print.end();
      const ended = propertiesOf(await waitForJob(client, paths, job, sleep));
      await watch.end();
      const status = String(ended['status']);
      promise(
        status === 'Completed',
        `The job ended as ${status}${ended['error'] === undefined ? '' : `: ${JSON.stringify(ended['error'])}`}.`,
      );
      const { data } = await runOf(client, paths, job);
      const metrics = Object.fromEntries((data.metrics ?? []).map(({ key: name, value }) => [name, value]));
      promise(
        Number(metrics['accuracy']) > 0.9,
        `The accuracy should be above 0.9; it is ${String(metrics['accuracy'])}.`,
      );
      promise(
        data.params?.some(({ value }) => value === canaries.note) === true,
        'The parameter that the job logged is not in its run.',
      );
      tell.good(`Completed: ${(Number(metrics['accuracy']) * 100).toFixed(1)} % of the held-out biopsies told apart.`);
      return { job, status, metrics };
    });

    const model = await tell.step('Register the model that the job wrote', async () => {
      const version = '1';
      await client.settle('PUT', paths.modelVersion(names.model, version), {
        body: {
          properties: {
            modelUri: `azureml://jobs/${trained.job}/outputs/artifacts/paths/outputs/model.json`,
            modelType: 'custom_model',
            description: `From job ${trained.job}`,
          },
        },
      });
      tell.fact('model', `${names.model}:${version}, copied out of the run and fixed by its digest`);
      return { name: names.model, version };
    });

    const deployed = await tell.step(
      'Deploy it: build an image, start it in a sandbox, give it an address',
      async () => {
        const endpoint = endpointBody(await readDocument(join(places.project, 'endpoint.yml')), location);
        await client.settle('PUT', paths.endpoint(names.endpoint), { body: endpoint.body });
        const document = await readDocument(join(places.project, 'deployment.yml'), [
          `name=${names.deployment}`,
          `endpoint_name=${names.endpoint}`,
        ]);
        const { body } = await deploymentBody(document, paths, sourcesOf(client, paths), location);
        const { value } = await client.settle('PUT', paths.deployment(names.endpoint, names.deployment), { body });
        await client.settle('PATCH', paths.endpoint(names.endpoint), {
          body: { properties: { traffic: { [names.deployment]: 100 } } },
        });
        const image = String((propertiesOf(value)['properties'] as JsonObject | undefined)?.['strongroom.image'] ?? '');
        const [, repository = '', digest = ''] = /^(.+)@(sha256:[0-9a-f]{64})$/.exec(image) ?? [];
        promise(digest !== '', `The deployment does not say which image it runs (${image}).`);
        const { scoringUri } = propertiesOf(await client.get(paths.endpoint(names.endpoint)));
        promise(typeof scoringUri === 'string', 'The endpoint has no scoring address.');
        tell.fact('image', `${repository}@${digest}`);
        tell.quiet('Built without a container engine; the same code and model give the same digest.');
        tell.fact('address', scoringUri);
        return { repository, digest, scoringUri };
      },
    );

    const scored = await tell.step('Ask it about two biopsies', async () => {
      const { primaryKey } = await client.post<{ readonly primaryKey: string }>(
        `${paths.endpoint(names.endpoint)}/listKeys`,
      );
      const request = JSON.parse(readFileSync(join(places.project, 'request.json'), 'utf8')) as JsonObject; // codec: an example of ours
      const ask = (bearer: string | null) =>
        client.post<{ readonly benign?: readonly number[] }>(deployed.scoringUri, {
          bearer,
          apiVersion: null,
          body: request,
        });
      const answer = await ask(primaryKey);
      const [first = Number.NaN, second = Number.NaN] = answer.benign ?? [];
      promise(
        first < 0.5 && second > 0.5,
        `The first should be malignant and the second benign; the answer is ${JSON.stringify(answer)}.`,
      );
      tell.good(
        `With the key: ${percent(first)} and ${percent(second)} likely to be benign. The first is cancer, the second is not.`,
      );
      const statusWithoutKey = await statusOf(() => ask(null));
      promise(statusWithoutKey === 401, `Without a key the answer should be 401; it is ${statusWithoutKey}.`);
      const statusWithOther = await statusOf(() => ask(randomBytes(32).toString('base64url')));
      promise(statusWithOther === 401, `With a wrong key the answer should be 401; it is ${statusWithOther}.`);
      tell.good('Without the key, and with a wrong one: 401, and nothing about why.');
      return { answer, statusWithoutKey, primaryKey };
    });
    return {
      secret: scored.primaryKey,
      told: {
        jobName: trained.job,
        jobStatus: trained.status,
        metrics: trained.metrics,
        model,
        image: { repository: deployed.repository, digest: deployed.digest },
        endpoint: { name: names.endpoint, scoringUri: deployed.scoringUri },
        score: scored.answer,
        statusWithoutKey: scored.statusWithoutKey,
      },
    };
  }
  const learned = trains ? await learn() : undefined;

  const audit = await tell.step('Read the record of all this, and have it prove itself', async () => {
    const entries = await client.list<AuditEntry>(auditPath(subscriptionId, 'records'), {
      query: { $top: 500 },
      max: 5000,
    });
    const trail = readTrail(entries);
    const { rows, reads } = shortened(trail, 'strongroom-automation');
    tell.table(['who', 'did what', 'to', 'outcome'], rows);
    tell.quiet(`… and ${reads} reads by the same application, each with its own entry`);
    promise(
      trail.some(({ outcome }) => outcome.includes('403')),
      'The refusal by the vault is not in the record.',
    );
    const verification = await client.post<AuditVerification>(auditPath(subscriptionId, 'verify'), { body: {} });
    promise(verification.verified, `The audit log does not verify: ${JSON.stringify(verification.findings)}.`);
    tell.good(
      `${verification.entries} entries recomputed: none was changed, cut or reordered (signed checkpoints: ${verification.checkpoints}).`,
    );
    return { entries: verification.entries, verified: verification.verified };
  });

  const search = await tell.step('Search the disk for what was planted', async () => {
    const { administrator, application } = bootstrap;
    const result = await searchFor(
      [places.dataDir, places.logFile],
      [
        ...(learned === undefined
          ? ([['the canary in the description', canaries.note]] as const)
          : ([
              ['the canary in the data', canaries.data],
              ['the canary in the parameter', canaries.note],
              ['the key of the endpoint', learned.secret],
            ] as const)),
        ['the secret of the application', application.clientSecret],
        ['the password of the administrator', administrator.password],
      ],
    );
    promise(
      result.found.length === 0,
      `Found in the clear: ${result.found.map(({ what, file }) => `${what} in ${file}`).join('; ')}.`,
    );
    tell.good(
      `${result.files} files, ${(result.bytes / 1_000_000).toFixed(1)} MB, read to the last byte, write-ahead logs included: not one of them.`,
    );
    return result;
  });
  transport.close();

  const summary = {
    url: origin,
    workspaceId: paths.id,
    ...learned?.told,
    audit,
    atRestCanariesFound: search.found.length,
  };
  return { summary, server };
}

async function assignRole(client: Client, scope: string, role: string, principalId: string): Promise<void> {
  const [definition] = await client.list(`${scope}/providers/Microsoft.Authorization/roleDefinitions`, {
    query: { $filter: `roleName eq '${role}'` },
  });
  promise(definition !== undefined, `There is no role '${role}'.`);
  await client.settle('PUT', `${scope}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`, {
    body: { properties: { roleDefinitionId: definition['id'], principalId, principalType: 'ServicePrincipal' } },
  });
}

/** The status of a call that should be refused; 200 when it was not. */
async function statusOf(call: () => Promise<unknown>): Promise<number> {
  try {
    await call();
    return 200;
  } catch (thrown) {
    if (thrown instanceof ServiceError) return thrown.status;
    throw thrown;
  }
}

const percent = (part: number) => `${(part * 100).toFixed(1)} %`;
