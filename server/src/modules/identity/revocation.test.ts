// What was withdrawn is withdrawn: at once, whatever the clock says. In this file it stands still, so that everything happens in
// one and the same second; what is compared must not be a time.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { publicClients } from '@strongroom/contract/public-clients';
import fc from 'fast-check';
import { type Browser, formOf, openIdentityBench, pkce, type Reply, submitPassword } from './testing.ts';

const bench = await openIdentityBench();
after(() => bench.close());
const { boot, call, database, identity } = bench;
const { directory } = identity;
const tokenPath = `/${boot.tenantId}/oauth2/v2.0/token`;
const scope = 'https://management.azure.com/.default openid profile offline_access';
const client_id = publicClients.azureCli;
const redirect_uri = 'http://localhost:51234';
const password = 'four random words please';
const passwordHash = await directory.hashPassword(password);
let people = 0;

async function makePerson() {
  const userName = `person${people++}@strongroom.local`;
  const user = { userName, displayName: userName, passwordHash };
  const { objectId } = await database.write((tx) => directory.createUser(tx, user));
  const write = (act: (tx: Parameters<typeof directory.endSignIns>[0]) => Promise<void>) => database.write(act);
  return {
    userName,
    objectId,
    reset: () => write((tx) => directory.setPasswordHash(tx, objectId, passwordHash)),
    disable: () => write((tx) => directory.setEnabled(tx, objectId, false)),
    enable: () => write((tx) => directory.setEnabled(tx, objectId, true)),
    endSignIns: () => write((tx) => directory.endSignIns(tx, objectId)),
  };
}

const authorizeUrl = (challenge: string, changes: Readonly<Record<string, string>> = {}) =>
  `/organizations/oauth2/v2.0/authorize?${new URLSearchParams({
    ...{ client_id, response_type: 'code', redirect_uri, scope, state: 's' },
    ...{ code_challenge: challenge, code_challenge_method: 'S256' },
    ...changes,
  })}`;

type Code = { readonly code: string; readonly verifier: string };
async function codeOf(userName: string, browser = bench.browser()): Promise<Code> {
  const { verifier, challenge } = pkce();
  const back = await submitPassword(browser, await browser.follow(authorizeUrl(challenge)), userName, password);
  assert.equal(back.status, 303, back.text);
  return { code: new URL(back.location).searchParams.get('code') ?? '', verifier };
}
const redeem = ({ code, verifier }: Code) =>
  call(tokenPath, {
    form: { grant_type: 'authorization_code', client_id, code, code_verifier: verifier, redirect_uri, scope },
  });
const refresh = (refresh_token: unknown) =>
  call(tokenPath, {
    form: { grant_type: 'refresh_token', client_id, refresh_token: String(refresh_token), scope },
  });
const secretToken = (clientId: string, secret: string) =>
  call(tokenPath, {
    form: {
      ...{ grant_type: 'client_credentials', client_id: clientId, client_secret: secret },
      scope: 'https://management.azure.com/.default',
    },
  });
const use = async ({ body }: Reply) =>
  (await call('/api/me', { headers: { authorization: `Bearer ${String(body['access_token'])}` } })).status;

async function assertEnded(tokens: Reply): Promise<void> {
  assert.equal(await use(tokens), 401);
  const again = await refresh(tokens.body['refresh_token']);
  assert.deepEqual([again.status, again.body['error']], [400, 'invalid_grant']);
}

describe('within one second of', () => {
  test('a new password: a code that the old one got is worth nothing', async () => {
    const person = await makePerson();
    const code = await codeOf(person.userName);
    await person.reset();
    const reply = await redeem(code);
    assert.deepEqual([reply.status, reply.body['error']], [400, 'invalid_grant']);
  });

  test('a new password: so are access and refresh tokens, also those that were refreshed', async () => {
    const person = await makePerson();
    const tokens = await redeem(await codeOf(person.userName));
    const refreshed = await refresh(tokens.body['refresh_token']);
    assert.deepEqual([await use(tokens), await use(refreshed)], [200, 200]);
    await person.reset();
    assert.equal(await use(tokens), 401);
    await assertEnded(refreshed);
    assert.equal(await use(await redeem(await codeOf(person.userName))), 200, 'the new one signs in');
  });

  test('a new password: so is an old one that was found right just before, and had not come back yet', async () => {
    const person = await makePerson();
    const browser = bench.browser();
    const { action, fields } = formOf(await browser.follow(authorizeUrl(pkce().challenge)));
    const checked = await browser.open(action, { form: { ...fields, userName: person.userName, password } });
    assert.equal(checked.status, 303);
    await person.reset();
    const resumed = await browser.follow(checked.location);
    assert.match(resumed.text, /<h1>Sign in<\/h1>/, 'the page is shown again');
  });

  test('a new password: so is a device that was confirmed with the old one, and the session of a browser', async () => {
    const person = await makePerson();
    const begun = await call('/common/oauth2/v2.0/devicecode', { form: { client_id, scope } });
    const browser = bench.browser();
    await confirmDevice(browser, String(begun.body['user_code']), person.userName);
    await person.reset();
    const form = { grant_type: 'device_code', client_id, device_code: String(begun.body['device_code']) };
    const reply = await call(tokenPath, { form });
    assert.deepEqual([reply.status, reply.body['error']], [400, 'invalid_grant']);
    assert.match((await browser.follow(portalUrl())).text, /<h1>Sign in<\/h1>/);
  });

  test('disabling and enabling again: what was issued before stays worthless', async () => {
    const person = await makePerson();
    const tokens = await redeem(await codeOf(person.userName));
    await person.disable();
    assert.equal(await use(tokens), 401);
    await person.enable();
    await assertEnded(tokens);
    assert.equal(await use(await redeem(await codeOf(person.userName))), 200);
  });

  test('ending every sign-in', async () => {
    const person = await makePerson();
    const tokens = await redeem(await codeOf(person.userName));
    await person.endSignIns();
    await assertEnded(tokens);
  });
});

test('a token dies with the secret that asked for it, and the other secret’s lives', async () => {
  const { clientId } = await database.write((tx) => directory.createApplication(tx, { name: 'two secrets' }));
  const first = await database.write((tx) => directory.addSecret(tx, clientId, { lifetimeDays: 1 }));
  const second = await database.write((tx) => directory.addSecret(tx, clientId, { lifetimeDays: 1 }));
  const [one, other] = [await secretToken(clientId, first.secret), await secretToken(clientId, second.secret)];
  assert.deepEqual([await use(one), await use(other)], [200, 200]);
  assert.ok(await database.write((tx) => directory.removeSecret(tx, clientId, first.secretId)));
  assert.deepEqual([await use(one), await use(other)], [401, 200]);
});

test('a token does not outlive the last day of its secret', async () => {
  const { clientId } = await database.write((tx) => directory.createApplication(tx, { name: 'last day' }));
  const { secret } = await database.write((tx) => directory.addSecret(tx, clientId, { lifetimeDays: 1 }));
  bench.clock.jump(86_400_000 - 60_000);
  const token = await secretToken(clientId, secret);
  assert.equal(await use(token), 200);
  bench.clock.jump(60_000);
  assert.equal(await use(token), 401);
  bench.clock.jump(-86_400_000);
});

test('the replay of a code takes back the access token too, of this sign-in and of no other', async () => {
  const person = await makePerson();
  const other = await redeem(await codeOf(person.userName));
  const code = await codeOf(person.userName);
  const tokens = await redeem(code);
  assert.equal(await use(tokens), 200);
  assert.equal((await redeem(code)).status, 400);
  await assertEnded(tokens);
  assert.equal(await use(other), 200);
});

test('the replay of a refresh token takes back every access token of its sign-in', async () => {
  const person = await makePerson();
  const tokens = await redeem(await codeOf(person.userName));
  const refreshed = await refresh(tokens.body['refresh_token']);
  assert.equal((await refresh(tokens.body['refresh_token'])).status, 400);
  assert.deepEqual([await use(tokens), await use(refreshed)], [401, 401]);
});

test('signing out of a browser ends the tokens of its portal', async () => {
  const person = await makePerson();
  const browser = bench.browser();
  const { verifier, challenge } = pkce();
  const code = await portalCode(browser, await browser.follow(portalUrl(challenge)), person.userName);
  const form = {
    ...{ grant_type: 'authorization_code', client_id: publicClients.portal, code, code_verifier: verifier },
    ...{ redirect_uri: `${bench.origin}/portal/`, scope },
  };
  const tokens = await call(tokenPath, { form });
  assert.equal(await use(tokens), 200, tokens.text);
  const { action, fields } = formOf(await browser.follow(`/${boot.tenantId}/oauth2/v2.0/logout`));
  await browser.follow(action, { form: { ...fields, logout: 'yes' } });
  assert.equal(await use(tokens), 401);
});

test('another person signs in in the same browser, and the first one’s session is gone', async () => {
  const [first, second] = [await makePerson(), await makePerson()];
  const browser = bench.browser();
  const signInAs = async (userName: string) => {
    const page = await browser.follow(portalUrl(pkce().challenge, { prompt: 'login' }));
    assert.ok(await portalCode(browser, page, userName));
  };
  await signInAs(first.userName);
  await signInAs(second.userName);
  const tokens = await redeem(await codeOf(second.userName, browser));
  const reply = await call('/api/me', { headers: { authorization: `Bearer ${String(tokens.body['access_token'])}` } });
  assert.equal(reply.body['objectId'], second.objectId);
});

const portalUrl = (challenge = pkce().challenge, changes: Readonly<Record<string, string>> = {}) =>
  authorizeUrl(challenge, {
    client_id: publicClients.portal,
    redirect_uri: `${bench.origin}/portal/`,
    ...changes,
  });

/** The portal lives on the origin itself, so that following its redirect would lead past the code. */
async function portalCode(browser: Browser, page: Reply, userName: string): Promise<string> {
  const { action, fields } = formOf(page);
  const checked = await browser.open(action, { form: { ...fields, userName, password } });
  const back = await browser.open(checked.location);
  assert.ok(back.location.startsWith(`${bench.origin}/portal/?code=`), back.text);
  return new URL(back.location).searchParams.get('code') ?? '';
}

async function confirmDevice(browser: Browser, user_code: string, userName: string): Promise<void> {
  const first = formOf(await browser.follow('/common/login/device'));
  const second = formOf(await browser.follow(first.action, { form: { ...first.fields, user_code } }));
  const page = await browser.follow(second.action, { form: { ...second.fields, confirm: 'yes' } });
  const done = await submitPassword(browser, page, userName, password);
  assert.match(done.text, /You are signed in/);
}

// A model: what counts is what was issued under the present generation, by a secret and a sign-in that are still there.
type Held = { readonly tokens: Reply; readonly generation: number; readonly ground: string };
const act = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('signIn', 'begin', 'secretToken', 'addSecret') },
  { weight: 3, arbitrary: fc.constantFrom('refresh', 'redeem', 'replay', 'removeSecret') },
  { weight: 2, arbitrary: fc.constantFrom('reset', 'endSignIns', 'disable', 'enable') },
);

test('whatever is withdrawn in whatever order while the clock stands still, exactly what stands is accepted', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(act, fc.nat(7)), { minLength: 4, maxLength: 14 }), async (acts) => {
      const person = await makePerson();
      const { clientId, objectId } = await database.write((tx) => directory.createApplication(tx, { name: 'model' }));
      let [generation, isEnabled, grants] = [1, true, 0];
      const ended = new Set<string>();
      const held: Held[] = [];
      const hers: (Held & { isUsed?: boolean })[] = [];
      const codes: { code: Code; generation: number; ground: string; isUsed: boolean }[] = [];
      const secrets: { secretId: string; secret: string }[] = [];
      const stands = (one: { generation: number; ground: string }) =>
        isEnabled && one.generation === generation && !ended.has(one.ground);
      const keep = (tokens: Reply, ground: string) => {
        assert.equal(tokens.status, 200, tokens.text);
        const one = { tokens, generation, ground };
        held.push(one);
        return one;
      };
      for (const [what, which] of acts) {
        const code = codes[which % Math.max(codes.length, 1)];
        const secret = secrets[which % Math.max(secrets.length, 1)];
        const mine = hers[which % Math.max(hers.length, 1)];
        if (what === 'signIn' && isEnabled)
          hers.push(keep(await redeem(await codeOf(person.userName)), `grant ${grants++}`));
        if (what === 'begin' && isEnabled)
          codes.push({ code: await codeOf(person.userName), generation, ground: `grant ${grants++}`, isUsed: false });
        if ((what === 'redeem' || what === 'replay') && code !== undefined) {
          const reply = await redeem(code.code);
          if (stands(code) && !code.isUsed) hers.push(keep(reply, code.ground));
          else assert.equal(reply.status, 400);
          if (code.isUsed && stands(code)) ended.add(code.ground);
          code.isUsed = true;
        }
        if (what === 'refresh' && mine !== undefined) {
          const reply = await refresh(mine.tokens.body['refresh_token']);
          if (stands(mine) && !mine.isUsed) hers.push(keep(reply, mine.ground));
          else assert.equal(reply.status, 400);
          if (mine.isUsed && stands(mine)) ended.add(mine.ground);
          mine.isUsed = true;
        }
        if (what === 'addSecret') secrets.push(await database.write((tx) => directory.addSecret(tx, clientId)));
        if (what === 'secretToken' && secret !== undefined && isEnabled)
          keep(await secretToken(clientId, secret.secret), secret.secretId);
        if (what === 'removeSecret' && secret !== undefined) {
          await database.write((tx) => directory.removeSecret(tx, clientId, secret.secretId));
          ended.add(secret.secretId);
          secrets.splice(secrets.indexOf(secret), 1);
        }
        // The application is withdrawn together with the person, so that one generation describes both.
        if (what === 'reset') await person.reset();
        if (what === 'endSignIns') await person.endSignIns();
        if (what === 'reset' || what === 'endSignIns')
          await database.write((tx) => directory.endSignIns(tx, objectId)).then(() => generation++);
        if (what === 'disable') {
          await person.disable();
          await database.write((tx) => directory.setEnabled(tx, objectId, false));
          [generation, isEnabled] = [generation + 1, false];
        }
        if (what === 'enable') {
          await person.enable();
          await database.write((tx) => directory.setEnabled(tx, objectId, true));
          isEnabled = true;
        }
        for (const one of held) assert.equal(await use(one.tokens), stands(one) ? 200 : 401, `${what} ${one.ground}`);
      }
    }),
    { numRuns: 12 },
  );
});
