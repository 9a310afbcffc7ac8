// Whatever happens to the bytes of an archive on its way: it is refused as an archive, or what is read has the check sums and
// the sizes that it promises. Nothing else is thrown, and nothing is read without bound.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { makeZip } from './wheels.fixture.ts';
import { BadZip, readZip, zipLimits } from './zip.rules.ts';

const members = [
  { name: 'a.py', text: 'x = 1\n' },
  { name: 'folder/b.py', text: 'y = 2\n'.repeat(200), stored: true },
  { name: 'größe.txt', text: 'äöü'.repeat(50) },
  { name: 'empty', text: '' },
];
const good = makeZip(members);

async function readAll(bytes: Buffer): Promise<Readonly<Record<string, string>> | 'refused'> {
  const read: Record<string, string> = {};
  try {
    for (const member of readZip(bytes)) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of member.read()) chunks.push(chunk);
      const content = Buffer.concat(chunks);
      assert.equal(content.length, member.size);
      assert.ok(content.length <= zipLimits.bytes);
      read[member.name] = content.toString('utf8');
    }
    return read;
  } catch (thrown) {
    if (thrown instanceof BadZip) return 'refused';
    throw thrown;
  }
}

test('what another writer wrote is read back', async () => {
  assert.deepEqual(await readAll(good), Object.fromEntries(members.map(({ name, text }) => [name, text])));
});

test('a changed, cut, longer or shuffled archive is refused or still whole', async () => {
  const whole = new Set(members.map(({ text }) => crc32(text)));
  const change = fc.record({ at: fc.nat(good.length - 1), value: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 4 }), fc.nat(good.length), fc.nat(8), async (changes, cut, tail) => {
      const bytes = Buffer.concat([good.subarray(0, cut === 0 ? good.length : cut), Buffer.alloc(tail)]);
      for (const { at, value } of changes) if (at < bytes.length) bytes[at] = value;
      const read = await readAll(bytes);
      if (read === 'refused') return;
      for (const text of Object.values(read)) assert.ok(whole.has(crc32(text)));
    }),
    { numRuns: 2000 },
  );
});

test('no bytes at all make the reader do anything but refuse', async () => {
  const signature = fc
    .constantFrom('PK\x01\x02', 'PK\x03\x04', 'PK\x05\x06')
    .map((text) => Buffer.from(text, 'latin1'));
  const piece = fc.oneof(signature, fc.uint8Array({ maxLength: 60 }).map(Buffer.from));
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
      await readAll(Buffer.concat(pieces));
    }),
    { numRuns: 1000 },
  );
});
