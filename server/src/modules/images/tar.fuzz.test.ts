// Whatever paths a snapshot may have: either they are refused, or another reader of tar gives back exactly these files.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import tar from 'tar-stream';
import { Failure } from '#kernel/errors/failure';
import { checkPath, tarOf } from './tar.rules.ts';

const segment = fc.oneof(
  fc.string({ minLength: 1, maxLength: 120, unit: 'grapheme' }),
  fc.constantFrom('..', '.', '', '.wh.x', 'a', 'ö', 'x'.repeat(100), 'y'.repeat(155), 'z\\', 'n\0', '-', ' '),
);
const path = fc.array(segment, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('/'));

const isPlain = (text: string): boolean => {
  try {
    checkPath(text, 'model');
    return true;
  } catch (thrown) {
    if (thrown instanceof Failure && thrown.kind === 'invalid') return false;
    throw thrown;
  }
};

test('a path is refused, or it leads below the folder', () => {
  fc.assert(
    fc.property(path, (text) => {
      if (!isPlain(text)) return;
      assert.ok(!text.startsWith('/') && !text.split('/').some((part) => ['', '.', '..'].includes(part)));
      assert.ok(!/[\\\0]/.test(text) && Buffer.byteLength(text) <= 1024);
    }),
    { numRuns: 500 },
  );
});

test('what is written is read back by another reader, name by name and byte by byte', async () => {
  const files = fc.uniqueArray(fc.record({ path: path.filter(isPlain), bytes: fc.uint8Array({ maxLength: 1500 }) }), {
    selector: (file) => file.path,
    maxLength: 8,
  });
  await fc.assert(
    fc.asyncProperty(files, async (all) => {
      const tree = all.filter(({ path: one }) => !all.some((other) => other.path.startsWith(`${one}/`)));
      const made = tree.map(({ path: name, bytes }) => ({ path: name, size: bytes.length, open: async () => bytes }));
      const read = new Map<string, string>();
      for await (const entry of Readable.from(tarOf(made)).pipe(tar.extract())) {
        const chunks: Buffer[] = [];
        for await (const chunk of entry) chunks.push(chunk as Buffer);
        if (entry.header.type === 'file') read.set(entry.header.name, Buffer.concat(chunks).toString('hex'));
      }
      const expected = new Map(tree.map(({ path: name, bytes }) => [name, Buffer.from(bytes).toString('hex')]));
      assert.deepEqual(new Map([...read].sort()), new Map([...expected].sort()));
    }),
    { numRuns: 150 },
  );
});
