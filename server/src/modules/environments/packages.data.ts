// Packages of conda channels that are the same project on the Python package index, and what they are called there. A name that
// is not here is refused: a package of another project under the same name would be something else than was asked for.

/** The same name on both sides. */
const same = [
  ...['pip', 'setuptools', 'wheel', 'numpy', 'scipy', 'pandas', 'scikit-learn', 'matplotlib', 'seaborn', 'joblib'],
  ...[
    'threadpoolctl',
    'pyarrow',
    'fastparquet',
    'numba',
    'cython',
    'sympy',
    'networkx',
    'statsmodels',
    'patsy',
    'nltk',
  ],
  ...['xgboost', 'lightgbm', 'catboost', 'shap', 'imbalanced-learn', 'hyperopt', 'optuna', 'plotly', 'bokeh', 'altair'],
  ...[
    'requests',
    'urllib3',
    'certifi',
    'idna',
    'six',
    'python-dateutil',
    'pytz',
    'tzdata',
    'packaging',
    'attrs',
    'psutil',
  ],
  ...[
    'pyyaml',
    'jinja2',
    'markupsafe',
    'click',
    'tqdm',
    'rich',
    'pydantic',
    'cloudpickle',
    'dill',
    'h5py',
    'openpyxl',
    'lxml',
  ],
  ...[
    'flask',
    'werkzeug',
    'fastapi',
    'uvicorn',
    'gunicorn',
    'sqlalchemy',
    'fsspec',
    'protobuf',
    'grpcio',
    'cryptography',
  ],
  ...[
    'ipython',
    'ipykernel',
    'jupyter',
    'notebook',
    'pytest',
    'pillow',
    'scikit-image',
    'imageio',
    'mlflow',
    'mlflow-skinny',
  ],
  ...[
    'tensorboard',
    'tensorflow',
    'keras',
    'onnx',
    'onnxruntime',
    'transformers',
    'datasets',
    'tokenizers',
    'spacy',
    'gensim',
  ],
  ...[
    'dask',
    'distributed',
    'polars',
    'toolz',
    'pyspark',
    'prophet',
    'pmdarima',
    'azure-core',
    'azure-identity',
    'boto3',
  ],
  ...['torchvision', 'torchaudio', 'pytorch-lightning', 'lightning', 'accelerate', 'sentencepiece', 'regex'],
];

/** Another name on the index. */
const renamed: Readonly<Record<string, string>> = {
  'matplotlib-base': 'matplotlib',
  pytorch: 'torch',
  'py-xgboost': 'xgboost',
  'py-lightgbm': 'lightgbm',
  'dask-core': 'dask',
  'seaborn-base': 'seaborn',
  'ray-core': 'ray',
};

/**
 * The first version of each that runs with NumPy 2. What their older packages on a conda channel say, that they need an older NumPy,
 * their wheels on the index do not. Source: NumPy, "NumPy 2.0 ecosystem compatibility".
 */
export const firstForNumpy2: Readonly<Record<string, readonly number[]>> = {
  'scikit-learn': [1, 4, 2],
  pandas: [2, 2, 2],
  scipy: [1, 13, 0],
  matplotlib: [3, 8, 4],
  'scikit-image': [0, 23],
  statsmodels: [0, 14, 2],
  numba: [0, 60],
  pyarrow: [16],
};

export const indexNames: ReadonlyMap<string, string> = new Map([
  ...same.map((name) => [name, name] as const),
  ...Object.entries(renamed),
]);
