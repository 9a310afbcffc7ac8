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
  readonly code: { readonly digest: string; readonly files: readonly TarFile[] };
  /** Below the code's folder. */
  readonly scoringScript: string;
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

export const scriptOf = ({ scoringScript }: Pick<ScoringInputs, 'scoringScript'>): string =>
  scoringScript.replace(/^\.\//, '');

/** Where the model is, in the image. */
export const modelDirOf = ({ model }: Pick<ScoringInputs, 'model'>): string =>
  `${appRoot}/${modelsFolder}/${model.name}/${model.version}`;

/** Every rule about the inputs that needs no build: said before anything is made. */
export function checkInputs(inputs: Pick<ScoringInputs, 'code' | 'scoringScript' | 'model'>): void {
  const { code, model } = inputs;
  const script = scriptOf(inputs);
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
  if (model.files.length === 0) throw refuse('model', 'The model has no files.');
  for (const { path } of model.files) checkPath(model.folder === undefined ? path : `${model.folder}/${path}`, 'model');
  const bytes = [...code.files, ...model.files].reduce((sum, { size }) => sum + size, 0);
  if (bytes > imageBytesMax)
    throw refuse('model', `The code and the model together have more than ${imageBytesMax} bytes.`);
}

/** Throws `invalid` for what `checkInputs` refuses; what a wheel holds is looked at when its layer is asked for. */
export function scoringImageOf(inputs: ScoringInputs): ImageInputs {
  checkInputs(inputs);
  const { code, model, base } = inputs;
  const script = scriptOf(inputs);
  return {
    layers: layersOf(inputs),
    environment: [
      `AZUREML_APP_ROOT=${appRoot}`,
      `AZUREML_ENTRY_SCRIPT=${script}`,
      `AZUREML_MODEL_DIR=${modelDirOf(inputs)}`,
      ...(code.files.some(isWheel) ? [`PYTHONPATH=${appRoot}/${dependenciesFolder}`] : []),
    ],
    workingDir: appRoot,
    annotations: {
      'io.strongroom.code': code.digest,
      'io.strongroom.model': model.id,
      'io.strongroom.script': script,
    },
    base,
  };
}

async function* layersOf({ code, model }: ScoringInputs): AsyncGenerator<readonly TarFile[]> {
  const runtime = Buffer.from(`${JSON.stringify({ builder: builderVersion, runtime: 'strongroom-scoring/1' })}\n`);
  yield [inAppRoot('.strongroom/runtime.json', { size: runtime.length, open: async () => runtime })];
  for await (const { files } of dependenciesOf(code.files, codeTarget))
    yield files.map((file) => inAppRoot(`${dependenciesFolder}/${file.path}`, file));
  yield code.files.filter((file) => !isWheel(file)).map((file) => inAppRoot(file.path, file));
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
