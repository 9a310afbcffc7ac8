// A whole server with its real agent and sandbox, and a package index on this machine: a model that MLflow has written is deployed
// without a script and answers. What stands for mlflow on that index does no more than the runner asks of it; the real one is met by
// the conformance suites. Skipped where no sandbox can be made.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sandboxed } from '../../../test/sandbox.fixture.ts';
import { type Bench, openServer } from '../../../test/server.fixture.ts';
import { makeWorkspace, tarOf, until } from '../../../test/work.fixture.ts';
import { openPackageIndex, type PackageIndex, packageWheel, pipWheel } from './package-index.fixture.ts';

const { isPossible, skip } = sandboxed();

const mlflow = {
  'mlflow/__init__.py': '__version__ = "2.22.0"\n',
  'mlflow/exceptions.py':
    'class MlflowException(Exception):\n    message = property(str)\n    error_code = "INVALID_PARAMETER_VALUE"\n    def get_http_status_code(self): return 400\n',
  'mlflow/utils/__init__.py': '',
  'mlflow/utils/proto_json_utils.py': `
import json
NumpyEncoder = json.JSONEncoder
def dataframe_from_parsed_json(value, pandas_orient, schema):
    return [dict(zip(value["columns"], row)) for row in value["data"]] if pandas_orient == "split" else value
def parse_tf_serving_input(given, schema):
    return next(iter(given.values()))
`,
  'mlflow/pyfunc.py': `
import importlib, os, re, sys, types
from mlflow.exceptions import MlflowException
class Loaded:
    metadata = types.SimpleNamespace(signature=None)
    def __init__(self, model): self.model = model
    def predict(self, data, params=None):
        if not all("x" in row for row in data):
            raise MlflowException("Model is missing inputs ['x'].")
        return self.model.predict(data)
def load_model(path):
    loader = re.search(r"loader_module: (\\S+)", open(os.path.join(path, "MLmodel")).read()).group(1)
    sys.path.insert(0, os.path.join(path, "code"))
    return Loaded(importlib.import_module(loader)._load_pyfunc(path))
`,
};
const loader = `
import json, os
class Doubling:
    def __init__(self, factor): self.factor = factor
    def predict(self, rows):
        if rows[0]["x"] == "who": return sorted(os.environ)
        if rows[0]["x"] == "fail": raise RuntimeError("a secret of the model")
        return [self.factor * row["x"] for row in rows]
def _load_pyfunc(path):
    print("loading", path)
    return Doubling(json.load(open(os.path.join(path, "factor.json"))))
`;
const modelFiles = (module: string, pip = 'mlflow==2.22.0') => ({
  MLmodel: `flavors:\n  python_function:\n    code: code\n    env: { conda: conda.yaml }\n    loader_module: ${module}\n`,
  'conda.yaml': `dependencies: [{ pip: ['${pip}'] }]\n`,
  'factor.json': '2',
  'code/doubling.py': loader,
});

let bench: Bench;
let index: PackageIndex;
let workspace: string;
let token: string;

before(async () => {
  if (!isPossible) return;
  index = await openPackageIndex();
  index.add(
    pipWheel(),
    packageWheel('mlflow', '2.22.0', mlflow),
    packageWheel('greeting', '1.0', { 'greeting.py': '' }),
  );
  bench = await openServer({ embedded: true, environments: { index: index.url } });
  workspace = await makeWorkspace(bench, 'Served', 'Served');
  token = await bench.ownerToken();
});
after(async () => {
  await bench?.close();
  index?.close();
});

const done = async (method: string, path: string, body?: unknown) => {
  const reply = await bench.armDone(token, method, path, body);
  assert.ok(reply.status < 300 && reply.body?.status !== 'Failed', `${method} ${path}: ${reply.text}`);
  return reply.body;
};

async function register(name: string, files: Readonly<Record<string, string>>) {
  const taken = await bench.arm(token, 'POST', `${workspace}/snapshots`, await tarOf(files), {
    'content-type': 'application/x-tar',
  });
  const properties = { modelUri: taken.body.uri, modelType: 'mlflow_model' };
  await done('PUT', `${workspace}/models/${name}/versions/1`, { properties });
}

const deployment = (model: string, more: object = {}) => ({
  location: bench.location,
  sku: { name: 'Default', capacity: 1 },
  properties: { endpointComputeType: 'Managed', model: `azureml:${model}:1`, ...more },
});

test('a model of MLflow answers without a script, in the environment that it brings', skip, async () => {
  const endpoint = `${workspace}/onlineEndpoints/doubling`;
  await register('doubling', modelFiles('doubling'));
  await done('PUT', endpoint, { location: bench.location, properties: { authMode: 'Key' } });
  await done('PUT', `${endpoint}/deployments/blue`, deployment('doubling'));
  await done('PATCH', endpoint, { properties: { traffic: { blue: 100 } } });
  const key = String((await done('POST', `${endpoint}/listKeys`)).primaryKey);
  const path = new URL((await done('GET', endpoint)).properties.scoringUri).pathname;
  const ask = (body: unknown, tail = path) => bench.send(tail, { method: 'POST', token: key, body });

  const rows = { columns: ['x'], index: [0, 1], data: [[1], [4]] };
  const reply = await ask({ input_data: rows });
  assert.deepEqual([reply.status, reply.body], [200, [2, 8]], reply.text);
  const byMlflow = await ask({ dataframe_split: rows }, path.replace(/score$/, 'invocations'));
  assert.deepEqual([byMlflow.status, byMlflow.body], [200, { predictions: [2, 8] }], byMlflow.text);

  const wrong = await ask({ input_data: { columns: ['y'], data: [[1]] } });
  assert.equal(wrong.status, 424, wrong.text);
  assert.equal(wrong.headers['ms-azureml-model-error-statuscode'], '400');
  assert.match(wrong.text, /Model is missing inputs \['x'\]/);
  const failed = await ask({ inputs: [{ x: 'fail' }] });
  assert.equal(failed.headers['ms-azureml-model-error-statuscode'], '500');
  assert.match(failed.text, /The model raised RuntimeError/);
  assert.doesNotMatch(failed.text, /secret/);
  const names: readonly string[] = (await ask({ input_data: [{ x: 'who' }] })).body;
  assert.ok(names.includes('AZUREML_MODEL_DIR'), names.join());
  assert.ok(!names.some((name) => /TOKEN|KEY|ENTRY_SCRIPT/i.test(name)), names.join());
  const swagger = await bench.send(path.replace(/score$/, 'swagger.json'), { method: 'GET', token: key });
  assert.match(swagger.text, /"input_data"/);
  // What the process prints comes a line at a time.
  const { body } = await until(
    () => bench.arm(token, 'POST', `${endpoint}/deployments/blue/getLogs`, {}),
    (reply) => reply.body.content.includes('a secret of the model'),
  );
  const { content } = body;
  assert.match(content, /loading .*\/azureml-models\/doubling\/1\nthe model is loaded, by mlflow 2\.22\.0/);
});

test('a loader that is nowhere, and an environment without mlflow, are named', skip, async () => {
  const endpoint = `${workspace}/onlineEndpoints/nowhere`;
  await register('nowhere', modelFiles('nowhere.to.be.found'));
  await register('doubling-too', modelFiles('doubling'));
  await done('PUT', endpoint, { location: bench.location, properties: { authMode: 'Key' } });
  const lost = await bench.armDone(token, 'PUT', `${endpoint}/deployments/lost`, deployment('nowhere'));
  assert.match(lost.text, /The model could not be loaded: ModuleNotFoundError.*No module named 'nowhere'/);
  const environmentId = `${workspace}/environments/plain/versions/1`;
  await done('PUT', environmentId, { properties: { condaFile: 'dependencies: [{ pip: [greeting] }]' } });
  const bare = await bench.armDone(
    token,
    'PUT',
    `${endpoint}/deployments/bare`,
    deployment('doubling-too', { environmentId }),
  );
  assert.match(bare.text, /NotServable.*The environment has no mlflow that can be imported/);
});
