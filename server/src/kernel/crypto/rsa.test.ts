// RSA against the platform's own implementation in both directions, and against forged input.

import assert from 'node:assert/strict';
import {
  constants,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
} from 'node:crypto';
import { test } from 'node:test';
import { sha256 } from './digest.ts';
import { randomBytes } from './random.ts';
import {
  generateRsaKey,
  importRsaParts,
  importRsaPkcs8,
  importRsaPublicParts,
  type RsaEncryption,
  type RsaPrivateParts,
  type RsaSignature,
} from './rsa.ts';

const SIGNATURES: readonly RsaSignature[] = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
const key = await generateRsaKey(2048);
const platformKey = createPrivateKey({ key: Buffer.from(key.exportPkcs8()), format: 'der', type: 'pkcs8' });
const platformPublic = createPublicKey(platformKey);
const message = Buffer.from('message');

function platformPadding(algorithm: RsaSignature) {
  if (algorithm.startsWith('RS')) return { padding: constants.RSA_PKCS1_PADDING };
  return { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
}

/** The parts of a key of this test, as a client that imports one would send them. */
function privateParts(): RsaPrivateParts {
  const { n = '', e = '', d = '', p = '', q = '', dp = '', dq = '', qi = '' } = platformKey.export({ format: 'jwk' });
  return { n, e, d, p, q, dp, dq, qi };
}

test('our signatures verify elsewhere, and theirs verify here', () => {
  for (const algorithm of SIGNATURES) {
    const hash = `sha${algorithm.slice(2)}`;
    const digest = createHash(hash).update(message).digest();
    const padding = platformPadding(algorithm);
    const ours = key.signDigest(algorithm, digest);
    assert.equal(verify(hash, message, { key: platformPublic, ...padding }, ours), true, algorithm);
    const theirs = sign(hash, message, { key: platformKey, ...padding });
    assert.equal(key.verifyDigest(algorithm, digest, theirs), true, algorithm);
  }
});

test('a signature is for one digest, one algorithm and one key', async () => {
  const digest = sha256(message);
  const other = await generateRsaKey(2048);
  for (const algorithm of ['RS256', 'PS256'] as const) {
    const signature = key.signDigest(algorithm, digest);
    assert.equal(key.verifyDigest(algorithm, sha256('massage'), signature), false);
    assert.equal(key.verifyDigest(algorithm === 'RS256' ? 'PS256' : 'RS256', digest, signature), false);
    assert.equal(other.verifyDigest(algorithm, digest, signature), false);
    for (const wrong of [new Uint8Array(), new Uint8Array(256), new Uint8Array(256).fill(255), signature.subarray(1)]) {
      assert.equal(key.verifyDigest(algorithm, digest, wrong), false);
    }
    for (let index = 0; index < signature.length; index += 5) {
      const changed = signature.map((byte, at) => (at === index ? byte ^ 1 : byte));
      assert.equal(key.verifyDigest(algorithm, digest, changed), false);
    }
  }
});

test('what is encrypted or wrapped comes back, under its own algorithm only', () => {
  const dataKey = randomBytes(32);
  const anybody = importRsaPublicParts(key.parts);
  for (const algorithm of ['RSA-OAEP', 'RSA-OAEP-256'] as const) {
    const ciphertext = anybody.encrypt(algorithm, dataKey);
    assert.deepEqual(key.decrypt(algorithm, ciphertext), dataKey);
    const wrong: RsaEncryption = algorithm === 'RSA-OAEP' ? 'RSA-OAEP-256' : 'RSA-OAEP';
    assert.throws(() => key.decrypt(wrong, ciphertext), { kind: 'integrity' });
    assert.throws(
      () =>
        key.decrypt(
          algorithm,
          ciphertext.map((byte) => byte ^ 1),
        ),
      { kind: 'integrity' },
    );
    assert.throws(() => key.decrypt(algorithm, new Uint8Array()), { kind: 'integrity' });
  }
  assert.equal(anybody.encrypt('RSA-OAEP', new Uint8Array(214)).length, 256);
  assert.throws(() => anybody.encrypt('RSA-OAEP', new Uint8Array(215)), { kind: 'invalid' });
  assert.throws(() => anybody.encrypt('RSA-OAEP-256', new Uint8Array(191)), { kind: 'invalid' });
});

test('algorithms that are not served are refused, those of the prototype included', () => {
  for (const algorithm of ['RSA1_5', 'none', 'toString', '__proto__']) {
    // A cast, because the type already refuses what a request may still hold.
    assert.throws(() => key.encrypt(algorithm as RsaEncryption, message), { kind: 'invalid' });
    assert.throws(() => key.decrypt(algorithm as RsaEncryption, message), { kind: 'invalid' });
    assert.throws(() => key.signDigest(algorithm as RsaSignature, sha256(message)), { kind: 'invalid' });
  }
  assert.throws(() => key.signDigest('RS256', message), { kind: 'invalid' });
  assert.throws(() => key.verifyDigest('PS512', sha256(message), message), { kind: 'invalid' });
});

test('a key survives export and import, and shows only its public parts', () => {
  const digest = sha256(message);
  assert.deepEqual(Object.keys(key.parts).sort(), ['e', 'n']);
  assert.equal(key.parts.e, 'AQAB');
  for (const again of [importRsaPkcs8(key.exportPkcs8()), importRsaParts(privateParts())]) {
    assert.deepEqual(again.parts, key.parts);
    assert.equal(key.verifyDigest('RS256', digest, again.signDigest('RS256', digest)), true);
  }
});

test('keys of other kinds, sizes, exponents or mismatched parts are refused', async () => {
  const refused = { name: 'Failure', kind: 'invalid' };
  const pkcs8 = (pair: { readonly privateKey: import('node:crypto').KeyObject }) =>
    pair.privateKey.export({ format: 'der', type: 'pkcs8' });
  assert.throws(() => importRsaPkcs8(Buffer.from('nonsense')), refused);
  assert.throws(() => importRsaPkcs8(pkcs8(generateKeyPairSync('ed25519'))), refused);
  assert.throws(() => importRsaPkcs8(pkcs8(generateKeyPairSync('rsa', { modulusLength: 1024 }))), refused);
  const cubed = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 });
  assert.throws(() => importRsaPkcs8(pkcs8(cubed)), refused);
  // A cast, because the type already refuses what a request may still hold.
  await assert.rejects(generateRsaKey(1024 as 2048), refused);
  const parts = privateParts();
  for (const part of ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const) {
    const other = part === 'd' ? parts.p : parts.d.slice(0, parts[part].length);
    assert.throws(() => importRsaParts({ ...parts, [part]: other }), refused, part);
  }
  assert.throws(() => importRsaParts({ ...parts, dp: parts.dq }), refused);
  assert.throws(() => importRsaParts({ ...parts, n: '' }), refused);
  assert.throws(() => importRsaPublicParts({ n: 'AQAB', e: 'AQAB' }), refused);
});

test('making a key lets other work run', async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await generateRsaKey(3072);
  clearInterval(timer);
  assert.ok(turns > 0);
});
