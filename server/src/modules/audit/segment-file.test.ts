// Files that somebody gives as segments: compressed or not, and whatever else they may be.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { sha256Hex } from '#kernel/crypto/digest';
import { Failure } from '#kernel/errors/failure';
import { segmentFileDigest, segmentFileLines } from './segment-file.service.ts';
import { folderFor } from './testing/fixture.ts';

async function linesIn(path: string): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const line of segmentFileLines(path)) lines.push(line);
  return lines;
}

const broken = (error: unknown) => error instanceof Failure && error.code === 'AuditExportBroken';

test('lines and digest of a file are those of what it holds, compressed or not', async (t) => {
  const folder = await folderFor(t);
  const lines = [
    '{"a":"ä€😀"}',
    ...Array.from({ length: 2_000 }, (_, at) => `{"line":${at},"text":"${'x'.repeat(at)}"}`),
  ];
  const text = `${lines.join('\n')}\n`;
  const plain = join(folder, 'plain.jsonl');
  const packed = join(folder, 'packed.jsonl.gz');
  await writeFile(plain, text);
  await writeFile(packed, gzipSync(text));
  for (const path of [plain, packed]) {
    assert.deepEqual(await linesIn(path), lines);
    assert.deepEqual(await segmentFileDigest(path), { sha256: sha256Hex(text), bytes: Buffer.byteLength(text) });
  }
  await writeFile(plain, 'no end of line');
  assert.deepEqual(await linesIn(plain), ['no end of line']);
  await writeFile(plain, '');
  assert.deepEqual(await linesIn(plain), []);
});

test('a file that unpacks to one endless line is given up early, and one that was cut is named', async (t) => {
  const folder = await folderFor(t);
  const path = join(folder, 'bomb.gz');
  await writeFile(path, gzipSync(Buffer.alloc(64 * 1024 * 1024)));
  await assert.rejects(linesIn(path), broken);
  const whole = gzipSync('x\n'.repeat(100_000));
  await writeFile(path, whole.subarray(0, whole.length - 20));
  await assert.rejects(linesIn(path), broken);
  await writeFile(path, Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.alloc(100, 7)]));
  await assert.rejects(linesIn(path), broken);
  await assert.rejects(linesIn(join(folder, 'absent')), /ENOENT/);
});
