// The file is what the SQLCipher 4 description says, checked without the engine: a page verifies and decrypts from the raw
// key alone. So whoever holds the key can open the data without this program, and no page is authenticated by luck.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sql } from 'kysely';
import { openDatabase } from './files.fixture.ts';

const pageBytes = 4096;
const reservedBytes = 80; // 16 of IV, 64 of HMAC-SHA-512, at the end of each page
const { subtle } = globalThis.crypto;

test('every page verifies and decrypts as SQLCipher 4 describes it', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-format-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const key = Uint8Array.from({ length: 32 }, (_, index) => index);
  const path = join(folder, 'test.db');
  const database = await openDatabase({ path, key, migrations: [] });
  await database.write((tx) => sql`create table t as select 'to be found in page two' as words`.execute(tx));
  await database.close();

  const file = new Uint8Array(await readFile(path));
  assert.equal(file.length % pageBytes, 0);
  const salt = file.slice(0, 16);
  const plain: Buffer[] = [];
  for (let number = 1; number <= file.length / pageBytes; number++) {
    const page = file.slice((number - 1) * pageBytes, number * pageBytes);
    plain.push(await openPage(page, number, key, salt));
  }
  const [first, second] = plain;
  // Past the salt: the SQLite header from its 16th byte, with the page size and the reserved bytes.
  assert.equal(first?.readUInt16BE(0), pageBytes);
  assert.equal(first?.readUInt8(4), reservedBytes);
  assert.ok(second?.includes('to be found in page two'));
});

async function openPage(
  page: Uint8Array<ArrayBuffer>,
  number: number,
  key: Uint8Array<ArrayBuffer>,
  salt: Uint8Array<ArrayBuffer>,
) {
  const sealed = page.slice(number === 1 ? 16 : 0, pageBytes - reservedBytes);
  const iv = page.slice(pageBytes - reservedBytes, pageBytes - 64);
  const mark = page.slice(pageBytes - 64);
  const pageNumber = Buffer.alloc(4);
  pageNumber.writeUInt32LE(number);
  const signed = Uint8Array.from([...sealed, ...iv, ...pageNumber]);
  assert.ok(await subtle.verify('HMAC', await macKey(key, salt), mark, signed), `page ${number} verifies`);
  return decrypt(sealed, iv, key);
}

/** PBKDF2-HMAC-SHA-512 of the key over the salt with each byte XOR 0x3a, two iterations, 32 bytes. */
async function macKey(key: Uint8Array<ArrayBuffer>, salt: Uint8Array<ArrayBuffer>) {
  const base = await subtle.importKey('raw', key, 'PBKDF2', false, ['deriveBits']);
  const masked = salt.map((byte) => byte ^ 0x3a);
  const bits = await subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-512', salt: masked, iterations: 2 }, base, 256);
  return subtle.importKey('raw', bits, { name: 'HMAC', hash: 'SHA-512' }, false, ['verify']);
}

/** AES-256-CBC. Pages carry no padding, which this interface insists on: a block of padding is made to follow the last one. */
async function decrypt(
  sealed: Uint8Array<ArrayBuffer>,
  iv: Uint8Array<ArrayBuffer>,
  key: Uint8Array<ArrayBuffer>,
): Promise<Buffer> {
  const aes = await subtle.importKey('raw', key, 'AES-CBC', false, ['encrypt', 'decrypt']);
  const padding = await subtle.encrypt({ name: 'AES-CBC', iv: sealed.slice(-16) }, aes, new Uint8Array());
  const padded = Uint8Array.from([...sealed, ...new Uint8Array(padding)]);
  return Buffer.from(await subtle.decrypt({ name: 'AES-CBC', iv }, aes, padded));
}
