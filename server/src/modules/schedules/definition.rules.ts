// The job of one firing: its name, and what it is asked for. One firing has one name, however often it is tried. Pure.

import { fillPlaceholders } from '@strongroom/contract/placeholders';
import type { Properties } from '#resources';

/** Leaves room for the time in the names of its jobs, and for the numbers of what they are made of. */
export const scheduleNameMax = 200;
export const definitionCharactersMax = 262_144;

/** What a job of a schedule says among its properties. */
export const scheduledBy = { name: 'schedule.name', time: 'schedule.time' } as const;

/** `20260101T060000Z` */
const stampOf = (atMs: number): string => `${new Date(atMs).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`;
export const isoOf = (atMs: number): string => `${new Date(atMs).toISOString().slice(0, 19)}Z`;

export const firingName = (schedule: string, atMs: number): string => `${schedule}-${stampOf(atMs)}`;

/** Of one that somebody asked for: never that of one that is due, so that neither takes the other's place. */
export const askedName = (schedule: string, atMs: number): string => `${schedule}-once-${stampOf(atMs)}`;

/** Words of a definition without which it names no job of its own. */
const contents = ['command', 'trial', 'jobs', 'componentId'] as const;

/** It says which job is to be made again, and at most what is to be otherwise. */
export const isReference = (definition: Properties): boolean =>
  typeof definition['sourceJobId'] === 'string' && contents.every((name) => definition[name] == null);

/** What a definition that names another job stands for: that one's, with what it says itself laid over it. */
export function resolved(definition: Properties, source: Properties): Properties {
  const own = Object.fromEntries(
    Object.entries(definition).filter(
      ([name, value]) => !['jobType', 'isArchived', 'services'].includes(name) && !saysNothing(value),
    ),
  );
  const laid = (name: string) => {
    const [below, above] = [source[name], own[name]];
    return isRecord(below) && isRecord(above) ? { [name]: { ...below, ...above } } : {};
  };
  return { ...source, ...own, ...laid('inputs'), ...laid('outputs'), ...laid('tags'), ...laid('properties') };
}

/**
 * What the job of a firing is asked for. `${{name}}` is its name, `${{creation_context.trigger_time}}` the time for which it was
 * due, in what it reads and where it writes.
 */
export function jobOf(
  schedule: string,
  definition: Properties,
  firing: { readonly name: string; readonly atMs: number },
): Properties {
  const { sourceJobId: _, experimentName, inputs, outputs, ...asked } = definition;
  const filled = (value: unknown) => fill(value, { name: firing.name, time: isoOf(firing.atMs) });
  return {
    ...asked,
    ...(saysNothing(experimentName) ? {} : { experimentName }),
    ...(inputs == null ? {} : { inputs: filled(inputs) }),
    ...(outputs == null ? {} : { outputs: filled(outputs) }),
    displayName: firingName(schedule, firing.atMs),
    properties: {
      ...(isRecord(asked['properties']) ? asked['properties'] : {}),
      [scheduledBy.name]: schedule,
      [scheduledBy.time]: isoOf(firing.atMs),
    },
  };
}

function fill(value: unknown, words: { readonly name: string; readonly time: string }): unknown {
  if (typeof value === 'string')
    return fillPlaceholders(value, (word) =>
      word === 'name' ? words.name : word === 'creation_context.trigger_time' ? words.time : undefined,
    );
  if (Array.isArray(value)) return value.map((each) => fill(each, words));
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, fill(each, words)]));
}

const isRecord = (value: unknown): value is Properties =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const saysNothing = (value: unknown): boolean =>
  value == null || value === '' || (isRecord(value) && Object.keys(value).length === 0);
