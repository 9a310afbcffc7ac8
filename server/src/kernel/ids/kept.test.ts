import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { kept } from '#kernel/ids/kept';

test('an answer is found again, however many other texts are asked about between two questions', () => {
  const asked: string[] = [];
  const read = kept((text) => {
    asked.push(text);
    return text.toUpperCase();
  });
  assert.equal(read('own'), 'OWN');
  for (let i = 0; i < 5_000; i++) {
    assert.equal(read(`other ${i}`), `OTHER ${i}`);
    if (i % 500 === 0) assert.equal(read('own'), 'OWN');
  }
  assert.equal(asked.filter((text) => text === 'own').length, 1);
});

test('what nobody asks about any more is forgotten, and a long text is not kept', () => {
  const asked: string[] = [];
  const read = kept((text) => {
    asked.push(text);
    return text.length;
  });
  read('once');
  for (let i = 0; i < 2_001; i++) read(`other ${i}`);
  read('once');
  assert.equal(asked.filter((text) => text === 'once').length, 2);
  const long = 'x'.repeat(513);
  read(long);
  read(long);
  assert.equal(asked.filter((text) => text === long).length, 2);
});

test('texts that differ in one character are told apart, whatever the character is', () => {
  const read = kept((text) => [...text].map((character) => character.codePointAt(0)).join(' '));
  for (const text of ['a', 'ä', '\u0101', '\ud800', '\udc00', '\ufffd', '\u{1f600}', '\0', '']) {
    const first = read(text);
    assert.equal(first, [...text].map((character) => character.codePointAt(0)).join(' '));
    assert.equal(read(text), first);
  }
});

/** Bytes of heap that `program` leaves in use. Of a heap of its own, where nothing else comes and goes, and the collector can be asked. */
function heldBy(program: string): number {
  const measured = `
    const { kept } = await import(${JSON.stringify(new URL('./kept.ts', import.meta.url))});
    const { scopesOf } = await import(${JSON.stringify(new URL('./ids.ts', import.meta.url))});
    const read = kept((text) => text.split('/'));
    const used = () => (gc(), process.memoryUsage().heapUsed);
    const before = used();
    ${program}
    process.stdout.write(String(used() - before));`;
  const { stdout } = spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', measured], {
    encoding: 'utf8',
  });
  assert.notEqual(stdout, '');
  return Number(stdout);
}

test('a piece of a long text does not hold the long text in memory', () => {
  const held = heldBy("for (let i = 0; i < 500; i++) read(('x'.repeat(100_000) + i).slice(99_900));");
  assert.ok(held < 5_000_000, `${held} bytes for 500 pieces of 110 characters`);
});

test('the scopes of deep ids are not kept at their depth times their length', () => {
  const held = heldBy("for (let i = 0; i < 3_000; i++) scopesOf('/' + i + '/t/n'.repeat(120));");
  assert.ok(held < 25_000_000, `${held} bytes for the scopes of ids of 480 characters`);
});
