// Guessing passwords: who is locked, for how long, and that the lock tells nothing about who exists.

import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { Failure } from '#kernel/errors/failure';
import { createAttempts } from './attempts.ts';
import { createPasswords, generatePassword } from './passwords.ts';
import { createSignIn } from './sign-in.service.ts';
import { openIdentityBench } from './testing.ts';

const bench = await openIdentityBench();
after(() => bench.close());
const { database, clock, boot } = bench;
const { userName } = boot.administrator;
const { password } = boot.credentials;
const passwords = createPasswords();
const open = async () => {
  const attempts = createAttempts({ database, clock });
  await attempts.load();
  return createSignIn({ database, passwords, attempts });
};
const failsWith = (code: string) => (error: unknown) => error instanceof Failure && error.code === code;
const wrong = failsWith('InvalidUserNameOrPassword');
const locked = failsWith('TooManyAttempts');

// Each test comes a day and more later: everything is forgotten.
beforeEach(() => clock.jump(2 * 86_400_000));

test('the right password signs in, whatever the case of the name', async () => {
  const signIn = await open();
  const { objectId } = await signIn.verify(userName.toUpperCase(), password, '10.0.0.1');
  assert.equal(objectId, boot.administrator.objectId);
});

test('five wrong passwords lock the name from everywhere, longer each time, and the right one then waits too', async () => {
  const signIn = await open();
  for (let guess = 0; guess < 5; guess++)
    await assert.rejects(signIn.verify(userName, `guess ${guess}`, `10.0.1.${guess}`), wrong);
  await assert.rejects(signIn.verify(userName, password, '10.0.2.1'), locked);
  clock.jump(31_000);
  await assert.rejects(signIn.verify(userName, 'guess', '10.0.2.2'), wrong);
  clock.jump(31_000);
  await assert.rejects(signIn.verify(userName, password, '10.0.2.3'), locked, 'the second lock lasts twice as long');
  clock.jump(30_000);
  await signIn.verify(userName, password, '10.0.2.4');
  await assert.rejects(signIn.verify(userName, 'guess', '10.0.2.5'), wrong, 'success forgives');
  await signIn.verify(userName, password, '10.0.2.6');
});

test('many guesses at once are no more than many in a row', async () => {
  const signIn = await open();
  const guesses = await Promise.allSettled(
    Array.from({ length: 30 }, (_, guess) => signIn.verify(userName, `guess ${guess}`, `10.0.8.${guess}`)),
  );
  const looked = guesses.filter((guess) => guess.status === 'rejected' && wrong(guess.reason));
  assert.equal(looked.length, 5);
  assert.ok(guesses.every((guess) => guess.status === 'rejected' && (wrong(guess.reason) || locked(guess.reason))));
  clock.jump(31_000);
  const again = await Promise.allSettled([
    signIn.verify(userName, 'guess', '10.0.9.1'),
    signIn.verify(userName, password, '10.0.9.2'),
  ]);
  assert.deepEqual(
    again.map((guess) => guess.status === 'rejected' && [wrong, locked].map((is) => is(guess.reason))),
    [
      [true, false],
      [false, true],
    ],
    'one at a time where the allowance is used up',
  );
  clock.jump(61_000);
  await Promise.all([1, 2].map(() => signIn.verify(userName, password, '10.0.9.3').catch(() => undefined)));
  await Promise.all([1, 2, 3, 4, 5].map((at) => signIn.verify(userName, password, `10.0.9.1${at}`)));
});

test('a name that nobody has is locked like one that somebody has', async () => {
  const signIn = await open();
  for (let guess = 0; guess < 5; guess++)
    await assert.rejects(signIn.verify('nobody@strongroom.local', 'guess', `10.0.3.${guess}`), wrong);
  await assert.rejects(signIn.verify('NOBODY@strongroom.local', 'guess', '10.0.3.9'), locked);
});

test('one address that tries many names is locked', async () => {
  const signIn = await open();
  for (let guess = 0; guess < 20; guess++)
    await assert.rejects(signIn.verify(`user${guess}@strongroom.local`, 'guess', '10.0.4.1'), wrong);
  await assert.rejects(signIn.verify(userName, password, '10.0.4.1'), locked);
  await signIn.verify(userName, password, '10.0.4.2');
});

test('a lock survives a restart, and guesses at the same time count each other', async () => {
  const signIn = await open();
  const guesses = Array.from({ length: 5 }, (_, at) => signIn.verify(userName, `guess ${at}`, `10.0.5.${at}`));
  for (const result of await Promise.allSettled(guesses)) assert.equal(result.status, 'rejected');
  await assert.rejects((await open()).verify(userName, password, '10.0.5.9'), locked);
});

test('no lock lasts longer than a quarter of an hour, and everything is forgotten after a day', async () => {
  const signIn = await open();
  for (let guess = 0; guess < 15; guess++) {
    await assert.rejects(signIn.verify(userName, 'guess', undefined), wrong);
    clock.jump(15 * 60_000 + 1000);
  }
  await signIn.verify(userName, password, undefined);
  await bench.identity.sweep();
});

test('a disabled user is refused like a wrong password', async () => {
  const { directory } = bench.identity;
  const { objectId } = boot.administrator;
  await database.write((tx) => directory.setEnabled(tx, objectId, false));
  await assert.rejects((await open()).verify(userName, password, undefined), wrong);
  await database.write((tx) => directory.setEnabled(tx, objectId, true));
});

test('generated passwords are long and differ; short and endless ones are refused', async () => {
  assert.match(generatePassword(), /^([A-Za-z0-9]{5}-){3}[A-Za-z0-9]{5}$/);
  assert.equal(new Set(Array.from({ length: 50 }, generatePassword)).size, 50);
  await assert.rejects(passwords.hash('short'), failsWith('InvalidPassword'));
  await assert.rejects(passwords.hash('x'.repeat(1025)), failsWith('InvalidPassword'));
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
