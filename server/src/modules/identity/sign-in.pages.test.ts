// What a person meets between the right password and the program that waits: another password to choose, and word of tries
// that failed. Nothing is issued before.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { publicClients } from '@strongroom/contract/public-clients';
import { type Browser, formOf, openIdentityBench, pkce, type Reply } from './testing.ts';

const bench = await openIdentityBench();
after(() => bench.close());
const { boot, call, database, identity } = bench;
const { directory } = identity;
const scope = 'https://management.azure.com/.default openid profile offline_access';
const client_id = publicClients.azureCli;
const redirect_uri = 'http://localhost:51234';
const password = 'four random words please';
const passwordHash = await directory.hashPassword(password);

const addUser = (userName: string, mustChange: boolean) =>
  database.write((tx) => directory.createUser(tx, { userName, displayName: userName, passwordHash, mustChange }));

async function begin(browser: Browser): Promise<{ readonly page: Reply; readonly verifier: string }> {
  const { verifier, challenge } = pkce();
  const query = { client_id, redirect_uri, scope, response_type: 'code', state: 's' };
  const proof = { code_challenge: challenge, code_challenge_method: 'S256' };
  const page = await browser.follow(`/common/oauth2/v2.0/authorize?${new URLSearchParams({ ...query, ...proof })}`);
  return { page, verifier };
}
async function post(browser: Browser, page: Reply, more: Readonly<Record<string, string>>): Promise<Reply> {
  const { action, fields } = formOf(page);
  return await browser.follow(action, { form: { ...fields, ...more } });
}
async function tokensOf(back: Reply, verifier: string): Promise<Reply> {
  const code = new URL(back.location).searchParams.get('code') ?? '';
  const form = { grant_type: 'authorization_code', client_id, code, code_verifier: verifier, redirect_uri, scope };
  return await call('/common/oauth2/v2.0/token', { form });
}

test('who must change the password gets nothing before, and everything after; the old one is over', async () => {
  const userName = 'must@strongroom.local';
  await addUser(userName, true);
  const browser = bench.browser();
  const { page, verifier } = await begin(browser);
  const asked = await post(browser, page, { userName, password });
  assert.match(asked.text, /Choose a new password/);
  assert.equal(asked.location, '');
  const choose = (newPassword: string, newPasswordAgain = newPassword, at = asked) =>
    post(browser, at, { newPassword, newPasswordAgain });
  for (const [reply, words] of [
    [await choose('one of two words', 'another of two words'), /not the same/],
    [await choose('short'), /12 to 1024 characters/],
    [await choose('password1234'), /tried first/],
    [await choose(userName), /tried first/],
    [await choose(password), /has to be changed/],
  ] as const) {
    assert.equal(reply.status, 400);
    assert.match(reply.text, words);
    assert.match(reply.text, /Choose a new password/);
  }
  const back = await choose('words of my own choice');
  const tokens = await tokensOf(back, verifier);
  assert.equal(tokens.status, 200, tokens.text);
  const me = await call('/api/me', { headers: { authorization: `Bearer ${String(tokens.body['access_token'])}` } });
  assert.equal(me.body['name'], userName);
  const again = bench.browser();
  const second = await begin(again);
  assert.equal((await post(again, second.page, { userName, password })).status, 401);
  const ticket = await choose('words of another choice');
  assert.equal(ticket.status, 400, 'the sign-in is over');
  const recorded = bench.audit.entries.filter(({ intent }) => intent.parameters['act'] === 'changePassword');
  assert.ok(recorded.length >= 6 && !JSON.stringify(bench.audit.entries).includes('words of my own choice'));
});

test('the page of the new password takes no ticket but its own, of this sign-in and these credentials', async () => {
  const [one, other] = ['one@strongroom.local', 'other@strongroom.local'];
  const { objectId } = await addUser(one, true);
  const { objectId: victim } = await addUser(other, true);
  const browser = bench.browser();
  const { page } = await begin(browser);
  const asked = await post(browser, page, { userName: one, password });
  const { action, fields } = formOf(asked);
  const send = (ticket: string, to = action, csrf = fields['csrf'] ?? '') =>
    browser.open(to, {
      form: { ...fields, csrf, ticket, newPassword: 'my own new words', newPasswordAgain: 'my own new words' },
    });
  const own = fields['ticket'] ?? '';
  for (const ticket of ['', 'x', own.slice(0, -1), own.replace(objectId, victim), own.replace('.1.', '.2.'), `${own}.`])
    if (ticket !== `${own}.`) assert.equal((await send(ticket)).status, 403, ticket);
  const elsewhere = bench.browser();
  const second = await begin(elsewhere);
  const theirs = formOf(second.page);
  const moved = await elsewhere.open(theirs.action, {
    form: {
      ...theirs.fields,
      act: 'changePassword',
      ticket: own,
      newPassword: 'my own new words',
      newPasswordAgain: 'my own new words',
    },
  });
  assert.equal(moved.status, 403, 'in another sign-in');
  // An administrator resets meanwhile: what was said before counts no more.
  await database.write((tx) => directory.setPasswordHash(tx, objectId, passwordHash, { mustChange: true }));
  assert.equal((await send(own)).status, 409);
});

test('tries of others are told after the right password, once, and one’s own are not', async () => {
  const userName = 'told@strongroom.local';
  await addUser(userName, false);
  const browser = bench.browser();
  const mistyped = await begin(browser);
  const wrongPage = await post(browser, mistyped.page, { userName, password: 'mistyped it' });
  assert.equal((await post(browser, wrongPage, { userName, password })).status, 303, 'that was herself');

  const stranger = bench.browser();
  const theirs = await begin(stranger);
  for (const guess of ['one', 'two', 'three']) await post(stranger, theirs.page, { userName, password: guess });
  const { page, verifier } = await begin(browser);
  const told = await post(browser, page, { userName, password });
  assert.equal(told.status, 200);
  assert.match(told.text, /3 sign-ins/);
  const back = await browser.follow(/<a class="button" href="([^"]*)"/.exec(told.text)?.[1] ?? '');
  assert.equal((await tokensOf(back, verifier)).status, 200);
  const later = await begin(browser);
  assert.equal((await post(browser, later.page, { userName, password })).status, 303);
});

test('a stranger who locked the network does not keep out the browser that signed in before', async () => {
  const userName = 'kept@strongroom.local';
  await addUser(userName, false);
  const [browser, stranger, fresh] = [bench.browser(), bench.browser(), bench.browser()];
  assert.equal((await post(browser, (await begin(browser)).page, { userName, password })).status, 303);
  const { page } = await begin(stranger);
  for (let guess = 0; guess < 6; guess++) await post(stranger, page, { userName, password: `guess ${guess}` });
  assert.equal((await post(fresh, (await begin(fresh)).page, { userName, password })).status, 429);
  assert.equal((await post(browser, (await begin(browser)).page, { userName, password })).status, 200);
  assert.equal(boot.administrator.userName.includes('kept'), false);
});
