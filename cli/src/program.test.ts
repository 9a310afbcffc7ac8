// Every command explains itself, and mistakes end with the number that scripts rely on.

import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ServiceError } from '@strongroom/contract/client';
import type { Command } from 'commander';
import { describeFailure, exitCodeOf } from './exit.ts';
import { openHome } from './home.ts';
import { cell, json, sheet, table } from './output.ts';
import { createProgram, everyCommand } from './program.ts';
import { createSessions } from './session.ts';
import { createTestShell } from './testing.ts';

const wordsOf = (command: Command): readonly string[] =>
  command.parent === null ? [] : [...wordsOf(command.parent), command.name()];

test('every command has help, and every command that does something has an example of itself', async () => {
  const cli = createTestShell();
  const commands = everyCommand(await createProgram(cli.shell));
  assert.ok(commands.length > 60);
  for (const command of commands) {
    const words = wordsOf(command);
    const { code, out } = await cli.run(...words, '--help');
    assert.equal(code, 0, words.join(' '));
    assert.ok(command.description().length > 3, words.join(' '));
    if (command.commands.length === 0)
      assert.ok(out.includes(`\n  strongroom ${words.join(' ')}`), `${words.join(' ')} has no example`);
  }
  cli.close();
});

test('wrong words, wrong options and missing names exit with 2, and nobody signed in with 3', async () => {
  const cli = createTestShell();
  assert.equal((await cli.run('jub')).code, 2);
  assert.equal((await cli.run('job', 'list', '--colour')).code, 2);
  assert.equal((await cli.run('job', 'list', '--output', 'xml')).code, 2);
  assert.equal((await cli.run('group', 'show')).code, 3, 'first of all, sign in');
  assert.equal((await cli.run('job', 'list', '-w', 'w', '-g', 'g')).code, 3);
  assert.equal((await cli.run('group', 'list', '--url', 'nonsense')).code, 2);
  assert.equal((await cli.run('config', 'set', 'colour', 'blue')).code, 2);
  assert.equal((await cli.run('config', 'set', 'output', 'xml')).code, 2);
  const missing = await cli.run('group', 'list', '--subscription', 's', '--ca-file', '/absent.pem');
  assert.equal(missing.code, 3);
  cli.close();
});

test('each kind of refusal has its number and says code and request', () => {
  const error = (status: number) =>
    new ServiceError({ status, code: 'C', message: 'M', requestId: 'r', details: ['why'] });
  assert.deepEqual(
    [400, 401, 403, 404, 409, 412, 429, 500].map((status) => exitCodeOf(error(status))),
    [1, 3, 4, 5, 6, 6, 1, 1],
  );
  assert.equal(describeFailure(error(404), false), 'error: M\n  - why\n  code C, status 404, request r');
  assert.equal(exitCodeOf(new Error('x')), 1);
});

test('defaults are remembered, shown and forgotten', async () => {
  const cli = createTestShell();
  assert.equal((await cli.run('config', 'set', 'workspace', 'lab')).code, 0);
  assert.equal((await cli.run('config', 'set', 'output', 'json')).code, 0);
  assert.deepEqual(JSON.parse((await cli.run('config', 'show')).out), { workspace: 'lab', output: 'json' });
  assert.equal((await cli.run('config', 'unset', 'workspace')).code, 0);
  assert.deepEqual(JSON.parse((await cli.run('config', 'show')).out), { output: 'json' });
  cli.close();
});

test('text from the service cannot repaint a terminal', () => {
  assert.equal(cell('a\u001b[2Jb\u202e\nc'), 'a\ufffd[2Jb\ufffd c');
  assert.equal(table([{ name: 'x'.repeat(200) }], { name: (row) => row['name'] }).split('\n')[1]?.length, 80);
  assert.equal(sheet({ a: { b: 1 }, c: [1], d: null, e: {} }), 'a.b  1\nc    [1]\n');
});

const answering = (...bodies: readonly (readonly [number, unknown])[]) => {
  const forms: string[] = [];
  const transport = async (request: { readonly body?: unknown }) => {
    forms.push(String(request.body));
    const [status, body] = bodies[forms.length - 1] ?? [500, {}];
    return { status, header: () => undefined, body: (async function* () {})(), text: async () => JSON.stringify(body) };
  };
  return { forms, transport };
};
const url = 'https://localhost:8443';

test('an expired token is renewed silently, once for all who wait, and the new refresh token is kept', async () => {
  const cli = createTestShell();
  const home = openHome(cli.shell.environment);
  const { forms, transport } = answering([200, { access_token: 'new', refresh_token: 'second', expires_in: 3600 }]);
  const sessions = createSessions({ home, transport, shell: cli.shell });
  home.saveSession({
    url,
    tenant: 't',
    kind: 'user',
    refreshToken: 'first',
    tokens: { [url]: { accessToken: 'old', expiresAt: Date.now() + 30_000 } },
  });
  assert.deepEqual(await Promise.all([sessions.token(url, url), sessions.token(url, url), sessions.token(url, url)]), [
    'new',
    'new',
    'new',
  ]);
  assert.equal(forms.length, 1);
  assert.match(forms[0] ?? '', /grant_type=refresh_token.*refresh_token=first/);
  assert.equal(home.session()?.refreshToken, 'second');
  assert.equal(statSync(join(home.folder, 'session.json')).mode & 0o777, 0o600);
  cli.close();
});

test('a token goes to no other server than the one that issued it', async () => {
  const cli = createTestShell();
  const home = openHome(cli.shell.environment);
  const sessions = createSessions({ home, transport: answering().transport, shell: cli.shell });
  home.saveSession({
    url,
    tenant: 't',
    kind: 'user',
    tokens: { [url]: { accessToken: 'mine', expiresAt: Date.now() + 3_600_000 } },
  });
  await assert.rejects(sessions.token('https://other.example', url), /signed in at https:\/\/localhost:8443/);
  cli.close();
});

test('a sign-in that was withdrawn is said to have ended', async () => {
  const cli = createTestShell();
  const home = openHome(cli.shell.environment);
  const sessions = createSessions({
    home,
    transport: answering([400, { error: 'invalid_grant', error_description: 'Revoked.' }]).transport,
    shell: cli.shell,
  });
  home.saveSession({ url, tenant: 't', kind: 'user', refreshToken: 'first', tokens: {} });
  await assert.rejects(sessions.token(url, url), /Your sign-in has ended \(Revoked\.\)/);
  cli.close();
});

test('a session that others can read is refused, and signing out removes it', async () => {
  const cli = createTestShell();
  const home = openHome(cli.shell.environment);
  home.saveSession({ url, tenant: 't', kind: 'user', tokens: {} });
  chmodSync(join(home.folder, 'session.json'), 0o644);
  const refused = await cli.run('whoami', '--url', url);
  assert.equal(refused.code, 2);
  assert.match(refused.err, /can be read by others \(mode 644\)/);
  assert.equal((await cli.run('logout')).code, 0);
  assert.equal(home.session(), undefined);
  cli.close();
});

test('a damaged file of ours is named, with what to do', async () => {
  const cli = createTestShell();
  const home = openHome(cli.shell.environment);
  mkdirSync(home.folder, { recursive: true });
  writeFileSync(join(home.folder, 'settings.json'), '{');
  const ran = await cli.run('config', 'show');
  assert.equal(ran.code, 2);
  assert.match(ran.err, /settings\.json cannot be read/);
  cli.close();
});

test('a device sign-in tells what to do, waits as it is told to, and keeps the session', async () => {
  const waits: number[] = [];
  const cli = createTestShell({ sleep: async (milliseconds) => void waits.push(milliseconds) });
  const home = openHome(cli.shell.environment);
  const { transport } = answering(
    [
      200,
      {
        device_code: 'd',
        user_code: 'ABCD',
        verification_uri: `${url}/t/login/device`,
        expires_in: 900,
        interval: 5,
        message: 'Open the page and enter ABCD.',
      },
    ],
    [400, { error: 'authorization_pending' }],
    [400, { error: 'slow_down' }],
    [200, { access_token: 'a', refresh_token: 'r', expires_in: 3600 }],
  );
  const shown: string[] = [];
  await createSessions({ home, transport, shell: cli.shell }).signInWithDevice({
    url,
    tenant: 't',
    show: (message) => shown.push(message),
  });
  assert.deepEqual(shown, ['Open the page and enter ABCD.']);
  assert.deepEqual(waits, [5000, 5000, 10_000]);
  assert.match(readFileSync(join(home.folder, 'session.json'), 'utf8'), /"refreshToken": "r"/);
  cli.close();
});

test('a resource is shown to a person without what says nothing, and to a program whole', () => {
  const made = { createdAt: '2026-01-01T00:00:00Z', createdBy: 'ann' };
  const resource = {
    id: '/x/y',
    tags: {},
    etag: '"1"',
    systemData: { ...made, lastModifiedAt: '2026-01-02T00:00:00Z', lastModifiedBy: 'bob' },
    properties: { id: 'inner', state: 'Succeeded', description: null, list: [1, { a: 2 }] },
  };
  assert.equal(
    sheet(resource),
    [
      'id             /x/y',
      'properties.id  inner',
      'state          Succeeded',
      'list           [1,{"a":2}]',
      'created        2026-01-01T00:00:00Z by ann',
      'changed        2026-01-02T00:00:00Z by bob',
      '',
    ].join('\n'),
  );
  assert.deepEqual(JSON.parse(json(resource)), resource);
});
