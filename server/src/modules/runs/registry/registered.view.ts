// Registered models and versions as MLflow's messages. Pure.

import type {
  RegisteredModel as WireModel,
  RegisteredVersion as WireVersion,
} from '@strongroom/contract/registered-models';
import { type Stage, shownStage } from './registered-names.rules.ts';
import type { RegisteredModel, RegisteredVersion, Texts } from './registry.types.ts';

/** Where the files of a version are read: its own copy, which the artifact routes serve. */
export const registeredUri = ({ name, version }: Pick<RegisteredVersion, 'name' | 'version'>): string =>
  `mlflow-artifacts:/registry/${name}/${version}`;

/** What its registrar said; of one that came another way, where its files are. */
export const sourceOf = (found: RegisteredVersion): string => found.source ?? registeredUri(found);

/** The highest number of each stage. */
export function latestOf(versions: readonly RegisteredVersion[]): readonly RegisteredVersion[] {
  const latest = new Map<Stage, RegisteredVersion>();
  for (const one of versions) {
    const present = latest.get(shownStage(one));
    if (present === undefined || Number(one.version) > Number(present.version)) latest.set(shownStage(one), one);
  }
  return [...latest.values()];
}

export const latestOfAll = (versions: readonly RegisteredVersion[]): RegisteredVersion | undefined =>
  versions.reduce<RegisteredVersion | undefined>(
    (highest, one) => (highest !== undefined && Number(highest.version) > Number(one.version) ? highest : one),
    undefined,
  );

const pairs = (texts: Texts) => Object.entries(texts).map(([key, value]) => ({ key, value }));

export function shownVersion(found: RegisteredVersion, aliases: Texts): WireVersion {
  const tags = pairs(found.tags);
  const named = Object.keys(aliases).filter((alias) => aliases[alias] === found.version);
  return {
    name: found.name,
    version: found.version,
    creation_timestamp: found.createdMs,
    last_updated_timestamp: found.changedMs,
    user_id: found.createdBy,
    current_stage: shownStage(found),
    description: found.description,
    source: sourceOf(found),
    run_id: found.runId ?? '',
    status: 'READY',
    ...(found.runLink === undefined ? {} : { run_link: found.runLink }),
    ...(found.modelId === undefined ? {} : { model_id: found.modelId }),
    ...(tags.length === 0 ? {} : { tags }),
    ...(named.length === 0 ? {} : { aliases: named }),
  };
}

export function shownModel(found: RegisteredModel, versions: readonly RegisteredVersion[]): WireModel {
  const tags = pairs(found.tags);
  const aliases = Object.entries(found.aliases).map(([alias, version]) => ({ alias, version }));
  const latest = latestOf(versions).map((one) => shownVersion(one, found.aliases));
  return {
    name: found.name,
    creation_timestamp: found.createdMs,
    last_updated_timestamp: found.changedMs,
    user_id: found.createdBy,
    description: found.description,
    ...(latest.length === 0 ? {} : { latest_versions: latest }),
    ...(tags.length === 0 ? {} : { tags }),
    ...(aliases.length === 0 ? {} : { aliases }),
  };
}
