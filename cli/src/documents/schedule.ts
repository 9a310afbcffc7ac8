// A schedule in Azure ML's v2 YAML schema, turned into a request body. Its job stands in the file, in another file, or in the
// workspace, where what the schedule says itself is laid over it.

import type { JsonObject } from '@strongroom/contract/client';
import { weekDays } from '@strongroom/contract/schedules';
import { type Document, isObject, type Reader, readDocument, readerOf } from '../document.reader.ts';
import { inputsOf, type Place, settled } from './command.ts';
import { jobBody } from './job.ts';
import { capitalized, defined, isReference, placeOf, refuse } from './references.ts';

const unserved = {
  create_monitor: 'what a monitor would look at, a scheduled job can look at. Schedule that, with create_job',
  import_data: 'nothing is imported here. Schedule a job that brings the data in, with create_job',
};

export async function scheduleBody(
  place: Place,
): Promise<{ readonly name: string | undefined; readonly properties: JsonObject }> {
  const read = readerOf(place.document);
  refuse(read, unserved);
  const trigger = read.within('trigger');
  if (trigger === undefined)
    throw read.wrong('trigger', 'is missing: { type: cron, expression: "0 6 * * *" }, or alike');
  const name = read.text('name');
  const fields = {
    displayName: read.text('display_name'),
    description: read.text('description'),
    tags: read.texts('tags'),
    properties: read.texts('properties'),
    trigger: triggerIn(trigger),
  };
  const definition = definitionIn(read, place);
  read.finish();
  const jobDefinition = await definition();
  return { name, properties: defined({ ...fields, action: { actionType: 'CreateJob', jobDefinition } }) };
}

function triggerIn(read: Reader): JsonObject {
  const type = read.needed('type');
  const common = {
    startTime: read.text('start_time'),
    endTime: read.text('end_time'),
    timeZone: read.text('time_zone'),
  };
  if (type === 'cron') return defined({ triggerType: 'Cron', expression: read.needed('expression'), ...common });
  if (type !== 'recurrence') throw read.wrong('type', `is '${type}': there are cron and recurrence`);
  const pattern = read.within('schedule');
  return defined({
    triggerType: 'Recurrence',
    frequency: capitalized(read.needed('frequency')),
    interval: read.whole('interval') ?? 1,
    schedule:
      pattern &&
      defined({
        hours: numbersIn(pattern, 'hours') ?? [],
        minutes: numbersIn(pattern, 'minutes') ?? [],
        weekDays: textsIn(pattern, 'week_days')?.map((day) => dayOf(pattern, day)),
        monthDays: numbersIn(pattern, 'month_days'),
      }),
    ...common,
  });
}

/** One, or a list of them. */
function textsIn(read: Reader, name: string): readonly string[] | undefined {
  const isList = read.entries().some(([key, value]) => key === name && Array.isArray(value));
  if (isList) return read.list(name);
  const one = read.text(name);
  return one === undefined ? undefined : [one];
}

const numbersIn = (read: Reader, name: string): readonly number[] | undefined =>
  textsIn(read, name)?.map((text) => {
    if (!/^\d{1,2}$/.test(text)) throw read.wrong(name, `holds whole numbers, and '${text}' is none`);
    return Number(text);
  });

function dayOf(read: Reader, text: string): string {
  const day = weekDays.find((each) => each.toLowerCase() === text.toLowerCase());
  if (day === undefined) throw read.wrong('week_days', `holds days of the week, and '${text}' is none`);
  return day;
}

/** What is sent is sent once the whole document is known to be right. */
function definitionIn(read: Reader, place: Place): () => Promise<JsonObject> {
  const { document, paths, sources } = place;
  const given = read.textOrMap('create_job');
  if (given === undefined) throw read.wrong('create_job', 'is missing: a job, a file with one, or azureml:NAME');
  const ofFile = async (text: string, over: JsonObject): Promise<JsonObject> => {
    const file = await readDocument(placeOf(document, text));
    const [below, above] = [file.fields['inputs'], over['inputs']];
    const inputs = isObject(below) && isObject(above) ? { inputs: { ...below, ...above } } : {};
    return definitionOf({ ...file, fields: { ...file.fields, ...over, ...inputs } }, place);
  };
  if (typeof given === 'string')
    return isReference(given) ? async () => referenceTo(given, place) : () => ofFile(given, {});
  const { job, ...over } = given;
  if (typeof job !== 'string') {
    const inner = { ...document, fields: given, placeOf: placeIn(document) };
    return () => definitionOf(inner, place);
  }
  if (!isReference(job)) return () => ofFile(job, over);
  const inner = readerOf({ ...document, placeOf: placeIn(document) }, over);
  // What kind of job it is, is known there.
  inner.text('type');
  const said = {
    experimentName: inner.text('experiment_name'),
    description: inner.text('description'),
    tags: inner.texts('tags'),
  };
  const inputs = inputsOf(inner.within('inputs'), document, paths);
  inner.finish();
  return async () =>
    defined({ ...referenceTo(job, place), ...said, inputs: inputs && (await settled(inputs, sources)) });
}

const placeIn = (document: Document) => (path: readonly string[]) => document.placeOf(['create_job', ...path]);

/** Which job it is, says its type to the service: what it is sent as, azure-ai-ml sends for every one. */
const referenceTo = (text: string, { paths }: Place): JsonObject => {
  const name = text.replace(/^azureml:/, '');
  return { jobType: 'Pipeline', sourceJobId: name.startsWith('/subscriptions/') ? name : paths.job(name) };
};

async function definitionOf(document: Document, { paths, sources }: Place): Promise<JsonObject> {
  const { body } = await jobBody(document, paths, sources);
  return body['properties'] as JsonObject; // as `jobBody` makes it
}
