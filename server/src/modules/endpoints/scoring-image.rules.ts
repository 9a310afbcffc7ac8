// What the image of a deployment is made of: what identifies the runtime, the dependencies, the code, the model, each a layer or
// more, and where the runner finds them (runner/README.md). Pure; `#images` builds.

import {
  type BaseName,
  builderVersion,
  checkPath,
  checkWheels,
  dependenciesFolder,
  dependenciesOf,
  type ImageInputs,
  isWheel,
  type TarFile,
} from '#images';
import { endpointsFailures } from './endpoints.errors.ts';

export const appRoot = '/var/azureml-app';
const modelsFolder = 'azureml-models';
const imageBytesMax = 10 * 1024 ** 3;
const codeTarget = 'codeConfiguration.codeId';
const scriptTarget = 'codeConfiguration.scoringScript';

export type ScoringInputs = {
  /** Undefined: the model is one of MLflow's, and is served as MLflow serves it. */
  readonly script:
    | {
        readonly code: { readonly digest: string; readonly files: readonly TarFile[] };
        /** Below the code's folder. */
        readonly path: string;
      }
    | undefined;
  readonly model: {
    readonly id: string;
    readonly name: string;
    readonly version: string;
    /** Its files are in a folder of this name, below the model's. */
    readonly folder: string | undefined;
    readonly files: readonly TarFile[];
  };
  /** Repository and tag or digest in the same registry. */
  readonly base: BaseName | undefined;
};

const scriptPath = ({ path }: NonNullable<ScoringInputs['script']>): string => path.replace(/^\.\//, '');
/** Below the app root. */
export const scriptOf = ({ script }: Pick<ScoringInputs, 'script'>): string | undefined => script && scriptPath(script);

/** Where the model is, in the image. */
export const modelDirOf = ({ model }: Pick<ScoringInputs, 'model'>): string =>
  `${appRoot}/${modelsFolder}/${model.name}/${model.version}`;

/** Where MLmodel is, in the image. */
export const mlflowModelOf = (inputs: Pick<ScoringInputs, 'script' | 'model'>): string | undefined => {
  if (inputs.script !== undefined) return undefined;
  const { folder } = inputs.model;
  return folder === undefined ? modelDirOf(inputs) : `${modelDirOf(inputs)}/${folder}`;
};

/** Every rule about the inputs that needs no build: said before anything is made. */
export function checkInputs({ script, model }: Pick<ScoringInputs, 'script' | 'model'>): void {
  const refuse = endpointsFailures.ImageBuildRefused;
  if (script !== undefined) checkScript(script);
  if (model.files.length === 0) throw refuse('model', 'The model has no files.');
  for (const { path } of model.files) checkPath(model.folder === undefined ? path : `${model.folder}/${path}`, 'model');
  const bytes = [...(script?.code.files ?? []), ...model.files].reduce((sum, { size }) => sum + size, 0);
  if (bytes > imageBytesMax)
    throw refuse('model', `The code and the model together have more than ${imageBytesMax} bytes.`);
}

function checkScript(given: NonNullable<ScoringInputs['script']>): void {
  const { code } = given;
  const script = scriptPath(given);
  const refuse = endpointsFailures.ImageBuildRefused;
  if (!/\.py$/.test(script)) throw refuse(scriptTarget, 'scoringScript must be a Python file: its name ends in .py.');
  checkPath(script, scriptTarget);
  if (!code.files.some(({ path }) => path === script)) {
    throw refuse(
      scriptTarget,
      `The code has no file '${script.slice(0, 200)}'. Name the scoring script by its path in the code snapshot.`,
    );
  }
  for (const { path } of code.files) {
    checkPath(path, codeTarget);
    if (path.split('/')[0] === modelsFolder || path.split('/')[0] === '.strongroom')
      throw refuse(
        codeTarget,
        `The code holds '${path.split('/')[0]}', where the image keeps its own files. Rename that folder.`,
      );
  }
  checkWheels(code.files, codeTarget);
}

/** Throws `invalid` for what `checkInputs` refuses; what a wheel holds is looked at when its layer is asked for. */
export function scoringImageOf(inputs: ScoringInputs): ImageInputs {
  checkInputs(inputs);
  const { script, model, base } = inputs;
  return {
    layers: layersOf(inputs),
    environment: [
      `AZUREML_APP_ROOT=${appRoot}`,
      ...(script === undefined ? [] : [`AZUREML_ENTRY_SCRIPT=${scriptPath(script)}`]),
      `AZUREML_MODEL_DIR=${modelDirOf(inputs)}`,
      ...(script?.code.files.some(isWheel) ? [`PYTHONPATH=${appRoot}/${dependenciesFolder}`] : []),
    ],
    workingDir: appRoot,
    annotations: {
      ...(script && { 'io.strongroom.code': script.code.digest }),
      'io.strongroom.model': model.id,
      ...(script && { 'io.strongroom.script': scriptPath(script) }),
    },
    base,
  };
}

async function* layersOf({ script, model }: ScoringInputs): AsyncGenerator<readonly TarFile[]> {
  const runtime = Buffer.from(`${JSON.stringify({ builder: builderVersion, runtime: 'strongroom-scoring/1' })}\n`);
  yield [inAppRoot('.strongroom/runtime.json', { size: runtime.length, open: async () => runtime })];
  if (script !== undefined) {
    const { files: all } = script.code;
    for await (const { files } of dependenciesOf(all, codeTarget))
      yield files.map((file) => inAppRoot(`${dependenciesFolder}/${file.path}`, file));
    yield all.filter((file) => !isWheel(file)).map((file) => inAppRoot(file.path, file));
  }
  const below = [modelsFolder, model.name, model.version, ...(model.folder === undefined ? [] : [model.folder])].join(
    '/',
  );
  yield model.files.map((file) => inAppRoot(`${below}/${file.path}`, file));
}

const inAppRoot = (path: string, file: Pick<TarFile, 'size' | 'open'>): TarFile => ({
  path: `${appRoot.slice(1)}/${path}`,
  size: file.size,
  open: () => file.open(),
});
