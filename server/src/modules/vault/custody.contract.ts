// The port as tests. Each custody runs them over rows of its own kind; what one of them cannot keep is not in the port. A key
// that is left in a custody when everything that refers to it is gone is a failure.

import assert from 'node:assert/strict';
import { constants, createHash, createPublicKey, publicEncrypt, verify } from 'node:crypto';
import { test } from 'node:test';
import type { RsaEncryption, RsaSignature } from '#kernel/crypto/rsa';
import { Failure } from '#kernel/errors/failure';
import type { FreshKey, KeyCustody, KeyRef, PublicHalf } from './custody.types.ts';
import {
  vectorCiphertexts,
  vectorKey,
  vectorMessage,
  vectorPlaintext,
  vectorSignatures,
} from './custody-vectors.fixture.ts';

export type CustodyUnderTest = {
  readonly custody: KeyCustody;
  /** Two vaults, by uniqueId. */
  readonly vaults: readonly [string, string];
  /** Writes the row of a new version of a key, as the vault does, and answers where it is. */
  keep(vault: string, name: string, key: FreshKey): Promise<KeyRef>;
  /** The same, and the write fails when the key was bound already. */
  keepInVain(vault: string, name: string, key: FreshKey): Promise<void>;
  /** What the row keeps for the custody. */
  kept(ref: KeyRef): Promise<Uint8Array | undefined>;
  /** How many keys there are, in rows or in the custody. */
  held(): Promise<number>;
  close(): Promise<void>;
};

const code = (expected: string) => (thrown: unknown) => thrown instanceof Failure && thrown.code === expected;
const hashOf = { 256: 'sha256', 384: 'sha384', 512: 'sha512' } as const;
const signatures: readonly RsaSignature[] = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
const message = Buffer.from('message');
const dataKey = Buffer.alloc(32, 9);
const bytes = (text: string) => Buffer.from(text, 'base64url');

const sizeOf = (algorithm: RsaSignature) => Number(algorithm.slice(2)) as keyof typeof hashOf;
const digestOf = (algorithm: RsaSignature, text: Uint8Array | string) =>
  createHash(hashOf[sizeOf(algorithm)]).update(text).digest();
const publicOf = ({ n, e }: PublicHalf) => createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' });

/** By the platform, not by us. */
function verifies(half: PublicHalf, algorithm: RsaSignature, text: Uint8Array, signature: Uint8Array): boolean {
  const padding = algorithm.startsWith('RS')
    ? { padding: constants.RSA_PKCS1_PADDING }
    : { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  return verify(hashOf[sizeOf(algorithm)], text, { key: publicOf(half), ...padding }, signature);
}
const encrypted = (half: PublicHalf, algorithm: RsaEncryption, plaintext: Uint8Array) =>
  publicEncrypt(
    {
      key: publicOf(half),
      padding: constants.RSA_PKCS1_OAEP_PADDING,
      oaepHash: algorithm === 'RSA-OAEP' ? 'sha1' : 'sha256',
    },
    plaintext,
  );

/** Everything that a key does, which it refuses once it is gone. */
const uses = (custody: KeyCustody, ref: KeyRef, half: PublicHalf) => ({
  sign: () => custody.sign(ref, 'PS256', digestOf('PS256', message)),
  decrypt: () => custody.decrypt(ref, 'RSA-OAEP', encrypted(half, 'RSA-OAEP', dataKey)),
  unwrap: () => custody.unwrap(ref, 'RSA-OAEP-256', encrypted(half, 'RSA-OAEP-256', dataKey)),
});

async function assertGone(custody: KeyCustody, ref: KeyRef, half: PublicHalf): Promise<void> {
  for (const [name, use] of Object.entries(uses(custody, ref, half)))
    await assert.rejects(use(), code('KeyNotFound'), name);
}

async function assertWorks(custody: KeyCustody, ref: KeyRef, half: PublicHalf): Promise<void> {
  const { sign, decrypt, unwrap } = uses(custody, ref, half);
  assert.ok(verifies(half, 'PS256', message, await sign()));
  for (const open of [decrypt, unwrap]) assert.deepEqual(Buffer.from(await open()), dataKey);
}

/** @param make opens a custody and two vaults for one test */
export function custodyContract(what: string, make: () => Promise<CustodyUnderTest>): void {
  const contract = (says: string, act: (world: CustodyUnderTest) => Promise<void>) =>
    test(`custody in ${what}: ${says}`, async () => {
      const world = await make();
      try {
        await act(world);
        for (const vault of world.vaults) await world.custody.destroyAll(vault);
        assert.equal(await world.held(), 0, 'keys are left');
      } finally {
        await world.close();
      }
    });

  contract('what it signs, others verify, with each algorithm', async ({ custody, vaults: [vault], keep }) => {
    const fresh = await custody.create(vault, 2048);
    const ref = await keep(vault, 'signer', fresh);
    for (const algorithm of signatures) {
      const signature = await custody.sign(ref, algorithm, digestOf(algorithm, message));
      assert.ok(verifies(fresh.publicHalf, algorithm, message, signature), algorithm);
      assert.ok(!verifies(fresh.publicHalf, algorithm, Buffer.from('massage'), signature), algorithm);
    }
  });

  contract('what others encrypted or wrapped, it opens', async ({ custody, vaults: [vault], keep }) => {
    const fresh = await custody.create(vault, 2048);
    const ref = await keep(vault, 'opener', fresh);
    for (const algorithm of ['RSA-OAEP', 'RSA-OAEP-256'] as const) {
      const sent = encrypted(fresh.publicHalf, algorithm, dataKey);
      assert.deepEqual(Buffer.from(await custody.decrypt(ref, algorithm, sent)), dataKey);
      assert.deepEqual(Buffer.from(await custody.unwrap(ref, algorithm, sent)), dataKey);
      assert.deepEqual(
        Buffer.from(await custody.decrypt(ref, algorithm, encrypted(fresh.publicHalf, algorithm, Buffer.alloc(0)))),
        Buffer.alloc(0),
      );
    }
  });

  contract('a key that is imported answers as it did where it was made', async ({ custody, vaults: [vault], keep }) => {
    const fresh = await custody.import(vault, vectorKey);
    assert.deepEqual(fresh.publicHalf, { bits: 2048, n: vectorKey.n, e: vectorKey.e });
    const ref = await keep(vault, 'imported', fresh);
    for (const algorithm of ['RS256', 'RS384', 'RS512'] as const) {
      const signature = await custody.sign(ref, algorithm, digestOf(algorithm, vectorMessage));
      assert.equal(Buffer.from(signature).toString('base64url'), vectorSignatures[algorithm], algorithm);
    }
    for (const algorithm of ['RSA-OAEP', 'RSA-OAEP-256'] as const)
      for (const open of [custody.decrypt, custody.unwrap]) {
        const opened = await open(ref, algorithm, bytes(vectorCiphertexts[algorithm]));
        assert.equal(Buffer.from(opened).toString('base64url'), vectorPlaintext, algorithm);
      }
  });

  contract(
    'parts that do not belong together are refused, and leave nothing',
    async ({ custody, vaults: [vault], held }) => {
      const flipped = bytes(vectorKey.dp);
      flipped[5] = 1 ^ (flipped[5] ?? 0);
      for (const wrong of [
        { ...vectorKey, dp: flipped.toString('base64url') },
        { ...vectorKey, p: vectorKey.q },
        { ...vectorKey, e: 'Aw' },
        { ...vectorKey, n: 'AQAB' },
        { ...vectorKey, d: 'no base64url at all' },
      ])
        await assert.rejects(custody.import(vault, wrong), code('BadParameter'));
      assert.equal(await held(), 0);
    },
  );

  contract('a wrong algorithm, a digest of another size and what was changed are the caller’s fault', async (world) => {
    const { custody, vaults, keep } = world;
    const fresh = await custody.create(vaults[0], 2048);
    const ref = await keep(vaults[0], 'a', fresh);
    const sent = encrypted(fresh.publicHalf, 'RSA-OAEP', dataKey);
    const changed = Buffer.from(sent);
    changed[100] = 1 ^ (changed[100] ?? 0);
    for (const open of [custody.decrypt, custody.unwrap]) {
      await assert.rejects(open(ref, 'RSA-OAEP-256', sent), code('BadParameter'));
      for (const wrong of [changed, sent.subarray(1), Buffer.alloc(0), Buffer.alloc(256, 0xff)])
        await assert.rejects(open(ref, 'RSA-OAEP', wrong), code('BadParameter'));
      // What a type forbids a caller in JavaScript may still send; names of the prototype are no algorithms.
      for (const unknown of ['RSA1_5', 'toString', '__proto__', '']) {
        // @ts-expect-error no algorithm
        await assert.rejects(open(ref, unknown, sent), code('BadParameter'), unknown);
        // @ts-expect-error no algorithm
        await assert.rejects(custody.sign(ref, unknown, dataKey), code('BadParameter'), unknown);
      }
    }
    for (const algorithm of signatures)
      for (const size of [0, 20, sizeOf(algorithm) / 8 - 1, sizeOf(algorithm) / 8 + 1])
        await assert.rejects(custody.sign(ref, algorithm, Buffer.alloc(size)), code('BadParameter'));
    await assertWorks(custody, ref, fresh.publicHalf);
  });

  contract('versions of a name, and names, and vaults are apart', async ({ custody, vaults, keep }) => {
    const [vault, other] = vaults;
    const all: { readonly ref: KeyRef; readonly half: PublicHalf }[] = [];
    for (const [at, name] of [
      [vault, 'a'],
      [vault, 'a'],
      [vault, 'b'],
      [other, 'a'],
    ] as const) {
      const fresh = await custody.create(at, 2048);
      all.push({ ref: await keep(at, name, fresh), half: fresh.publicHalf });
    }
    for (const { ref, half } of all) {
      await assertWorks(custody, ref, half);
      for (const another of all)
        if (another.ref !== ref)
          await assert.rejects(
            custody.decrypt(ref, 'RSA-OAEP', encrypted(another.half, 'RSA-OAEP', dataKey)),
            code('BadParameter'),
          );
    }
    // A reference is all of its parts: nobody reaches a key by a part of one and a part of another.
    const [first, second, third] = all;
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    for (const mixed of [
      { ...first.ref, version: second.ref.version },
      { ...first.ref, vault: other },
      { ...first.ref, name: third.ref.name },
      { ...first.ref, number: 77 },
    ])
      await assertGone(custody, mixed, first.half);
  });

  contract('a key that is destroyed does nothing any more, and the others do', async ({ custody, vaults, keep }) => {
    const [vault, other] = vaults;
    const kept: { readonly ref: KeyRef; readonly half: PublicHalf }[] = [];
    for (const [at, name] of [
      [vault, 'a'],
      [vault, 'a'],
      [vault, 'b'],
      [other, 'a'],
    ] as const) {
      const fresh = await custody.create(at, 2048);
      kept.push({ ref: await keep(at, name, fresh), half: fresh.publicHalf });
    }
    const [first, second, third, fourth] = kept;
    assert.ok(first !== undefined && second !== undefined && third !== undefined && fourth !== undefined);
    await custody.destroy([first.ref, third.ref]);
    await custody.destroy([first.ref]);
    await custody.destroy([]);
    for (const { ref, half } of [first, third]) await assertGone(custody, ref, half);
    for (const { ref, half } of [second, fourth]) await assertWorks(custody, ref, half);
    await custody.destroyAll(vault);
    await custody.destroyAll(vault);
    await assertGone(custody, second.ref, second.half);
    await assertWorks(custody, fourth.ref, fourth.half);
  });

  contract(
    'a key whose row was not written is destroyed with it',
    async ({ custody, vaults: [vault], keepInVain, held }) => {
      await keepInVain(vault, 'a', await custody.create(vault, 2048));
      assert.equal(await held(), 0);
      // One that nobody asked a place for is forgotten.
      const fresh = await custody.create(vault, 2048);
      await fresh.drop();
      await fresh.drop();
      assert.equal(await held(), 0);
    },
  );

  contract('nothing that it answers holds the private key', async ({ custody, vaults: [vault], keep, kept }) => {
    const fresh = await custody.import(vault, vectorKey);
    const shown = JSON.stringify(fresh, (_name, value) => (typeof value === 'function' ? undefined : value));
    assert.deepEqual(Object.keys(JSON.parse(shown).publicHalf).sort(), ['bits', 'e', 'n']);
    const ref = await keep(vault, 'a', fresh);
    const row = Buffer.from((await kept(ref)) ?? []);
    assert.ok(row.length > 0);
    for (const part of ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const) {
      assert.ok(!shown.includes(vectorKey[part]), part);
      for (const form of [bytes(vectorKey[part]).subarray(0, 24), Buffer.from(vectorKey[part].slice(0, 32))])
        assert.ok(!row.includes(form), part);
    }
    assert.deepEqual(
      Object.keys(custody).filter((name) => /export|material|private/i.test(name)),
      [],
    );
  });
}
