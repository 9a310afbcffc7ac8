// Random, compare, digest: the small parts on which the others stand.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constantTimeEqual } from './compare.ts';
import { createHmacSha256, createMd5, createSha256, hmacSha256, md5Base64, sha256, sha256Hex } from './digest.ts';
import { MAX_RANDOM_BYTES, randomBytes, randomToken, randomUuid } from './random.ts';

test('random bytes have the asked length and differ between draws', () => {
  assert.equal(randomBytes(32).length, 32);
  assert.notDeepEqual(randomBytes(32), randomBytes(32));
});

test('random bytes refuse counts that are negative, broken or without bound', () => {
  for (const count of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, MAX_RANDOM_BYTES + 1]) {
    assert.throws(() => randomBytes(count), { name: 'Failure', kind: 'invalid' });
  }
});

test('tokens are base64url without padding, and refuse to be guessable', () => {
  assert.match(randomToken(), /^[A-Za-z0-9_-]{43}$/);
  assert.throws(() => randomToken(15), { kind: 'invalid' });
  assert.throws(() => randomToken(Number.NaN), { kind: 'invalid' });
});

test('uuids are version 4 and lower case', () => {
  assert.match(randomUuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('equal secrets are equal in either representation, and nothing else is', () => {
  assert.equal(constantTimeEqual('geheim', Buffer.from('geheim')), true);
  assert.equal(constantTimeEqual('', new Uint8Array()), true);
  for (const other of ['geheiM', 'gehei', 'geheim\0', '', 'x'.repeat(100_000)]) {
    assert.equal(constantTimeEqual('geheim', other), false);
  }
});

test('digests match their published vectors', () => {
  // FIPS 180-2 appendix B.1, RFC 1321 appendix A.5, RFC 4231 case 2.
  const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  assert.equal(sha256Hex('abc'), abc);
  assert.equal(Buffer.from(sha256(Buffer.from('abc'))).toString('hex'), abc);
  assert.equal(Buffer.from(md5Base64('abc'), 'base64').toString('hex'), '900150983cd24fb0d6963f7d28e17f72');
  assert.equal(
    Buffer.from(hmacSha256('Jefe', 'what do ya want for nothing?')).toString('hex'),
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  );
  const kept = createHmacSha256(Buffer.from('Jefe'));
  for (const input of ['what do ya want for nothing?', '', 'x'.repeat(1000)])
    assert.deepEqual(kept(input), hmacSha256('Jefe', input));
});

test('incremental digests equal those of the whole', () => {
  const sha = createSha256();
  const shaHex = createSha256();
  const md5 = createMd5();
  for (const piece of ['a', '', 'bc']) {
    sha.update(piece);
    shaHex.update(piece);
    md5.update(piece);
  }
  assert.deepEqual(sha.digest(), sha256('abc'));
  assert.equal(shaHex.hex(), sha256Hex('abc'));
  assert.equal(md5.base64(), md5Base64('abc'));
  assert.throws(() => shaHex.update('more'));
});
