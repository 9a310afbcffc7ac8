// Guessing passwords: who is locked, for how long, whom that does not touch, and that the lock tells nothing about who exists.

import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { tables } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { silentTelemetry } from '#kernel/telemetry/telemetry';
import { recordTelemetry } from '#kernel/testing/telemetry';
import { createAttempts } from './attempts.service.ts';
import { createDevices } from './devices.service.ts';
import { identityMeters } from './meters.ts';
import { createPasswords, generatePassword } from './passwords.service.ts';
import { createSignIn } from './sign-in.service.ts';
import { openIdentityBench } from './testing.ts';

const bench = await openIdentityBench();
after(() => bench.close());
const { database, clock, boot, secretStore } = bench;
const { directory } = bench.identity;
const { userName } = boot.administrator;
const { password } = boot.credentials;
const passwords = createPasswords();
const open = () => {
  const attempts = createAttempts({ database, clock, telemetry: silentTelemetry });
  const signIn = createSignIn({ database, clock, passwords, attempts, directory });
  return (name: string, typed: string, address: string | undefined, device?: string) =>
    signIn.verify({ userName: name, password: typed, address, deviceOf: () => device });
};
const failsWith = (code: string) => (error: unknown) => error instanceof Failure && error.code === code;
const wrong = failsWith('InvalidUserNameOrPassword');
const locked = failsWith('TooManyAttempts');

// Each test comes two days later: everything is forgotten but how many tries the user has to be told of.
beforeEach(() => clock.jump(2 * 86_400_000));

test('the right password signs in, whatever the case of the name', async () => {
  const { objectId } = await open()(userName.toUpperCase(), password, '10.0.0.1');
  assert.equal(objectId, boot.administrator.objectId);
});

test('five wrong passwords lock the name where they came from, longer each time, and nobody else', async () => {
  const verify = open();
  for (let guess = 0; guess < 5; guess++) await assert.rejects(verify(userName, `guess ${guess}`, '10.0.1.1'), wrong);
  await assert.rejects(verify(userName, password, '10.0.1.1'), locked);
  await verify(userName, password, '10.0.2.1');
  clock.jump(31_000);
  await assert.rejects(verify(userName, 'guess', '10.0.1.1'), wrong);
  clock.jump(31_000);
  await assert.rejects(verify(userName, password, '10.0.1.1'), locked, 'the second lock lasts twice as long');
  clock.jump(30_000);
  await verify(userName, password, '10.0.1.1');
  await assert.rejects(verify(userName, 'guess', '10.0.1.1'), wrong, 'success forgives');
  await verify(userName, password, '10.0.1.1');
});

test('failures, lock-outs and tries that nobody looked at are counted, each once', async () => {
  const telemetry = recordTelemetry();
  const attempts = createAttempts({ database, clock, telemetry });
  const signIn = createSignIn({ database, clock, passwords, attempts, directory });
  const verify = (typed: string) => signIn.verify({ userName, password: typed, address: '10.0.3.1' });
  const failures = () => telemetry.read(identityMeters.failures);
  const lockOuts = () => telemetry.read(identityMeters.lockOuts);
  const refusals = () => telemetry.read(identityMeters.refusals);
  for (let guess = 0; guess < 4; guess++) await assert.rejects(verify('guess'), wrong);
  const none = await lockOuts();
  assert.deepEqual(new Set(Object.values(none)), new Set([0]), 'every one is told from the start');
  assert.deepEqual([(await failures())['password'], await refusals()], [4, { '': 0 }]);
  await assert.rejects(verify('guess'), wrong);
  assert.deepEqual(await lockOuts(), { ...none, nameHere: 1 });
  await assert.rejects(verify(password), locked);
  await assert.rejects(verify(password), locked);
  assert.deepEqual(await failures(), { password: 5, device_code: 0, client_secret: 0 });
  assert.deepEqual(await refusals(), { '': 2 });
  const guess = await attempts.begin([{ by: 'deviceCode', value: '10.0.3.1' }]);
  await guess.failed();
  guess.end();
  assert.deepEqual(await failures(), { password: 5, device_code: 1, client_secret: 0 });
});

test('a network of IPv6 is one, and a site is not as many as it has networks', async () => {
  const verify = open();
  for (let guess = 0; guess < 5; guess++)
    await assert.rejects(verify(userName, 'guess', `2001:db8:5:1::${guess + 1}`), wrong);
  await assert.rejects(verify(userName, password, '2001:db8:5:1::ffff'), locked);
  for (let guess = 0; guess < 5; guess++)
    await assert.rejects(verify(userName, 'guess', `2001:db8:5:${guess + 2}::1`), wrong);
  await assert.rejects(verify(userName, password, '2001:db8:5:ff::1'), locked, 'ten of one name from one site');
  await verify(userName, password, '2001:db8:6::1');
});

test('a stranger who never stops cannot lock a name for the rest of the world', async () => {
  const verify = open();
  // A whole day, a try at every end of a lock, from one place.
  for (let quarter = 0; quarter < 96; quarter++) {
    await verify(userName, 'guess', '10.0.7.1').catch((error) => assert.ok(wrong(error) || locked(error)));
    clock.jump(15 * 60_000 + 1000);
  }
  await assert.rejects(verify(userName, 'guess', '10.0.7.1'), wrong);
  await verify(userName, password, '10.0.7.2');
});

test('many networks at one name are slowed down together, and a device that signed in before is let through', async () => {
  const verify = open();
  for (let guess = 0; guess < 50; guess++)
    await assert.rejects(verify(userName, 'guess', `10.7.${guess}.1`), wrong, String(guess));
  await assert.rejects(verify(userName, password, '10.8.0.1'), locked);
  const { failedElsewhere } = await verify(userName, password, '10.8.0.1', 'a device of hers');
  assert.equal(failedElsewhere?.count, 50, 'and she is told');
});

test('a device has an allowance of its own: five guesses with a stolen one', async () => {
  const verify = open();
  for (let guess = 0; guess < 5; guess++)
    await assert.rejects(verify(userName, 'guess', `10.9.${guess}.1`, 'stolen'), wrong);
  await assert.rejects(verify(userName, password, '10.9.9.1', 'stolen'), locked);
  await verify(userName, password, '10.9.9.1', 'another');
  await verify(userName, password, '10.9.9.1');
});

test('many guesses at once are no more than many in a row', async () => {
  const verify = open();
  const guesses = await Promise.allSettled(
    Array.from({ length: 30 }, (_, guess) => verify(userName, `guess ${guess}`, '10.0.8.1')),
  );
  const looked = guesses.filter((guess) => guess.status === 'rejected' && wrong(guess.reason));
  assert.equal(looked.length, 5);
  assert.ok(guesses.every((guess) => guess.status === 'rejected' && (wrong(guess.reason) || locked(guess.reason))));
  clock.jump(31_000);
  const again = await Promise.allSettled([1, 2].map((guess) => verify(userName, `guess ${guess}`, '10.0.8.1')));
  assert.deepEqual(
    again.map((guess) => guess.status === 'rejected' && [wrong, locked].map((is) => is(guess.reason))).sort(),
    [
      [false, true],
      [true, false],
    ],
    'one at a time where the allowance is used up',
  );
});

test('a name that nobody has is locked like one that somebody has', async () => {
  const verify = open();
  for (let guess = 0; guess < 5; guess++)
    await assert.rejects(verify('nobody@strongroom.local', 'guess', '10.0.3.1'), wrong);
  await assert.rejects(verify('NOBODY@strongroom.local', 'guess', '10.0.3.1'), locked);
});

test('a network that fails with many names is locked, whether they exist or not; one name that fails often is one', async () => {
  for (const [at, exists] of [false, true].entries()) {
    const verify = open();
    const address = `10.0.4.${at}`;
    // One mistyped password, many times: who shares the network is not kept out by that.
    for (let time = 0; time < 5; time++) await assert.rejects(verify('clumsy@strongroom.local', 'x', address), wrong);
    for (let name = 0; name < 19; name++) {
      const typed = `user${name}-${at}@strongroom.local`;
      const passwordHash = exists ? await passwordOfAll : '';
      if (exists)
        await database.write((tx) => directory.createUser(tx, { userName: typed, displayName: 'u', passwordHash }));
      await assert.rejects(verify(typed, 'guess', address), wrong);
    }
    await assert.rejects(verify(userName, password, address), locked);
    await verify(userName, password, address, 'a device of hers');
    await verify(userName, password, `10.0.4.${at + 100}`);
  }
});
const passwordOfAll = passwords.hash('four random words please');

test('a lock survives a restart and any number of other names', async () => {
  const verify = open();
  for (let guess = 0; guess < 5; guess++) await assert.rejects(verify(userName, 'guess', '10.0.5.1'), wrong);
  const attempts = createAttempts({ database, clock, telemetry: silentTelemetry });
  // What pushed a lock out of memory: failures of other names from other networks, here without the hash of each.
  for (let at = 0; at < 300; at++) {
    const attempt = await attempts.begin([{ by: 'nameHere', value: `2001:db8:${at}::/64 name${at}` }]);
    await attempt.failed();
    attempt.end();
  }
  await attempts.sweep();
  await assert.rejects(verify(userName, password, '10.0.5.1'), locked);
  await assert.rejects(open()(userName, password, '10.0.5.1'), locked);
});

test('no lock lasts longer than a quarter of an hour, and everything is forgotten after a day', async () => {
  const verify = open();
  for (let guess = 0; guess < 15; guess++) {
    await assert.rejects(verify(userName, 'guess', undefined), wrong);
    clock.jump(15 * 60_000 + 1000);
  }
  await verify(userName, password, undefined);
  clock.jump(2 * 86_400_000);
  await bench.identity.sweep();
  const left = tables<{ sign_in_attempts: { key: string } }>(database.read).selectFrom('sign_in_attempts');
  assert.deepEqual(await left.select('key').execute(), []);
});

test('a disabled user is refused like a wrong password', async () => {
  const { objectId } = boot.administrator;
  await database.write((tx) => directory.setEnabled(tx, objectId, false));
  await assert.rejects(open()(userName, password, undefined), wrong);
  await database.write((tx) => directory.setEnabled(tx, objectId, true));
});

test('a device is known to its user, to no other, and not for ever', async () => {
  const devices = createDevices({ secretStore, clock });
  await devices.load();
  const cookie = (line: string | undefined) => String(line).split(';')[0] ?? '';
  const line = devices.remember(undefined, 'ada');
  assert.match(String(line), /^__Host-\S+; Path=\/; Max-Age=\d+; Secure; HttpOnly; SameSite=Lax$/);
  const first = cookie(line);
  assert.ok(devices.find(`other=1; ${first}`, 'ada'));
  assert.equal(devices.find(first, 'eve'), undefined);
  assert.equal(devices.remember(first, 'ada'), undefined, 'it is known already');
  const both = cookie(devices.remember(first, 'eve'));
  assert.ok(devices.find(both, 'ada') && devices.find(both, 'eve'));
  const later = createDevices({ secretStore, clock });
  await later.load();
  assert.equal(later.find(first, 'ada'), devices.find(first, 'ada'), 'after a restart too');
  const [name, value = ''] = first.split('=');
  const [id, day, mac = ''] = value.split('.');
  for (const forged of [
    `${id}x.${day}.${mac}`,
    `${id}.${Number(day) + 1}.${mac}`,
    `${id}.${day}.${mac.slice(0, -1)}${mac.endsWith('A') ? 'B' : 'A'}`,
    `${id}.${day}.`,
    '',
    '~~~~',
    'x'.repeat(5000),
  ])
    assert.equal(devices.find(`${name}=${forged}`, 'ada'), undefined, forged.slice(0, 80));
  let many = first;
  for (let user = 0; user < 10; user++) many = cookie(devices.remember(many, `user ${user}`));
  assert.ok(many.length < 600, 'a shared browser keeps a few');
  clock.jump(401 * 86_400_000);
  assert.equal(devices.find(first, 'ada'), undefined);
});

test('generated passwords are long and differ; short, endless and common ones are refused', async () => {
  assert.match(generatePassword(), /^([A-Za-z0-9]{5}-){3}[A-Za-z0-9]{5}$/);
  assert.equal(new Set(Array.from({ length: 50 }, generatePassword)).size, 50);
  await passwords.hash(generatePassword());
  const names = ['ada.lovelace@strongroom.local', 'Ada Lovelace'];
  for (const weak of [
    'short',
    'x'.repeat(1025),
    'password1234',
    'P@ssw0rd12345',
    'Password1234!',
    'qwertyuiop12',
    '123456789012',
    'letmeinletmein',
    'administrator',
    'ada.lovelace@strongroom.local',
    'AdaLovelace1',
    'lovelace2026',
    'strongroom12',
  ])
    await assert.rejects(passwords.hash(weak, names), failsWith('InvalidPassword'), weak.slice(0, 40));
  for (const good of ['four random words please', 'correct horse battery', `${'x'.repeat(50)} and then words`])
    assert.match(await passwords.hash(good, names), /^\$argon2id\$/);
  assert.equal(await passwords.verify('not a hash', 'anything at all'), false);
  assert.equal(await passwords.verify(undefined, 'anything at all'), false);
});

test('a flood of sign-ins is queued, and then refused', async () => {
  const expected = await passwords.hash('a long enough password');
  const results = await Promise.allSettled(Array.from({ length: 80 }, () => passwords.verify(expected, 'wrong')));
  const refusals = results.filter((result) => result.status === 'rejected');
  assert.equal(refusals.length, 80 - 4 - 64);
  assert.ok(refusals.every((result) => failsWith('TooManySignIns')(result.reason)));
});
