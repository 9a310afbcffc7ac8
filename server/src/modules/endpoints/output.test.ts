// What is kept of what scoring processes print.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOutput } from './output.service.ts';

const kept = 256 * 1024;

test('the last whole lines are kept, and no more than the bound', () => {
  const output = createOutput();
  for (let line = 0; line < 40_000; line++) output.add(`line ${line}\n`);
  const text = output.tail();
  assert.ok(text.length <= kept && text.length > kept - 20, String(text.length));
  assert.match(text, /^line \d+\n/);
  assert.equal(output.tail(2), 'line 39998\nline 39999\n');
});

test('a process that prints without ever ending a line takes no more memory than any other', () => {
  const output = createOutput();
  for (let piece = 0; piece < 40; piece++) output.add('x'.repeat(64 * 1024));
  assert.equal(output.tail().length, kept);
  output.add(`${'y'.repeat(kept)}\n`);
  assert.equal(output.tail().length, kept, 'not even when the line ends');
  output.add('\nlast\n');
  assert.equal(output.tail(1), 'last\n');
  assert.ok(output.tail().length <= kept);
});
