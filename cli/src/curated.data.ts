// Environments that stand for those that Azure curates: what is in each, in exact versions, for which Pythons, and for which names it
// stands. What changes anything that a set installs raises its revision: a version that was registered keeps what it is.

export type CuratedSet = {
  readonly name: string;
  readonly revision: number;
  readonly description: string;
  /** Of the package index, as pip reads them, for each Python that it is known to install on. */
  readonly pythons: Readonly<Record<string, readonly string[]>>;
  /** Modules that must be there: the job that builds it imports them. */
  readonly imports: readonly string[];
  /** Names of Azure's, exactly or ending in `*`, as the setting `environments.images` has them. */
  readonly standsFor: readonly string[];
  /** What the operator sets first, and why: said where the set cannot be built. */
  readonly needs?: { readonly setting: string; readonly values: readonly string[]; readonly because: string };
};

const over = (pythons: readonly string[], packages: readonly string[]) =>
  pythons.map((python): [string, readonly string[]] => [python, packages]);

/** The last numbers that one pair of NumPy and SciPy has wheels for all of these Pythons. */
const arrays = {
  before313: ['numpy==1.26.4', 'scipy==1.13.1'],
  since313: ['numpy==2.1.3', 'scipy==1.14.1'],
} as const;
const before313 = ['3.9', '3.10', '3.11', '3.12'] as const;
const forAll = (packages: readonly string[]) =>
  Object.fromEntries([
    ...over(before313, [...packages, ...arrays.before313]),
    ...over(['3.13'], [...packages, ...arrays.since313]),
  ]);

const common = [
  'scikit-learn==1.5.2',
  'pandas==2.2.3',
  'matplotlib==3.9.4',
  'joblib==1.4.2',
  'mlflow==2.22.2',
  // Commands that install what is there already find it so, and ask for nothing.
  'pip==25.3',
] as const;

export const curatedSets: readonly CuratedSet[] = [
  {
    name: 'sklearn-1.5',
    revision: 1,
    description: 'scikit-learn 1.5 with pandas, Matplotlib and MLflow',
    pythons: forAll(common),
    imports: ['sklearn', 'pandas', 'matplotlib', 'mlflow'],
    standsFor: [
      'azureml://registries/azureml/environments/sklearn-1.5*',
      'AzureML-sklearn-1.5*',
      'mcr.microsoft.com/azureml/curated/sklearn-1.5*',
    ],
  },
  {
    name: 'lightgbm-3.3',
    revision: 1,
    description: 'LightGBM 3.3 with scikit-learn, pandas, Matplotlib and MLflow',
    pythons: forAll([...common, 'lightgbm==3.3.5']),
    imports: ['lightgbm', 'sklearn', 'pandas', 'matplotlib', 'mlflow'],
    standsFor: [
      'azureml://registries/azureml/environments/lightgbm-3.3*',
      'AzureML-lightgbm-3.3*',
      'mcr.microsoft.com/azureml/curated/lightgbm-3.3*',
    ],
  },
  {
    name: 'pytorch-2.8-cpu',
    revision: 1,
    description: 'PyTorch 2.8 for CPU with torchvision, scikit-learn, pandas, Matplotlib and MLflow',
    pythons: forAll([
      ...common,
      // `+cpu` is on PyTorch's own index alone: the build with CUDA can never be taken in its place.
      'torch==2.8.0+cpu',
      'torchvision==0.23.0+cpu',
      'azureml-mlflow==1.60.0',
      'adlfs==2024.12.0',
    ]),
    imports: ['torch', 'torchvision', 'sklearn', 'pandas', 'matplotlib', 'mlflow'],
    standsFor: [
      'azureml://registries/azureml/environments/acpt-pytorch-2.8*',
      'AzureML-acpt-pytorch-2.8*',
      'mcr.microsoft.com/azureml/curated/acpt-pytorch-2.8*',
    ],
    needs: {
      setting: 'environments.projectIndexes',
      values: ['torch=https://download.pytorch.org/whl/cpu/', 'torchvision=https://download.pytorch.org/whl/cpu/'],
      because: 'PyPI has PyTorch for Linux on x86-64 with CUDA alone, which is larger than an environment may be',
    },
  },
];

/** Images that bring Python and nothing that is imported: the node's own stands for them, with the packages that are named beside them. */
export const curatedBases: readonly string[] = [
  'mcr.microsoft.com/azureml/openmpi3.1.2-ubuntu*',
  'mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu*',
  'mcr.microsoft.com/azureml/openmpi5.0-ubuntu*',
  'mcr.microsoft.com/azureml/minimal-*',
];
