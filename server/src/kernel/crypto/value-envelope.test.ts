// Sealed values and wrapped keys under attack by somebody who can write the database.

import assert from 'node:assert/strict';
import { createDecipheriv } from 'node:crypto';
import { test } from 'node:test';
import { unwrapKey, wrapKey } from './key-wrap.ts';
import { randomBytes, randomUuid } from './random.ts';
import {
  type DataKey,
  ENVELOPE_OVERHEAD_BYTES,
  MAX_ENVELOPE_PLAINTEXT_BYTES,
  openValue,
  type Place,
  sealValue,
} from './value-envelope.ts';

const key: DataKey = { id: randomUuid(), bytes: randomBytes(32) };
const byId = (id: string) => (id === key.id ? key : undefined);
const place: Place = { table: 'secret_versions', row: 'r1', column: 'value', version: 3 };
const secret = Buffer.from('correct horse');
const broken = { name: 'Failure', kind: 'integrity', code: 'IntegrityCheckFailed' };

test('a value opens in its place, and the empty value too', () => {
  assert.deepEqual(Buffer.from(openValue(byId, place, sealValue(key, place, secret))), secret);
  assert.equal(openValue(byId, place, sealValue(key, place, new Uint8Array())).length, 0);
});

test('an envelope adds 45 bytes and never repeats', () => {
  const one = sealValue(key, place, secret);
  assert.equal(one.length, secret.length + ENVELOPE_OVERHEAD_BYTES);
  assert.notDeepEqual(one, sealValue(key, place, secret));
});

test('the documented layout suffices to open an envelope without this code', () => {
  const envelope = Buffer.from(sealValue(key, place, secret));
  const parts = ['strongroom/value/1', place.table, place.row, place.column, '3'].map((part) => Buffer.from(part));
  const count = (value: number) => Buffer.from([0, 0, 0, value]);
  const associated = Buffer.concat([count(parts.length), ...parts.flatMap((part) => [count(part.length), part])]);
  const decipher = createDecipheriv('aes-256-gcm', key.bytes, envelope.subarray(17, 29));
  decipher.setAAD(Buffer.concat([envelope.subarray(0, 17), associated]));
  decipher.setAuthTag(envelope.subarray(-16));
  assert.deepEqual(Buffer.concat([decipher.update(envelope.subarray(29, -16)), decipher.final()]), secret);
});

test('a value moved to any other place does not open', () => {
  const envelope = sealValue(key, place, secret);
  const elsewhere: Place[] = [
    { ...place, table: 'secrets' },
    { ...place, row: 'r2' },
    { ...place, column: 'other' },
    { ...place, version: 2 },
    { ...place, table: 'secret_versionsr', row: '1' },
    { ...place, row: 'value', column: 'r1' },
  ];
  for (const other of elsewhere) assert.throws(() => openValue(byId, other, envelope), broken);
});

test('no single flipped bit and no truncation opens', () => {
  const envelope = sealValue(key, place, secret);
  for (let bit = 0; bit < envelope.length * 8; bit++) {
    const changed = Uint8Array.from(envelope);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.throws(() => openValue(() => key, place, changed), broken);
  }
  for (let length = 0; length < envelope.length; length++) {
    assert.throws(() => openValue(() => key, place, envelope.subarray(0, length)), broken);
  }
  assert.throws(() => openValue(byId, place, Buffer.concat([envelope, Uint8Array.of(0)])), broken);
});

test('an unknown key, a wrong key and a relabelled key id do not open, all in the same words', () => {
  const envelope = sealValue(key, place, secret);
  const impostor: DataKey = { id: key.id, bytes: randomBytes(32) };
  const twin: DataKey = { id: randomUuid(), bytes: key.bytes };
  const relabelled = Buffer.from(envelope);
  relabelled.write(twin.id.replaceAll('-', ''), 1, 'hex');
  const messages = new Set<string>();
  for (const attempt of [
    () => openValue(() => undefined, place, envelope),
    () => openValue(() => impostor, place, envelope),
    () => openValue(() => twin, place, relabelled),
  ]) {
    assert.throws(attempt, (error: Error) => {
      messages.add(error.message);
      return true;
    });
  }
  assert.equal(messages.size, 1);
});

test('malformed keys, places and sizes are refused before anything is sealed', () => {
  const refused = { name: 'Failure', kind: 'invalid' };
  assert.throws(() => sealValue({ ...key, bytes: randomBytes(16) }, place, secret), refused);
  assert.throws(() => sealValue({ ...key, id: 'k1' }, place, secret), refused);
  assert.throws(() => sealValue({ ...key, id: `${key.id}0` }, place, secret), refused);
  for (const version of [-1, 0.5, Number.NaN, 2 ** 53]) {
    assert.throws(() => sealValue(key, { ...place, version }, secret), refused);
  }
  // Two different lone surrogates would have the same UTF-8, and so the same place.
  assert.throws(() => sealValue(key, { ...place, row: '\ud800' }, secret), refused);
  assert.throws(() => sealValue(key, place, new Uint8Array(MAX_ENVELOPE_PLAINTEXT_BYTES + 1)), refused);
});

test('a wrapped key unwraps for its purpose only', () => {
  const dataKey = randomBytes(32);
  const wrapped = wrapKey(key, ['workspace', 'w1', 'run database'], dataKey);
  assert.deepEqual(unwrapKey(byId, ['workspace', 'w1', 'run database'], wrapped), dataKey);
  for (const purpose of [
    ['workspace', 'w2', 'run database'],
    ['workspacew1', 'run database'],
    ['workspace', 'w1'],
  ]) {
    assert.throws(() => unwrapKey(byId, purpose, wrapped), broken);
  }
  assert.throws(() => wrapKey(key, [], dataKey), { kind: 'invalid' });
  assert.throws(() => wrapKey(key, ['p'], randomBytes(31)), { kind: 'invalid' });
});

test('no flipped bit of a wrapped key unwraps, and a sealed value never unwraps as a key', () => {
  const wrapped = wrapKey(key, ['p'], randomBytes(32));
  for (let index = 0; index < wrapped.length; index++) {
    const changed = Uint8Array.from(wrapped);
    changed[index] = (changed[index] ?? 0) ^ 0x80;
    assert.throws(() => unwrapKey(() => key, ['p'], changed), broken);
  }
  const value = sealValue(key, place, randomBytes(32));
  assert.throws(() => unwrapKey(byId, [place.table, place.row, place.column, '3'], value), broken);
});
