// A job in Azure ML's v2 YAML schema, turned into a request body.

import type { JsonObject } from '@strongroom/contract/client';
import type { WorkspacePaths } from '@strongroom/contract/client.paths';
import { type Document, type Reader, readerOf } from '../document.reader.ts';
import { commandIn, computeId, inputsOf, outputsOf, type Place, secretsIn, settled, unserved } from './command.ts';
import { settingsIn, whatPipelineRuns } from './pipeline.ts';
import { defined, type Later, refuse, type Sources, secondsOf } from './references.ts';
import { sweepIn } from './sweep.ts';

/** PUT of a job, by its type. */
export async function jobBody(document: Document, paths: WorkspacePaths, sources: Sources): Promise<JobBody> {
  const [read, place] = [readerOf(document), { document, paths, sources }];
  const type = read.text('type') ?? 'command';
  if (type === 'command') return bodyOf('Command', commandOwn, read, place);
  if (type === 'sweep') return bodyOf('Sweep', sweepOwn, read, place);
  if (type === 'pipeline') return bodyOf('Pipeline', pipelineOwn, read, place);
  throw read.wrong('type', `is '${type}': such jobs are not served, 'command', 'sweep' and 'pipeline' are`);
}

type JobBody = { readonly name: string | undefined; readonly body: JsonObject };

/** What jobs of every type have beside what they do. */
function describedIn(read: Reader): JsonObject {
  return {
    name: read.text('name'),
    displayName: read.text('display_name'),
    experimentName: read.text('experiment_name'),
    description: read.text('description'),
    tags: read.texts('tags'),
    properties: read.texts('properties'),
    identity: identityIn(read.within('identity')),
  };
}

const identityIn = (read: Reader | undefined): JsonObject | undefined => read && { identityType: read.needed('type') };

/** Once everything is read: what is misspelt is said first. */
function checkIdentity(read: Reader, { identity }: JsonObject): JsonObject | undefined {
  if (identity === undefined) return undefined;
  if (!['aml_token', 'AMLToken'].includes(String((identity as JsonObject)['identityType'])))
    throw read.wrong('identity', 'of a job can only be { type: aml_token }');
  return { identityType: 'AMLToken' };
}

/** What a type of jobs has for itself. */
type Own = (read: Reader, place: Place) => Later<JsonObject> | Promise<Later<JsonObject>>;

async function bodyOf(jobType: string, own: Own, read: Reader, place: Place): Promise<JobBody> {
  const { document, paths, sources } = place;
  const { name, ...described } = describedIn(read);
  const compute = read.text('compute');
  const particular = await own(read, place);
  const inputs = inputsOf(read.within('inputs'), document, paths);
  const outputs = outputsOf(read.within('outputs'));
  read.finish();
  const identity = checkIdentity(read, described);
  const properties = defined({
    jobType,
    ...described,
    identity,
    ...(await particular(sources)),
    ...(compute === undefined ? {} : { computeId: computeId(compute, paths) }),
    inputs: inputs && (await settled(inputs, sources)),
    outputs,
  });
  return { name: name as string | undefined, body: { properties } };
}

function commandOwn(read: Reader, place: Place): Later<JsonObject> {
  refuse(read, unserved);
  const timeout = read.within('limits')?.positive('timeout', 'seconds');
  const command = commandIn(read, place);
  const secretsConfiguration = secretsIn(read.within('secrets_configuration'));
  const limits = timeout === undefined ? undefined : { jobLimitsType: 'Command', timeout: secondsOf(timeout) };
  return async (sources) => ({ ...(await command(sources)), secretsConfiguration, limits });
}

function sweepOwn(read: Reader, place: Place): Later<JsonObject> {
  refuse(read, unserved);
  const trial = read.within('trial');
  if (trial === undefined) throw read.wrong('trial', 'is missing: the command that is tried');
  refuse(trial, unserved);
  const compute = read.has('compute') ? undefined : trial.text('compute');
  const command = commandIn(trial, place);
  const fields = {
    computeId: compute === undefined ? undefined : computeId(compute, place.paths),
    secretsConfiguration: secretsIn(read.within('secrets_configuration')),
    ...sweepIn(read),
  };
  return async (sources) => ({ ...fields, trial: await command(sources) });
}

async function pipelineOwn(read: Reader, place: Place): Promise<Later<JsonObject>> {
  const settings = settingsIn(read.within('settings'), place);
  const runs = await whatPipelineRuns(read, { ...place, read: new Map() });
  return async (sources) => ({ settings, ...(await runs(sources)) });
}
