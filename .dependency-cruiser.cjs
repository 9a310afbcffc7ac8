// The dependency table of ARCHITECTURE.md, executable. `npm run check` fails on any arrow that is not in it. Type-only
// imports count like any other: a circle of types is a circle for the reader too. (The parser is swc because TypeScript 7
// has no programming interface that this tool knows.)

/** Which modules a module may use, through the other's index.ts only. */
const table = {
  audit: [],
  access: [],
  identity: [],
  landing: ['identity'],
  resources: ['access'],
  quotas: ['resources'],
  vault: ['resources'],
  storage: ['resources'],
  monitoring: ['resources'],
  registry: ['resources', 'storage'],
  images: ['registry'],
  workspaces: ['resources', 'access', 'identity', 'vault', 'storage', 'registry', 'monitoring'],
  connections: ['resources', 'workspaces'],
  runs: ['resources', 'workspaces', 'storage'],
  assets: ['resources', 'workspaces', 'storage'],
  compute: ['resources', 'workspaces', 'identity', 'vault', 'storage', 'registry'],
  jobs: ['resources', 'workspaces', 'storage', 'identity', 'vault', 'runs', 'assets', 'compute'],
  flows: ['resources', 'workspaces', 'assets', 'jobs'],
  schedules: ['resources', 'workspaces', 'jobs'],
  imports: ['workspaces', 'registry'],
  environments: ['resources', 'workspaces', 'registry', 'images', 'imports', 'assets', 'jobs'],
  endpoints: [
    ...['resources', 'workspaces', 'identity', 'registry', 'images', 'assets', 'compute', 'monitoring', 'environments'],
  ],
};
const modules = 'server/src/modules';
const product = {
  pathNot: '\\.(test|fuzz\\.test|contract|fixture)\\.ts$|/testing/|/testing\\.ts$|/crash\\.worker\\.ts$',
};

const perModule = Object.entries(table).flatMap(([name, uses]) => [
  {
    name: `${name}-uses-only-its-row`,
    severity: 'error',
    from: { path: `^${modules}/${name}/`, ...product },
    to: { path: `^${modules}/`, pathNot: `^${modules}/(${[name, ...uses].join('|')})/` },
  },
  {
    name: `fixtures-of-${name}-use-only-its-row`,
    severity: 'error',
    from: { path: `^${modules}/${name}/.*(\\.fixture\\.ts$|/testing/|/testing\\.ts$)` },
    to: { path: `^${modules}/`, pathNot: `^${modules}/(${[name, ...uses].join('|')})/` },
  },
]);

const onlyFrom = (name, to, from, comment) => ({
  name,
  severity: 'error',
  comment,
  from: {
    path: '^(server|agent|cli|contract)/',
    pathNot: `${from}|\\.(test|contract|fixture)\\.ts$|/testing/|/testing\\.ts$|/crash\\.worker\\.ts$`,
  },
  to,
});

const rules = [
  ...perModule,
  {
    name: 'fixtures-build-no-house',
    severity: 'error',
    comment:
      'What a test of several modules stands on is in server/test/lab, which only tests import. (data-folder stands on the kernel alone.)',
    from: { path: `^${modules}/`, pathNot: '\\.test\\.ts$' },
    to: { path: '^server/(test/|src/compose/|src/(?!data-folder)[^/]+\\.ts$)' },
  },
  {
    name: 'modules-have-one-door',
    severity: 'error',
    comment: 'Another module is used through its index.ts.',
    from: { path: `^${modules}/([^/]+)/`, ...product },
    to: { path: `^${modules}/[^/]+/.+`, pathNot: `^${modules}/($1/|[^/]+/index\\.ts$)` },
  },
  {
    name: 'kernel-knows-no-module',
    severity: 'error',
    from: { path: '^server/src/kernel/', ...product },
    to: { path: `^${modules}/|^server/src/[^/]+\\.ts$|^server/src/compose/` },
  },
  {
    name: 'addresses-and-input-know-no-http',
    severity: 'error',
    comment: 'Services use them, and services know no HTTP.',
    from: { path: '^server/src/kernel/(addresses|input)/', ...product },
    to: { path: '^server/src/kernel/http/' },
  },
  {
    name: 'contract-imports-nothing-of-ours',
    severity: 'error',
    from: { path: '^contract/', pathNot: '\\.test\\.ts$' },
    to: { path: '^(server|agent|cli)/|^node:' },
  },
  {
    name: 'contract-has-no-platform',
    severity: 'error',
    from: { path: '^contract/src/', pathNot: '\\.test\\.ts$' },
    to: { dependencyTypes: ['core'] },
  },
  {
    name: 'agent-and-cli-know-no-server',
    severity: 'error',
    from: { path: '^(agent|cli)/', ...product },
    to: { path: '^server/', pathNot: '^server/src/(main|offline)\\.ts$' },
  },
  onlyFrom(
    'only-crypto-imports-crypto',
    { path: '^(node:)?crypto$', dependencyTypes: ['core'] },
    '^server/src/kernel/crypto/|^agent/|^cli/',
    'One room for cryptography.',
  ),
  onlyFrom(
    'only-database-imports-a-driver',
    { path: 'node_modules/(better-sqlite3|pg)' },
    '^server/src/kernel/database/',
    'One room for drivers.',
  ),
  {
    name: 'no-setting-offers-postgres',
    severity: 'error',
    comment:
      'It passes the contract and encrypts nothing: the server opens no database with it. Its driver is not installed with the server.',
    from: {
      path: '^(server|agent|cli)/',
      pathNot: '^server/src/kernel/database/postgres/|\\.(test|fixture)\\.ts$|/testing/',
    },
    to: { path: '^server/src/kernel/database/postgres/' },
  },
  onlyFrom(
    'only-access-mints',
    { path: '^server/src/kernel/authority/mint\\.ts$' },
    `^${modules}/access/|^server/src/kernel/authority/`,
    'Whoever mints decides.',
  ),
  {
    name: 'testing-is-for-tests',
    severity: 'error',
    from: { path: '^(server|agent|cli)/', ...product },
    to: { path: '/testing(/|\\.ts$)|\\.(test|contract|fixture)\\.ts$|/crash\\.worker\\.ts$' },
  },
  {
    name: 'routes-know-no-store',
    severity: 'error',
    from: { path: '\\.routes\\.ts$' },
    to: { path: '\\.store\\.ts$' },
  },
  onlyFrom(
    'only-http-listens',
    { path: '^(node:)?(http|https|http2|net|tls)$|node_modules/fastify/' },
    '^server/src/kernel/http/|^agent/|^cli/',
    'One door. Types are free; a client uses fetch or the http room.',
  ),
  { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
  {
    name: 'stores-know-no-service',
    severity: 'error',
    from: { path: '\\.store\\.ts$' },
    to: { path: '\\.(service|routes)\\.ts$' },
  },
];

module.exports = {
  forbidden: rules,
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^conformance/|\\.d\\.ts$' },
    parser: 'swc',
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'default', 'node'],
      extensions: ['.ts', '.js', '.mjs', '.json'],
    },
  },
};
