// The furniture of a module, held by rules: whoever knows one room finds their way in the next. What the imports may be is in
// .dependency-cruiser.cjs; what a file's name and its text must say is here.

import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../src/modules/', import.meta.url));

/** What a file of a module can be: `noun.role.ts`. A new role needs a line here that says what such a file does. */
const roles = {
  routes: 'a table of routes and what each calls',
  service: 'what the room can do, for routes and for other rooms; knows no HTTP',
  store: 'rows: the only place with SQL, beside migrations',
  kind: 'a kind of resource',
  kinds: 'several small kinds of resource',
  step: 'one step of a procedure that stands as a list',
  surface: 'how one protocol is read and answered',
  wire: 'how requests of a protocol are read and answers of it written, for a surface and its routes',
  scheme: 'how callers of a protocol prove who they are',
  errors: 'the failure table',
  rules: 'pure functions: what is right, worked out from arguments',
  data: 'facts of the world outside, as a table: what Azure ships, what a standard lists',
  port: 'what a room needs of others, for compose to give',
  types: 'shapes that several files of the room share',
  view: 'what callers are shown of a row',
  unserved: 'what the protocol names and we do not serve',
  page: 'a page for a browser',
  worker: 'what runs in a thread or process of its own',
};

/** Files that need no noun, because there is one in a room. */
const alone = ['index', 'duties', 'meters', 'settings', 'surface', 'unserved', 'testing'];

/** Services that must know HTTP, with the reason. */
const servicesOfHttp: Readonly<Record<string, string>> = {
  'compute/unix-reach.service.ts': 'what it does is to carry requests of HTTP to an agent on this machine',
  'endpoints/gateway.service.ts': 'what it does is to carry requests of HTTP to a model, and its answers back',
  'endpoints/traces.service.ts': 'a trace is of one request at the door, and is asked for by it',
};

const every = globSync('**/*.ts', { cwd: root }).sort();
const isOfTests = (path: string) => /\.(test|contract|fixture)\.ts$|(^|\/)testing(\/|\.ts$)|\.worker\.ts$/.test(path);
const product = every.filter((path) => !isOfTests(path));
const textOf = (path: string) => readFileSync(root + path, 'utf8');
const sql = /\btables<|\.(selectFrom|insertInto|replaceInto|updateTable|deleteFrom)\(|\bsql`/;

const breaks = {
  roles: product.filter((path) => {
    if (/(^|\/)migrations\//.test(path)) return false;
    const [noun, role, ...more] = (path.split('/').at(-1) ?? '').replace(/\.ts$/, '').split('.');
    if (role === undefined) return !alone.includes(noun ?? '');
    return !Object.hasOwn(roles, more.at(-1) ?? role);
  }),
  sql: product.filter((path) => !/\.store\.ts$|(^|\/)migrations\//.test(path) && sql.test(textOf(path))),
  http: product.filter(
    (path) => path.endsWith('.service.ts') && !servicesOfHttp[path] && textOf(path).includes("'#kernel/http/"),
  ),
  types: product.filter((path) => /(^|[./])errors\.ts$/.test(path) && /^export (type|interface) /m.test(textOf(path))),
};

const sentences = {
  roles: "every file's name says what it is for",
  sql: 'SQL stands in stores and migrations',
  http: 'a service knows no HTTP, its types neither',
  types: 'no other room takes its types from a failure table',
};

for (const rule of ['roles', 'sql', 'http', 'types'] as const)
  test(sentences[rule], () => assert.deepEqual(breaks[rule], []));

test('a service that may know HTTP is there and does', () => {
  for (const path of Object.keys(servicesOfHttp)) assert.match(textOf(path), /'#kernel\/http\//);
});
