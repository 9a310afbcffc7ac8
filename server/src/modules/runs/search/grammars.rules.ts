// What runs, experiments and logged models can be searched and ordered by. Source: MLflow 3, utils/search_utils.py.

import type { FieldKind, Grammar } from './filter.rules.ts';

const same = (kind: FieldKind, ...names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [name, { name, kind }]));
const alias = (name: string, kind: FieldKind, ...others: readonly string[]) =>
  Object.fromEntries(others.map((other) => [other, { name, kind }]));

const attributes = { attribute: 'attribute', attributes: 'attribute', attr: 'attribute' };

export const runGrammar: Grammar = {
  prefixes: {
    ...attributes,
    run: 'attribute',
    metric: 'metric',
    metrics: 'metric',
    param: 'param',
    params: 'param',
    parameter: 'param',
    parameters: 'param',
    tag: 'tag',
    tags: 'tag',
    dataset: 'dataset',
    datasets: 'dataset',
  },
  free: { metric: 'number', param: 'optionalText', tag: 'optionalText' },
  fixed: {
    attribute: {
      ...same('id', 'run_id'),
      ...same('text', 'run_name', 'user_id', 'status', 'artifact_uri'),
      ...same('number', 'start_time', 'end_time'),
      ...alias('start_time', 'number', 'created', 'Created'),
      ...alias('run_name', 'text', 'run name', 'Run name', 'Run Name'),
    },
    dataset: same('id', 'name', 'digest', 'context'),
  },
};

export const experimentGrammar: Grammar = {
  prefixes: { ...attributes, tag: 'tag', tags: 'tag' },
  free: { tag: 'optionalText' },
  fixed: {
    attribute: {
      ...same('text', 'name'),
      ...same('number', 'creation_time', 'last_update_time'),
      // Ordering by it is common; comparing numbers is harmless.
      ...same('number', 'experiment_id'),
    },
  },
};

export const modelGrammar: Grammar = {
  prefixes: {
    ...attributes,
    metric: 'metric',
    metrics: 'metric',
    param: 'param',
    params: 'param',
    tag: 'tag',
    tags: 'tag',
  },
  free: { metric: 'number', param: 'optionalText', tag: 'optionalText' },
  fixed: {
    attribute: {
      ...same('id', 'name', 'model_id', 'model_type', 'status', 'source_run_id'),
      ...same('number', 'creation_timestamp', 'last_updated_timestamp'),
      ...alias('creation_timestamp', 'number', 'creation_timestamp_ms', 'creation_time'),
      ...alias('last_updated_timestamp', 'number', 'last_updated_timestamp_ms'),
    },
  },
};

const timestamps = {
  ...same('number', 'creation_timestamp', 'last_updated_timestamp'),
  ...alias('last_updated_timestamp', 'number', 'timestamp'),
};

export const registeredModelGrammar: Grammar = {
  prefixes: { ...attributes, tag: 'tag', tags: 'tag' },
  free: { tag: 'optionalText' },
  fixed: { attribute: { ...same('text', 'name'), ...timestamps } },
};

export const registeredVersionGrammar: Grammar = {
  prefixes: { ...attributes, tag: 'tag', tags: 'tag' },
  free: { tag: 'optionalText' },
  fixed: {
    attribute: {
      ...same('text', 'name', 'source_path'),
      ...same('id', 'run_id'),
      ...same('number', 'version_number'),
      ...timestamps,
    },
  },
};
