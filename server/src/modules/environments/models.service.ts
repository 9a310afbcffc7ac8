// The environment of a model that is served without a script: read from the model's own files, which are as untrusted as a conda file
// that a request brings, and made into a recipe of the same kind. What serves needs beside them is added where they do not name it.

import { asFailure } from '#kernel/errors/failure';
import { environmentsFailures } from './environments.errors.ts';
import type { ModelFiles } from './environments.types.ts';
import { type MlflowModel, mlmodelBytesMax, mlmodelKeys, mlmodelName, readMlmodel } from './mlmodel.rules.ts';
import { type Needs, type ReadRecipe, readPythonEnv, readRecipe, readRequirements } from './recipe.rules.ts';
import type { YamlReader } from './yaml.service.ts';

/** As much as a conda file in a request may have. */
const environmentBytesMax = 65_536;

export type ModelEnvironments = ReturnType<typeof createModelEnvironments>;

export function createModelEnvironments(deps: {
  readonly yaml: YamlReader;
  /** Of Python, that nodes have. */
  readonly versions: () => Promise<readonly string[]>;
}) {
  const { yaml } = deps;

  async function textOf(files: ModelFiles, path: string, bytesMax: number): Promise<string> {
    const size = files.sizes.get(path) ?? 0;
    if (size > bytesMax)
      throw environmentsFailures.ModelNotServed(`its file '${path.slice(0, 200)}' has more than ${bytesMax} bytes.`);
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(await files.read(path));
    } catch (thrown) {
      if (!(thrown instanceof TypeError)) throw thrown;
      throw environmentsFailures.ModelNotServed(`its file '${path.slice(0, 200)}' is not UTF-8.`);
    }
  }

  async function modelIn(files: ModelFiles): Promise<MlflowModel> {
    if (!files.sizes.has(mlmodelName))
      throw environmentsFailures.ModelNotServed(
        'it has no file MLmodel at its top. Register the folder that holds MLmodel, as MLflow has written it.',
      );
    const text = await textOf(files, mlmodelName, mlmodelBytesMax);
    return readMlmodel(await yaml.read(text, { texts: true, only: mlmodelKeys }), new Set(files.sizes.keys()));
  }

  async function recipeIn(files: ModelFiles, kind: 'conda' | 'pythonEnv' | 'requirements', path: string, needs: Needs) {
    const text = await textOf(files, path, environmentBytesMax);
    const offered = await deps.versions();
    if (kind === 'requirements') return readRequirements(text, offered, needs);
    if (kind === 'conda') return readRecipe({ text, yaml: await yaml.read(text) }, offered, needs);
    const listed = files.sizes.has('requirements.txt')
      ? await textOf(files, 'requirements.txt', environmentBytesMax)
      : undefined;
    return readPythonEnv(await yaml.read(text, { texts: true }), listed, offered, needs);
  }

  return {
    /** @throws Failure `ModelNotServed` for what is no model that MLflow can load */
    check: async (files: ModelFiles): Promise<void> => void (await modelIn(files)),
    async recipe(files: ModelFiles): Promise<ReadRecipe> {
      const { environment, mlflowVersion, pythonVersion } = await modelIn(files);
      if (environment === undefined)
        throw environmentsFailures.ModelNotServed(
          'it brings no conda.yaml, python_env.yaml or requirements.txt. Name an environment with the deployment, one that has mlflow and what the model needs.',
        );
      const { kind, path } = environment;
      try {
        return await recipeIn(files, kind, path, { python: pythonVersion, packages: servingPackages(mlflowVersion) });
      } catch (thrown) {
        const failure = asFailure(thrown);
        if (failure.kind !== 'invalid' || failure.code !== environmentsFailures.condaFile('').code) throw failure;
        throw environmentsFailures.ofModel(path, failure.message);
      }
    },
  };
}

/** What loads a model and takes its inputs apart. mlflow itself brings the others; its small half does not. */
function servingPackages(mlflowVersion: string | undefined): NonNullable<Needs['packages']> {
  const why = "the model's environment names none, and serving a model without a script needs it";
  return [
    {
      unless: ['mlflow', 'mlflow-skinny'],
      add: `mlflow-skinny${mlflowVersion === undefined ? '' : `==${mlflowVersion}`}`,
      why,
    },
    { unless: ['mlflow', 'numpy'], add: 'numpy', why },
    { unless: ['mlflow', 'pandas'], add: 'pandas', why },
  ];
}
