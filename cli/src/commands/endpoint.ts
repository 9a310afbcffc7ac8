// Online endpoints and their deployments.

import type { JsonObject } from '@strongroom/contract/client';
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { documentIfGiven, readDocument } from '../document.reader.ts';
import { deploymentBody, endpointBody } from '../documents/endpoint.ts';
import { UsageError } from '../exit.ts';
import { readGiven } from '../files.ts';
import { type Act, type Given, leaf, namedLeaf, repeated } from '../given.ts';
import { changing, listing, looking, making, removing } from '../options.ts';
import { at } from '../output.ts';
import { showNamed } from '../principals.ts';
import { propertiesOf, sourcesOf } from '../work.ts';

type Keys = { readonly primaryKey: string; readonly secondaryKey: string };
const keysOf = (context: Context, endpoint: string) =>
  context.client.post<Keys>(`${context.workspace.endpoint(endpoint)}/listKeys`);

export function endpointCommands(endpoint: Command, act: Act): void {
  namedLeaf(endpoint, 'create', making('workspace'), 'make an endpoint', 'online-endpoint create -f endpoint.yml')
    .option('-f, --file <file>', 'the endpoint, in the schema of managed online endpoints')
    .option('--location <region>', 'the region')
    .option('--set <path=value>', 'change a field of the file (several times)', repeated)
    .action(
      act(async (context, given) => {
        const document = await documentIfGiven(given.text('file'), given.texts('set'));
        const { name, body } =
          document === undefined
            ? { name: undefined, body: { location: context.location, properties: { authMode: 'Key' } } }
            : endpointBody(document, context.location);
        const chosen = given.nameIfAny ?? name ?? given.name('endpoint');
        const made = await context.settle(`making ${chosen}`, 'PUT', context.workspace.endpoint(chosen), body);
        context.done(`endpoint '${chosen}'`, 'made', made);
      }),
    );
  namedLeaf(endpoint, 'show', looking('workspace'), 'show an endpoint', 'online-endpoint show iris').action(
    act(async (context, given) =>
      showNamed(context, await context.client.get(context.workspace.endpoint(given.name('endpoint')))),
    ),
  );
  leaf(endpoint, 'list', listing('workspace'), 'list endpoints', 'online-endpoint list').action(
    act(async (context) =>
      context.list(await context.client.list(context.workspace.endpoints), {
        name: at('name'),
        state: at('properties.provisioningState'),
        traffic: at('properties.traffic'),
        address: at('properties.scoringUri'),
      }),
    ),
  );
  namedLeaf(
    endpoint,
    'update',
    making('workspace'),
    'divide the traffic between deployments',
    'online-endpoint update iris --traffic blue=90 --traffic green=10',
  )
    .option('--traffic <deployment=percent>', 'the share of a deployment (several times)', repeated)
    .action(
      act(async (context, given) => {
        const name = given.name('endpoint');
        const traffic = trafficOf(given.texts('traffic'));
        const changed = await context.settle(`updating ${name}`, 'PATCH', context.workspace.endpoint(name), {
          properties: { traffic },
        });
        context.done(`traffic of '${name}'`, 'divided', changed);
      }),
    );
  namedLeaf(
    endpoint,
    'delete',
    removing('workspace'),
    'delete an endpoint and its deployments',
    'online-endpoint delete iris --yes',
  ).action(
    act(async (context, given) => {
      const name = given.name('endpoint');
      const path = context.workspace.endpoint(name);
      await context.confirm(`Delete the endpoint '${name}' and its deployments?`);
      await context.settle(`deleting ${name}`, 'DELETE', path);
      context.over(`endpoint '${name}'`, 'deleted');
    }),
  );
  namedLeaf(
    endpoint,
    'get-credentials',
    changing('workspace'),
    'print the keys of an endpoint',
    'online-endpoint get-credentials iris',
  ).action(act(async (context, given) => context.show(await keysOf(context, given.name('endpoint')))));
  namedLeaf(
    endpoint,
    'regenerate-keys',
    removing('workspace'),
    'make a new key; the old one is refused at once',
    'online-endpoint regenerate-keys iris --key-type primary',
  )
    .option('--key-type <key>', 'primary or secondary (primary)')
    .action(
      act(async (context, given) => {
        const name = given.name('endpoint');
        const keyType = { primary: 'Primary', secondary: 'Secondary' }[given.text('keyType') ?? 'primary'];
        if (keyType === undefined) throw new UsageError('--key-type is primary or secondary.');
        const path = `${context.workspace.endpoint(name)}/regenerateKeys`;
        await context.confirm(
          `Replace the ${keyType.toLowerCase()} key of '${name}'? Whoever uses it is refused from now on.`,
        );
        await context.settle('replacing the key', 'POST', path, { keyType });
        context.over(`${keyType.toLowerCase()} key of '${name}'`, 'new');
      }),
    );
  namedLeaf(
    endpoint,
    'invoke',
    { at: 'workspace' },
    'send a request to an endpoint with its key, and print the answer',
    'online-endpoint invoke iris --request-file request.json',
  )
    .option('-r, --request-file <file>', "the request; '-' is standard input")
    .option('--deployment-name <name>', 'ask this deployment, whatever the traffic says')
    .action(
      act(async (context, given) => {
        const name = given.name('endpoint');
        const file = given.needed('requestFile', '--request-file FILE');
        const { scoringUri } = propertiesOf(await context.client.get(context.workspace.endpoint(name)));
        if (typeof scoringUri !== 'string')
          throw new UsageError(`The endpoint '${name}' has no address yet. Make a deployment first.`);
        const { primaryKey } = await keysOf(context, name);
        const deployment = given.text('deploymentName');
        const answer = await context.client.send('POST', scoringUri, {
          bearer: primaryKey,
          apiVersion: null,
          body: readGiven(file, 'orInput'),
          headers: {
            'content-type': 'application/json',
            ...(deployment === undefined ? {} : { 'azureml-model-deployment': deployment }),
          },
        });
        context.shell.out(`${(await answer.text()).replace(/\n$/, '')}\n`);
      }),
    );
}

export function deploymentCommands(deployment: Command, act: Act): void {
  const ofEndpoint = (command: Command) => command.option('-e, --endpoint-name <name>', 'its endpoint');
  const pathOf = (context: Context, given: Given) =>
    context.workspace.deployment(given.needed('endpointName', '--endpoint-name NAME'), given.name('deployment'));

  ofEndpoint(
    namedLeaf(
      deployment,
      'create',
      making('workspace'),
      'build an image and run it',
      'online-deployment create -f deployment.yml --all-traffic',
    ),
  )
    .requiredOption('-f, --file <file>', 'the deployment, in the schema of managed online deployments')
    .option('--location <region>', 'the region')
    .option('--set <path=value>', 'change a field of the file (several times)', repeated)
    .option('--all-traffic', 'send it all requests as soon as it runs')
    .option('--allow-credentials', 'send the code although something in it looks like a credential')
    .action(
      act(async (context, given) => {
        const { client, workspace } = context;
        const [allTraffic, allowCredentials] = [given.flag('allTraffic'), given.flag('allowCredentials')];
        if (allTraffic && !context.waits)
          throw new UsageError(
            '--all-traffic sends requests to what runs, and --no-wait does not wait for that: give one of them.',
          );
        const document = await readDocument(given.needed('file', '-f FILE'), given.texts('set'));
        const [endpointGiven, nameGiven] = [given.text('endpointName'), given.nameIfAny];
        const { name: chosen, made } = await context.progress('deploying', async (told) => {
          const { name, endpoint, body } = await deploymentBody(
            document,
            workspace,
            sourcesOf(client, workspace, { allowCredentials, told }),
            context.location,
          );
          const ofName = endpointGiven ?? endpoint ?? given.needed('endpointName', '--endpoint-name NAME');
          const chosen = nameGiven ?? name ?? given.name('deployment');
          const { value } = await client.settle('PUT', workspace.deployment(ofName, chosen), {
            body,
            onProgress: told,
            waits: context.waits,
          });
          if (allTraffic)
            await client.settle('PATCH', workspace.endpoint(ofName), {
              body: { properties: { traffic: await allTo(context, ofName, chosen) } },
              onProgress: told,
            });
          return { name: chosen, made: value };
        });
        context.done(`deployment '${chosen}'`, 'made', made);
      }),
    );
  ofEndpoint(
    namedLeaf(
      deployment,
      'show',
      looking('workspace'),
      'show a deployment',
      'online-deployment show blue --endpoint-name iris',
    ),
  ).action(act(async (context, given) => showNamed(context, await context.client.get(pathOf(context, given)))));
  ofEndpoint(
    leaf(
      deployment,
      'list',
      listing('workspace'),
      'list the deployments of an endpoint',
      'online-deployment list --endpoint-name iris',
    ),
  ).action(
    act(async (context, given) =>
      context.list(
        await context.client.list(context.workspace.deployments(given.needed('endpointName', '--endpoint-name NAME'))),
        {
          name: at('name'),
          state: at('properties.provisioningState'),
          model: (row) => String(at('properties.model')(row) ?? '').replace(/^.*\/models\/([^/]+)\/versions\//, '$1:'),
          instances: at('sku.capacity'),
        },
      ),
    ),
  );
  ofEndpoint(
    namedLeaf(
      deployment,
      'delete',
      removing('workspace'),
      'delete a deployment that gets no traffic',
      'online-deployment delete green --endpoint-name iris --yes',
    ),
  ).action(
    act(async (context, given) => {
      const [path, name] = [pathOf(context, given), given.name('deployment')];
      await context.confirm(`Delete the deployment '${name}'?`);
      await context.settle(`deleting ${name}`, 'DELETE', path);
      context.over(`deployment '${name}'`, 'deleted');
    }),
  );
  ofEndpoint(
    namedLeaf(
      deployment,
      'get-logs',
      { at: 'workspace' },
      'print what a deployment printed last',
      'online-deployment get-logs blue --endpoint-name iris --lines 100',
    ),
  )
    .option('-l, --lines <count>', 'how many lines (50)')
    .action(
      act(async (context, given) => {
        const { content } = await context.client.post<{ readonly content?: string }>(
          `${pathOf(context, given)}/getLogs`,
          { body: { containerType: 'InferenceServer', tail: given.whole('lines', '--lines') ?? 50 } },
        );
        context.shell.out(content === undefined || content === '' ? '' : `${content.replace(/\n$/, '')}\n`);
      }),
    );
}

/** All traffic to one deployment, none to its siblings. */
async function allTo(context: Context, endpoint: string, deployment: string): Promise<JsonObject> {
  const siblings = await context.client.list(context.workspace.deployments(endpoint));
  return { ...Object.fromEntries(siblings.map((each) => [String(each['name']), 0])), [deployment]: 100 };
}

function trafficOf(texts: readonly string[]): Readonly<Record<string, number>> {
  if (texts.length === 0) throw new UsageError('Give --traffic DEPLOYMENT=PERCENT.');
  return Object.fromEntries(
    texts.map((text): [string, number] => {
      const [, name = '', share = ''] = /^([^=]+)=(\d{1,3})$/.exec(text) ?? [];
      if (name === '') throw new UsageError(`--traffic takes DEPLOYMENT=PERCENT, not '${text}'.`);
      return [name, Number(share)];
    }),
  );
}
