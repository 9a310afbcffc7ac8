// Signing in at a server that runs: with a secret, as a person with a code, and out again.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { confirmDevice } from './browser.fixture.ts';
import { openServed } from './served.fixture.ts';
import { createTestShell } from './testing.ts';

const { folder, cli, server } = await openServed();

test('signing in keeps the session where only its owner can read it, and remembers where', async () => {
  const home = join(cli.home, 'home');
  assert.equal(statSync(home).mode & 0o777, 0o700);
  for (const file of ['session.json', 'settings.json'])
    assert.equal(statSync(join(home, file)).mode & 0o777, 0o600, file);
  const settings = await cli.json('config', 'show');
  assert.equal(settings['url'], server.bootstrap.url);
  assert.equal(settings['subscription'], server.bootstrap.subscriptionId);
  const who = await cli.json('whoami');
  assert.equal(who['objectId'], server.bootstrap.application.objectId);
  assert.equal(who['type'], 'service principal');
});

test('a secret is taken from a file; on the command line it works with a warning, and a wrong one exits with 3', async () => {
  const other = createTestShell();
  const { url, caFile, application } = server.bootstrap;
  const base = ['login', '--url', url, '--ca-file', caFile, '--service-principal', '-u', application.clientId];
  const secret = join(folder, 'secret');
  writeFileSync(secret, `${application.clientSecret}\n`);
  assert.equal((await other.run(...base, '--password-file', secret)).code, 0);
  const onLine = await other.run(...base, '-p', application.clientSecret);
  assert.equal(onLine.code, 0);
  assert.match(onLine.err, /can be seen by others/);
  assert.ok(!(onLine.out + onLine.err).includes(application.clientSecret));
  const wrong = await other.run(...base, '-p', 'wrong');
  assert.equal(wrong.code, 3);
  assert.equal((await other.run(...base)).code, 2, 'nobody can type here');
  other.close();
});

test('a person signs in with a code in a browser, and stays signed in when the tokens have run out', async () => {
  const { url, caFile, administrator, subscriptionId } = server.bootstrap;
  let told = '';
  let page = '';
  const person = createTestShell({
    err: (text) => {
      told += text;
    },
    // While the command waits, the person acts.
    sleep: async () => {
      const [, address = '', userCode = ''] =
        /open the page (\S+) in a browser and enter the code (\S+)\./.exec(told) ?? [];
      if (page === '') page = await confirmDevice({ page: address, caFile, userCode, ...administrator });
    },
  });
  const signedIn = await person.json('login', '--url', url, '--ca-file', caFile);
  assert.match(page, /You are signed in/);
  assert.equal(signedIn['signedInAs'], administrator.userName);
  assert.equal(signedIn['subscription'], subscriptionId);

  const file = join(person.home, 'home', 'session.json');
  const session = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ ...session, tokens: {} }), { mode: 0o600 });
  assert.equal((await person.json('whoami'))['type'], 'user');
  const renewed = JSON.parse(readFileSync(file, 'utf8'));
  assert.notEqual(renewed.refreshToken, session.refreshToken, 'a refresh token is used once');
  const explained = await person.json(
    'access',
    'explain',
    '--assignee',
    administrator.userName,
    '--action',
    'Microsoft.Resources/subscriptions/resourceGroups/read',
  );
  assert.equal(explained['allowed'], true, 'and for the directory, a token of its own');
  person.close();
});

test('signing out leaves nothing that signs in', async () => {
  assert.equal((await cli.run('logout')).code, 0);
  assert.ok(!existsSync(join(cli.home, 'home', 'session.json')));
  const settings = readFileSync(join(cli.home, 'home', 'settings.json'), 'utf8');
  assert.ok(!settings.includes(server.bootstrap.application.clientSecret));
  assert.equal((await cli.run('group', 'list')).code, 3);
});
