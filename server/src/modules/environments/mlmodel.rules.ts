// What an MLflow model says of itself in its file MLmodel, as far as serving it needs to know. Nothing of it is believed further than it
// can be seen: a file that it names is one of the model's own, and what leads out of the model is refused by name. What it makes
// Python load is loaded in a sandbox and nowhere else. Pure. Source: mlflow, models and pyfunc (the storage format).

import { environmentsFailures } from './environments.errors.ts';
import type { YamlRead } from './yaml.rules.ts';

export const mlmodelName = 'MLmodel';
/** What is read of it; the signature, which is the largest part of it, is read where the model is served. */
export const mlmodelKeys = ['flavors', 'mlflow_version'] as const;
/** A signature of ten thousand columns. */
export const mlmodelBytesMax = 1024 * 1024;
const depthMax = 12;

export type MlflowModel = {
  /** `2.22.0`, where the file tells it. */
  readonly mlflowVersion: string | undefined;
  /** `3.11.7`, where the file tells it. */
  readonly pythonVersion: string | undefined;
  readonly environment:
    | { readonly kind: 'conda' | 'pythonEnv' | 'requirements'; readonly path: string }
    /** It brings none. */
    | undefined;
};

type Mapping = Readonly<Record<string, unknown>>;
const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const refuse = environmentsFailures.ModelNotServed;
const mapping = (of: Mapping, key: string): Mapping | undefined => {
  const value = Object.hasOwn(of, key) ? of[key] : undefined;
  return isMapping(value) ? value : undefined;
};
/** Every scalar is a text, so nothing is the word for it. */
const textIn = (of: Mapping, key: string): string | undefined => {
  const value = Object.hasOwn(of, key) ? of[key] : undefined;
  return typeof value === 'string' && !['', 'null', '~'].includes(value) ? value : undefined;
};
const version = (text: string | undefined) => (/^\d{1,4}(\.\d{1,5}){1,2}$/.test(text ?? '') ? text : undefined);

/**
 * @param read of `mlmodelKeys`, every scalar as a text
 * @param files the paths of the model's files, below the folder of MLmodel
 * @throws Failure `ModelNotServed`
 */
export function readMlmodel(read: YamlRead, files: ReadonlySet<string>): MlflowModel {
  if ('error' in read) throw refuse(`its file MLmodel is not read: ${read.error}.`);
  const flavors = isMapping(read.value) ? mapping(read.value, 'flavors') : undefined;
  if (!isMapping(read.value) || flavors === undefined) throw refuse('its file MLmodel names no flavors.');
  const pyfunc = mapping(flavors, 'python_function');
  if (pyfunc === undefined)
    throw refuse(
      `its file MLmodel has no flavor python_function, by which a model is loaded; it has ${named(Object.keys(flavors))}.`,
    );
  const loader = textIn(pyfunc, 'loader_module');
  if (loader === undefined || !/^[A-Za-z_]\w{0,99}(\.[A-Za-z_]\w{0,99}){0,20}$/.test(loader))
    throw refuse("its file MLmodel names no loader_module in python_function, or one that is no module's name.");
  checkPaths(flavors, 'flavors', 0);
  for (const key of ['code', 'data', 'model_path', 'python_model', 'model_code_path']) {
    const path = textIn(pyfunc, key);
    if (path !== undefined && !isThere(path, files))
      throw refuse(
        `its file MLmodel says that ${key} is '${path.slice(0, 200)}', and the model has no such file or folder.`,
      );
  }
  return {
    mlflowVersion: version(textIn(read.value, 'mlflow_version')),
    pythonVersion: version(textIn(pyfunc, 'python_version')),
    environment: environmentOf(pyfunc, files),
  };
}

function environmentOf(pyfunc: Mapping, files: ReadonlySet<string>): MlflowModel['environment'] {
  const both = mapping(pyfunc, 'env');
  const conda = both === undefined ? textIn(pyfunc, 'env') : textIn(both, 'conda');
  const pythonEnv = both && textIn(both, 'virtualenv');
  const path = conda ?? pythonEnv;
  if (path === undefined)
    return files.has('requirements.txt') ? { kind: 'requirements', path: 'requirements.txt' } : undefined;
  if (!files.has(path))
    throw refuse(
      `its file MLmodel says that the environment is '${path.slice(0, 200)}', and the model has no such file.`,
    );
  return { kind: conda === undefined ? 'pythonEnv' : 'conda', path };
}

const isThere = (path: string, files: ReadonlySet<string>): boolean => {
  const plain = path.replace(/\/$/, '');
  if (plain === '.' || files.has(plain)) return true;
  for (const file of files) if (file.startsWith(`${plain}/`)) return true;
  return false;
};

/** Whatever a loader makes of a text in here: none climbs out of the model, and what python_function names begins in it. */
function checkPaths(value: unknown, key: string, depth: number): void {
  if (depth > depthMax) throw refuse('its file MLmodel is nested too deeply.');
  if (typeof value === 'string') {
    // Where an artifact came from: told, and never gone to.
    if (key === 'uri') return;
    const isPath = ['code', 'data', 'env', 'conda', 'virtualenv', 'path', 'model_path', 'python_model'].includes(key);
    if (
      value.split(/[\\/]/).includes('..') ||
      (isPath && /^[\\/~]|^[a-z][a-z0-9+.-]*:/i.test(value)) ||
      value.includes('\0')
    )
      throw refuse(
        `its file MLmodel says that ${key.slice(0, 60)} is '${value.slice(0, 200)}', which leads out of the model.`,
      );
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [name, inner] of Object.entries(value)) checkPaths(inner, Array.isArray(value) ? key : name, depth + 1);
}

const named = (names: readonly string[]): string =>
  names
    .slice(0, 5)
    .map((name) => `'${name.slice(0, 60)}'`)
    .join(', ') || 'none';
