// No command shows an option that it ignores. Once `role assignment create -g team -w research` gave a role on the whole
// subscription: both options were in its help, and nobody read them.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { TransportRequest } from '@strongroom/contract/client';
import type { Command, Option } from 'commander';
import { encodeCheckpoint } from '../../server/src/kernel/crypto/checkpoint.ts';
import { createTree, leafHash } from '../../server/src/kernel/crypto/merkle.ts';
import { formatVerifier, signNote } from '../../server/src/kernel/crypto/signed-note.ts';
import { generateSigningKey } from '../../server/src/kernel/crypto/signing.ts';
import { openHome } from './home.ts';
import { createProgram, everyCommand, runCommand } from './program.ts';
import { createTestShell, type TestShell } from './testing.ts';

const url = 'https://localhost:8443';
const subscription = 's1';
const group = `/subscriptions/${subscription}/resourceGroups/team`;
const research = `${group}/providers/Microsoft.MachineLearningServices/workspaces/research`;
const here = process.cwd();
let folder: string;
let cli: TestShell;
let asked: TransportRequest[] = [];
let slept = 0;

/** Answers whatever is asked for: a list that is empty, and a thing with every field that a command looks at. */
const anything = {
  value: [],
  id: '/x',
  name: 'x',
  key: { kid: 'https://v.vault.localhost/keys/k/1' },
  properties: {
    status: 'Completed',
    latestVersion: '1',
    nextVersion: '2',
    outputs: { result: {} },
    scoringUri: `${url}/score`,
  },
  verified: true,
  findings: [],
  unproved: [],
  archived: [],
  segments: [],
  dropped: [],
  verifier: '',
  primaryKey: 'k',
  root_uri: 'mlflow-artifacts:/1/x/artifacts',
  files: [{ path: 'outputs/result/a', is_dir: false }],
  deleted: [{ kind: 'run', id: 'x', experiment_id: 'x', name: 'x', deleted_time: 0 }],
};
/** A log of one record, as a segment, and its signer: what `audit drop` reads before it asks. */
function segment(): { readonly verifier: string; readonly text: string } {
  const signer = { name: 'strongroom/x', key: generateSigningKey() };
  const verifier = formatVerifier({ name: signer.name, publicKey: signer.key.publicKey });
  const tree = createTree();
  const leaf = leafHash('{}');
  tree.append(leaf);
  const checkpoint = signNote(encodeCheckpoint({ origin: signer.name, size: 1, rootHash: tree.root() }), [signer]);
  const header = { format: 'strongroom-audit/1', verifier, checkpoint, from: 0, to: 1, prefix: [], consistency: [] };
  const record = { sequence: 0, leafHash: Buffer.from(leaf).toString('base64'), record: '{}' };
  return { verifier, text: `${JSON.stringify(header)}\n${JSON.stringify(record)}\n` };
}
const principals = [{ id: '11111111-1111-1111-1111-111111111111', displayName: 'x' }];
const roles = [
  {
    id: '/r/reader',
    name: '22222222-2222-2222-2222-222222222222',
    properties: { roleName: 'AzureML Data Scientist', type: 'BuiltInRole' },
  },
  {
    id: '/r/custom',
    name: '33333333-3333-3333-3333-333333333333',
    properties: { roleName: 'Model reader', type: 'CustomRole' },
  },
];
let assignments: readonly object[] = [];

function answerTo({ url: target }: TransportRequest): unknown {
  const { pathname } = new URL(target);
  if (pathname.endsWith('/roleDefinitions')) return { value: roles };
  if (pathname.endsWith('/roleAssignments')) return { value: assignments };
  if (pathname.endsWith('/servicePrincipals')) return { value: principals };
  if (pathname.includes('/oauth2/')) return { access_token: 'h.e30.s', expires_in: 3600, ...anything };
  return anything;
}

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'strongroom-options-'));
  process.chdir(folder);
  const job = 'command: a\ncompute: c\n';
  const deployment =
    'name: blue\nendpoint_name: iris\nmodel: azureml:m:1\ncode_configuration: { code: azureml:c:1, scoring_script: s }\n';
  const files: Readonly<Record<string, string>> = {
    'job.yml': job,
    'schedule.yml': 'name: nightly\ntrigger: { type: cron, expression: "0 6 * * *" }\ncreate_job: ./job.yml\n',
    'endpoint.yml': 'name: iris\n',
    'deployment.yml': deployment,
    'datastore.yml': 'name: d\ntype: azure_blob\naccount_name: a\n',
    'train.yml': 'name: train\ncommand: python train.py\nenvironment: azureml:e:1\n',
    'connection.yml': 'name: team_git\ntype: git\ntarget: https://git.example.com\n',
    'role.json': '{"Name": "Reader of models", "Actions": []}',
    'given.yml': 'name: x\npath: azureml://snapshots/x\nimage: i\n',
    'request.json': '{}',
    'token.txt': 'secret',
    'ada.txt': 'secret',
    'iris.csv': 'a',
    'ca.pem': 'PEM',
    'bootstrap.json': JSON.stringify({ url, caFile: 'ca.pem', application: { clientSecret: 'x' } }),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  mkdirSync(join(folder, 'strongroom-data'));
  writeFileSync(join(folder, 'strongroom-data', 'ca.pem'), 'PEM');
  const { verifier, text } = segment();
  anything.verifier = verifier;
  mkdirSync(join(folder, 'archive'));
  writeFileSync(join(folder, 'archive', 'audit-0-1.jsonl'), text);
  cli = createTestShell({
    askSecret: async () => 'typed',
    // What waits for something waits not long; what is watched is looked at a few times.
    sleep: async () => {
      await new Promise((done) => setImmediate(done));
      if (++slept > 40) throw new Error('enough');
    },
    connect: () => ({
      async send(request) {
        asked.push(request);
        const { body: sent } = request;
        if (typeof sent === 'object' && Symbol.asyncIterator in sent) for await (const _ of sent);
        const body = JSON.stringify(answerTo(request));
        return {
          status: 200,
          header: (name) => (name === 'x-log-complete' ? 'true' : undefined),
          body: (async function* () {
            yield Buffer.from(body);
          })(),
          text: async () => body,
        };
      },
      close: () => undefined,
    }),
  });
});
after(() => {
  process.chdir(here);
  cli.close();
  rmSync(folder, { recursive: true, force: true });
});

function signIn(settings: Readonly<Record<string, string>> = {}): void {
  const home = openHome(cli.shell.environment);
  home.saveSession({ url, tenant: 't', kind: 'user', refreshToken: 'r', tokens: {} });
  home.saveSettings({ subscription, 'resource-group': 'g', workspace: 'w', ...settings });
}

const wordsOf = (command: Command): readonly string[] =>
  command.parent === null ? [] : [...wordsOf(command.parent), command.name()];
const unquoted = (text: string) =>
  [...text.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');

/** Where the example needs what a test has not, a stopped server or one on the network: the same command against this one. */
const others: Readonly<Record<string, readonly string[]>> = {
  'audit verify': ['audit', 'verify'],
  login: ['login', '--url', url],
};

/** The example of a command's help: what the sweep runs. */
async function exampleOf(command: Command): Promise<readonly string[]> {
  const other = others[wordsOf(command).join(' ')];
  if (other !== undefined) return other;
  const { out } = await cli.run(...wordsOf(command), '--help');
  const [, example = ''] = /\nExample:\n {2}strongroom (.*)\n/.exec(out) ?? [];
  return unquoted(example.replace(/ [<>] .*$/, ''));
}

const samples: Readonly<Record<string, string>> = {
  '--output': 'json',
  '--query': 'name',
  '--file': 'given.yml',
  '--set': 'description=x',
  '--type': 'custom_model',
  '--tag': 'a=b',
  '--traffic': 'blue=1',
  '--ids': '/subscriptions/s1/providers/Microsoft.Authorization/roleAssignments/x',
  '--scope': '/subscriptions/s1/resourceGroups/g',
  '--key-type': 'primary',
  '--bootstrap-file': 'bootstrap.json',
  '--password-file': 'token.txt',
  '--enabled': 'true',
  '--change-password': 'true',
  '--value-file': 'token.txt',
  '--checkpoints': 'ca.pem',
  '--segment': 'archive',
  '--to-folder': 'written',
  '--url': url,
  '--role': 'AzureML Data Scientist',
  '--older-than': '30d',
  '--customer-vault': 'v',
  '--customer-key': 'k',
  '--request-file': 'request.json',
  '--expires-on': '2031-01-31T18:00:00Z',
};
const isCount = (option: Option) => /<(count|days|number|seconds|bits)>/.test(option.flags);
function wordsFor(option: Option): readonly string[] {
  const flag = option.long ?? '';
  if (!option.required && !option.optional) return [flag];
  return [flag, samples[flag] ?? (isCount(option) ? '8' : 'x')];
}

// What runs until it is told to stop is not run here; what each reads stands in one handler of a few lines.
const runsOn = ['server start', 'agent start'];

/** Runs a command as a person would who says yes when asked, and answers what it looked at. */
async function lookedAt(path: string, words: readonly string[]) {
  signIn();
  slept = 0;
  if (path === 'storage blob download') rmSync(join(folder, 'iris.csv'), { force: true });
  else writeFileSync(join(folder, 'iris.csv'), 'a');
  rmSync(join(folder, 'result'), { recursive: true, force: true });
  const lines: string[] = [];
  const looked = new Set<string>();
  const shell = {
    ...cli.shell,
    out: () => undefined,
    err: (text: string) => void lines.push(text),
    errIsTerminal: true,
    ask: async () => 'yes',
  };
  const code = await runCommand(words, shell, (options) => {
    for (const name of options.looked) looked.add(name);
  });
  return { code, said: lines.join(''), looked };
}

test('every option that a command shows is read, or refused with a word about itself', async () => {
  assignments = [
    {
      id: `${research}/providers/Microsoft.Authorization/roleAssignments/x`,
      properties: { roleDefinitionId: '/r/reader', principalId: 'p', scope: research },
    },
  ];
  const ignored: string[] = [];
  for (const command of everyCommand(await createProgram(cli.shell))) {
    const path = wordsOf(command).join(' ');
    if (command.commands.length > 0 || command.parent === null || runsOn.includes(path)) continue;
    const example = await exampleOf(command);
    const plain = await lookedAt(path, example);
    for (const option of command.options) {
      // What is looked at where nobody gave it is looked at where somebody does.
      if (plain.looked.has(option.attributeName())) continue;
      const { code, said, looked } = await lookedAt(path, [...example, ...wordsFor(option)]);
      const refused = code === 2 && [option.long, option.short].some((flag) => flag && said.includes(flag));
      if (!looked.has(option.attributeName()) && !refused)
        ignored.push(`${path} ${option.long}: ${code} ${said.trim()}`);
    }
  }
  assert.deepEqual(ignored, []);
});

test('a common option is shown only where it can matter', async () => {
  for (const [words, absent] of [
    [
      ['group', 'list'],
      ['--workspace', '--resource-group', '--yes', '--no-wait'],
    ],
    [
      ['server', 'start'],
      ['--url', '--workspace', '--output', '--subscription'],
    ],
    [['logout'], ['--url', '--output']],
    [
      ['vault', 'key', 'create'],
      ['--workspace', '--resource-group', '--subscription'],
    ],
  ] as const) {
    const { out } = await cli.run(...words, '--help');
    for (const flag of absent) assert.ok(!out.includes(flag), `${words.join(' ')} shows ${flag}`);
    assert.equal((await cli.run(...words, '-w', 'x')).code, 2, `${words.join(' ')} takes -w`);
  }
});

const who = ['--assignee', '11111111-1111-1111-1111-111111111111'];
const give = ['role', 'assignment', 'create', ...who, '--role', 'azureml data scientist'];
const take = ['role', 'assignment', 'delete', ...who, '--role', 'AzureML Data Scientist', '--yes'];
const explain = ['access', 'explain', ...who, '--action', 'a'];

test('files and a server are not verified at once', async () => {
  for (const offline of [
    ['--data-dir', 'x'],
    ['--config', 'x'],
    ['--root-key-file', 'x'],
  ])
    for (const online of [
      ['--url', url],
      ['--ca-file', 'ca.pem'],
      ['--subscription', 's'],
    ]) {
      const { code, err } = await cli.run('audit', 'verify', ...offline, ...online);
      assert.equal(code, 2);
      assert.match(err, /read files, and ask no server/);
    }
});

async function run(words: readonly string[], settings: Readonly<Record<string, string>>) {
  const home = openHome(cli.shell.environment);
  home.saveSession({ url, tenant: 't', kind: 'user', refreshToken: 'r', tokens: {} });
  home.saveSettings({ subscription, ...settings });
  asked = [];
  slept = 0;
  const ran = await cli.run(...words);
  const changed = asked
    .filter(({ method }) => method === 'PUT' || method === 'DELETE')
    .map((each) => new URL(each.url).pathname);
  const explained = asked.map((each) => new URL(each.url).pathname).find((path) => path.endsWith('/explanations'));
  return { ...ran, changed, explained };
}
const scopeIn = (path: string | undefined) =>
  path?.replace(/\/providers\/(Microsoft\.Authorization|Strongroom\.Access)\/.*$/, '');

test('a role is given, taken and explained where -g and -w say, given or remembered', async () => {
  const remembered = { 'resource-group': 'team', workspace: 'research' };
  const cases: readonly (readonly [readonly string[], Readonly<Record<string, string>>, string])[] = [
    [['-g', 'team', '-w', 'research'], {}, research],
    [['-g', 'team'], {}, group],
    [[], remembered, research],
    [[], { 'resource-group': 'team' }, group],
    [['-w', 'research'], { 'resource-group': 'team' }, research],
    // A group that is named stands for itself, not for the workspace that is remembered.
    [['-g', 'other'], remembered, `/subscriptions/${subscription}/resourceGroups/other`],
    [['--scope', `${group}/`], remembered, group],
    [['--scope', research, '-g', 'team', '-w', 'research'], {}, research],
    [['--subscription-wide'], remembered, `/subscriptions/${subscription}`],
  ];
  for (const [words, settings, scope] of cases) {
    const given = await run([...give, ...words], settings);
    assert.equal(given.code, 0, given.err);
    assert.deepEqual(given.changed.map(scopeIn), [scope], words.join(' '));
    assert.ok(given.out.includes(scope), 'and the place is printed in full');
    const places = [
      `/subscriptions/${subscription}`,
      group,
      research,
      `/subscriptions/${subscription}/resourceGroups/other`,
    ];
    assignments = places.map((place) => ({
      id: `${place}/providers/Microsoft.Authorization/roleAssignments/at`,
      properties: { roleDefinitionId: '/r/reader', principalId: 'p', scope: place },
    }));
    const taken = await run([...take, ...words], settings);
    assert.equal(taken.code, 0, taken.err);
    assert.deepEqual(taken.changed.map(scopeIn), [scope], `delete ${words.join(' ')}`);
    const explained = await run([...explain, ...words], settings);
    assert.equal(scopeIn(explained.explained), scope, `explain ${words.join(' ')}`);
  }
});

test('without a place no role is given or taken, and two places are one too many', async () => {
  for (const words of [give, take]) {
    const nowhere = await run(words, {});
    assert.equal(nowhere.code, 2);
    assert.match(nowhere.err, /Where\? Give --scope RESOURCE_ID, -g GROUP.*--subscription-wide/);
    assert.deepEqual(nowhere.changed, []);
  }
  for (const extra of [
    ['--scope', research, '-g', 'team'],
    ['--scope', group, '-g', 'team', '-w', 'research'],
    ['--scope', group, '--subscription', 'another'],
    ['--subscription-wide', '-g', 'team'],
    ['--subscription-wide', '--scope', group],
    ['-w', 'research'],
    ['-g', ''],
    ['--scope', ''],
    ['--scope', 'team'],
  ])
    for (const words of [give, take, explain, ['role', 'assignment', 'list']]) {
      const ran = await run([...words, ...extra], {});
      assert.equal(ran.code, 2, `${words.join(' ')} ${extra.join(' ')}`);
      assert.deepEqual(ran.changed, []);
      assert.equal(ran.explained, undefined);
    }
  const ids = [
    'role',
    'assignment',
    'delete',
    '--yes',
    '--ids',
    `${group}/providers/Microsoft.Authorization/roleAssignments/x`,
  ];
  assert.equal((await run([...ids, '-g', 'team'], {})).code, 2, 'an id says already where');
  assert.equal((await run(ids, { 'resource-group': 'other' })).code, 0, 'what is remembered does not contradict it');
});

test('a role that is not there is named with the nearest one, and with the command that lists them', async () => {
  const ran = await run(['role', 'assignment', 'create', ...who, '--role', 'Data Scientist', '-g', 'team'], {});
  assert.equal(ran.code, 5);
  assert.match(
    ran.err,
    /There is no role 'Data Scientist' at .*team\. Did you mean 'AzureML Data Scientist'\? 'strongroom role definition list'/,
  );
});
