// The public suites that `npm run suites` runs, as data: whose they are, where their source comes from, how each is aimed at a
// server, and what is counted. Nothing of theirs is in this repository; our aiming code is in conformance/aim.

import { randomBytes } from 'node:crypto';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import type { Ground } from './ground.ts';
import { type Report, readJunit, readMocha, readPytest } from './outcomes.ts';

/** A folder that the caller has (`--mlflow FOLDER`, or the variable), or a package whose source the registry holds. */
export type Source =
  | { readonly kind: 'folder'; readonly option: string; readonly variable: string; readonly from: string }
  | { readonly kind: 'sdist'; readonly name: string; readonly version: string };

/** What is installed before the suite runs: Python packages in an environment of their own, npm's in the source, or a Go program. */
export type Needs =
  | { readonly kind: 'python'; readonly requirements: string; readonly also?: readonly string[] }
  | { readonly kind: 'npm' }
  | { readonly kind: 'go'; readonly folder: string };

export type Places = {
  /** The suite's source. */
  readonly source: string;
  /** Python's interpreter, or the built program. */
  readonly program: string;
  /** conformance/aim. */
  readonly aim: string;
  /** Empty, for reports. */
  readonly out: string;
};

export type Run = {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Where the suite leaves its report, and how it is read. */
  readonly report: string;
  readonly read: (file: string) => Report;
};

export type PublicSuite = {
  readonly name: string;
  readonly title: string;
  readonly source: Source;
  readonly needs: Needs;
  /** What a run counts, and what it leaves out. */
  readonly counted: string;
  /** Where docs/compat tells the counts. */
  readonly told: string;
  aim(ground: Ground, places: Places): Promise<Run>;
};

const pytest = (places: Places, cwd: string, path: readonly string[], words: readonly string[]) => ({
  command: places.program,
  args: ['-m', 'pytest', '-q', '-p', 'outcomes', '-p', 'no:cacheprovider', '--tb=short', ...words],
  cwd,
  env: {
    PYTHONPATH: [join(places.aim, 'pytest'), ...path].join(':'),
    PYTHONDONTWRITEBYTECODE: '1',
    AIM_OUTCOMES: join(places.out, 'outcomes'),
  },
  report: join(places.out, 'outcomes'),
  read: readPytest,
});

function mlflow(name: string, file: string, plugins: readonly string[], counted: string, seconds = 60): PublicSuite {
  return {
    name: `mlflow-${name}`,
    title: `MLflow ${file.split('/').at(-1)}`,
    source: {
      kind: 'folder',
      option: 'mlflow',
      variable: 'MLFLOW_SOURCE',
      from: 'https://github.com/mlflow/mlflow',
    },
    needs: { kind: 'python', requirements: 'mlflow/requirements.txt' },
    counted,
    told: 'docs/compat/mlflow.md',
    async aim(ground, places) {
      const words = [...plugins.flatMap((plugin) => ['-p', plugin]), `--timeout=${seconds}`, '-k', 'not [file', file];
      const run = pytest(places, places.source, [join(places.aim, 'mlflow'), places.source], words);
      return { ...run, env: { ...run.env, STRONGROOM_BOOTSTRAP: ground.bootstrapFile } };
    },
  };
}

const vaultRoles = ['Key Vault Administrator'];

function keyVault(kind: string, version: string, files: readonly string[], counted: string): PublicSuite {
  return {
    name: `keyvault-${kind}`,
    title: `azure-keyvault-${kind} ${version}, own tests`,
    source: { kind: 'sdist', name: `azure-keyvault-${kind}`, version },
    needs: {
      kind: 'python',
      requirements: 'keyvault/requirements.txt',
      also: [`azure-keyvault-${kind}==${version}`],
    },
    counted,
    told: 'docs/compat/azure-sdk-js.md',
    async aim(ground, places) {
      const { bootstrap } = ground;
      const name = `public-${kind}`;
      const sku = { family: 'A', name: 'standard' };
      const properties = { tenantId: bootstrap.tenantId, sku, enableRbacAuthorization: true };
      await ground.make('Microsoft.KeyVault/vaults', '2023-07-01', name, { properties }, vaultRoles);
      const server = new URL(bootstrap.url);
      const path = [join(places.aim, 'keyvault'), join(places.aim, '../python/resolve')];
      const words = ['-p', 'devtools_testutils', '--timeout=300', ...files];
      const run = pytest(places, join(places.source, 'tests'), path, words);
      const { clientId, clientSecret } = bootstrap.application;
      const variables = ['AZURE', 'KEYVAULT'].flatMap((prefix) => [
        [`${prefix}_TENANT_ID`, bootstrap.tenantId],
        [`${prefix}_CLIENT_ID`, clientId],
        [`${prefix}_CLIENT_SECRET`, clientSecret],
      ]);
      const env = {
        ...run.env,
        ...(Object.fromEntries(variables) as Record<string, string>),
        AZURE_KEYVAULT_URL: `https://${name}.vault.localhost:${server.port}`,
        AZURE_AUTHORITY_HOST: bootstrap.url,
        KEYVAULT_SKU: 'standard',
        AIM_TENANT: bootstrap.tenantId,
        AIM_CLIENT: clientId,
        AIM_SECRET: clientSecret,
        AIM_AUTHORITY: bootstrap.url,
        REQUESTS_CA_BUNDLE: bootstrap.caFile,
        SSL_CERT_FILE: bootstrap.caFile,
      };
      return { ...run, env };
    },
  };
}

const azurite: PublicSuite = {
  name: 'azurite',
  title: "Azurite's blob suite",
  source: {
    kind: 'folder',
    option: 'azurite',
    variable: 'AZURITE_SOURCE',
    from: 'https://github.com/Azure/Azurite',
  },
  needs: { kind: 'npm' },
  counted:
    "every test of the files that ask a server; a hook that fails counts as one. Left out: the tests of Azurite's own insides",
  told: 'docs/compat/azure-sdk-js.md',
  async aim(ground, places) {
    const account = 'devstoreaccount1';
    const body = { kind: 'StorageV2', sku: { name: 'Standard_LRS' } };
    const roles = ['Storage Blob Data Owner'];
    await ground.make('Microsoft.Storage/storageAccounts', '2023-05-01', account, body, roles);
    // A signature that the tests make by themselves is made with this; the server has never heard of it.
    const key = randomBytes(64).toString('base64');
    const blobs = `${ground.bootstrap.url}/${account}`;
    const connection = [
      `DefaultEndpointsProtocol=https`,
      `AccountName=${account}`,
      `AccountKey=${key}`,
      `BlobEndpoint=${blobs}`,
    ];
    const files = globSync('tests/blob/{,apis/}*.test.ts', { cwd: places.source }).filter((file) =>
      /(apis\/\w+|authentication|blobCorsRequest|highlevel|https|oauth|sas|specialnaming)\.test\.ts$/.test(file),
    );
    const report = join(places.out, 'report.json');
    const resolver = join(places.aim, '../harness/resolve-localhost.mjs');
    return {
      command: process.execPath,
      args: [
        join(places.source, 'node_modules/mocha/bin/mocha.js'),
        ...['--require', 'ts-node/register/transpile-only', '--require', join(places.aim, 'azurite/aim.cjs')],
        ...['--timeout', '300000', '--exit', '--reporter', 'json', '--reporter-option', `output=${report}`],
        ...files.sort(),
      ],
      cwd: places.source,
      env: {
        AZURITE_LIVE_TEST_CONNECTION_STRING: connection.join(';'),
        AIM_BLOBS: blobs,
        AIM_KEY: key,
        AIM_TOKEN: await ground.token('https://storage.azure.com'),
        NODE_EXTRA_CA_CERTS: ground.bootstrap.caFile,
        NODE_OPTIONS: `--import=${resolver}`,
        // ts-node says no root of its own, and the compiler that the suite pins wants one.
        TS_NODE_COMPILER_OPTIONS: JSON.stringify({ rootDir: '.' }),
      },
      report,
      read: readMocha,
    };
  },
};

function oci(name: string, title: string, settings: Readonly<Record<string, string>>): PublicSuite {
  return {
    name,
    title,
    source: {
      kind: 'folder',
      option: 'distribution-spec',
      variable: 'DISTRIBUTION_SPEC_SOURCE',
      from: 'https://github.com/opencontainers/distribution-spec',
    },
    needs: { kind: 'go', folder: 'conformance' },
    counted: "the suite's own count; what the settings disable counts as skipped",
    told: 'docs/compat/oci.md',
    async aim(ground, places) {
      const registry = `public${name.replaceAll('-', '')}`;
      const body = { sku: { name: 'Premium' } };
      await ground.make('Microsoft.ContainerRegistry/registries', '2023-07-01', registry, body, [
        'AcrPush',
        'AcrDelete',
      ]);
      const { url, caFile, application } = ground.bootstrap;
      return {
        command: places.program,
        args: [],
        cwd: places.out,
        env: {
          OCI_VERSION: '1.1',
          OCI_REGISTRY: new URL(url).host,
          OCI_REPO1: `${registry}/one`,
          OCI_REPO2: `${registry}/two`,
          OCI_USERNAME: application.clientId,
          OCI_PASSWORD: application.clientSecret,
          OCI_RESULTS_DIR: places.out,
          SSL_CERT_FILE: caFile,
          ...settings,
        },
        report: join(places.out, 'junit.xml'),
        read: readJunit,
      };
    },
  };
}

const notFileStore = "MLflow's file store left out";

export const publicSuites: readonly PublicSuite[] = [
  mlflow(
    'registry',
    'tests/tracking/test_model_registry.py',
    ['strongroom_aim', 'real_runs'],
    `each test against a fresh workspace, with runs and files that exist where the test invents them; ${notFileStore}`,
  ),
  mlflow(
    'tracking',
    'tests/tracking/test_rest_tracking.py',
    ['strongroom_aim'],
    `each test against a fresh workspace; ${notFileStore}`,
  ),
  mlflow(
    'fluent',
    'tests/tracking/fluent/test_fluent.py',
    ['strongroom_uri'],
    'each test against a fresh workspace by its real https address and a token; many of them never ask a server',
  ),
  mlflow('client', 'tests/tracking/test_tracking.py', ['strongroom_uri'], 'the same', 180),
  azurite,
  keyVault(
    'secrets',
    '4.12.0',
    ['test_secrets_client.py', 'test_secrets_async.py', 'test_samples_secrets.py', 'test_samples_secrets_async.py'],
    'the files whose tests ask a vault, sync and async, live; a standard vault, no other version of the protocol',
  ),
  keyVault(
    'keys',
    '4.11.3',
    [
      'test_key_client.py',
      'test_keys_async.py',
      'test_crypto_client.py',
      'test_crypto_client_async.py',
      'test_samples_keys.py',
      'test_samples_keys_async.py',
      'test_examples_crypto.py',
      'test_examples_crypto_async.py',
    ],
    'the same; no managed HSM',
  ),
  oci('oci', 'OCI distribution-spec conformance 1.1, what is promised here', {
    OCI_DATA_SHA512: 'false',
    OCI_DATA_NONDISTRIBUTABLE: 'false',
  }),
  oci('oci-whole', 'OCI distribution-spec conformance 1.1, as it comes', {}),
];
