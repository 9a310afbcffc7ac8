// A job in Azure ML's v2 YAML schema, turned into a request body.

import type { JsonObject } from '@strongroom/contract/client';
import type { WorkspacePaths } from '@strongroom/contract/client.paths';
import { type Document, type Reader, readerOf } from '../document.reader.ts';
import { commandIn, computeId, inputsOf, outputsOf, type Place, secretsIn, settled, unserved } from './command.ts';
import { settingsIn, stepsIn } from './pipeline.ts';
import { defined, refuse, type Sources, secondsOf } from './references.ts';
import { sweepIn } from './sweep.ts';

/** PUT of a job, by its type. */
export async function jobBody(document: Document, paths: WorkspacePaths, sources: Sources): Promise<JobBody> {
  const read = readerOf(document);
  const type = read.text('type') ?? 'command';
  if (type === 'command') return commandBody(read, { document, paths, sources });
  if (type === 'sweep') return sweepBody(read, { document, paths, sources });
  if (type === 'pipeline') return pipelineBody(read, { document, paths, sources });
  throw read.wrong('type', `is '${type}': such jobs are not served, 'command', 'sweep' and 'pipeline' are`);
}

export type JobBody = { readonly name: string | undefined; readonly body: JsonObject };
/** What jobs of every type have beside what they do. */
export function describedIn(read: Reader): JsonObject {
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

const computeIn = (compute: string | undefined, { paths }: Place): string | undefined =>
  compute === undefined ? undefined : computeId(compute, paths);

async function commandBody(read: Reader, place: Place): Promise<JobBody> {
  refuse(read, unserved);
  const { name, ...described } = describedIn(read);
  const timeout = read.within('limits')?.positive('timeout', 'seconds');
  const compute = read.text('compute');
  const command = commandIn(read, place);
  const secretsConfiguration = secretsIn(read.within('secrets_configuration'));
  const inputs = inputsOf(read.within('inputs'), place.document, place.paths);
  const outputs = outputsOf(read.within('outputs'));
  read.finish();
  const identity = checkIdentity(read, described);
  const properties = defined({
    jobType: 'Command',
    ...described,
    identity,
    computeId: computeIn(compute, place),
    secretsConfiguration,
    ...(await command(place.sources)),
    inputs: inputs && (await settled(inputs, place.sources)),
    outputs,
    limits: timeout === undefined ? undefined : { jobLimitsType: 'Command', timeout: secondsOf(timeout) },
  });
  return { name: name as string | undefined, body: { properties } };
}

async function sweepBody(read: Reader, place: Place): Promise<JobBody> {
  refuse(read, unserved);
  const { name, ...described } = describedIn(read);
  const trial = read.within('trial');
  if (trial === undefined) throw read.wrong('trial', 'is missing: the command that is tried');
  refuse(trial, unserved);
  const compute = read.text('compute') ?? trial.text('compute');
  const command = commandIn(trial, place);
  const secretsConfiguration = secretsIn(read.within('secrets_configuration'));
  const searched = sweepIn(read);
  const inputs = inputsOf(read.within('inputs'), place.document, place.paths);
  const outputs = outputsOf(read.within('outputs'));
  read.finish();
  const identity = checkIdentity(read, described);
  const properties = defined({
    jobType: 'Sweep',
    ...described,
    identity,
    computeId: computeIn(compute, place),
    secretsConfiguration,
    ...searched,
    trial: await command(place.sources),
    inputs: inputs && (await settled(inputs, place.sources)),
    outputs,
  });
  return { name: name as string | undefined, body: { properties } };
}

async function pipelineBody(read: Reader, place: Place): Promise<JobBody> {
  const { name, ...described } = describedIn(read);
  const compute = read.text('compute');
  const settings = settingsIn(read.within('settings'), place);
  const inputs = inputsOf(read.within('inputs'), place.document, place.paths);
  const outputs = outputsOf(read.within('outputs'));
  const steps = await stepsIn(read, place);
  read.finish();
  const identity = checkIdentity(read, described);
  const properties = defined({
    jobType: 'Pipeline',
    ...described,
    identity,
    computeId: computeIn(compute, place),
    settings,
    inputs: inputs && (await settled(inputs, place.sources)),
    outputs,
    jobs: await steps(place.sources),
  });
  return { name: name as string | undefined, body: { properties } };
}
