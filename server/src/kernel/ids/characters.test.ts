import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasControlCharacter } from './characters.ts';

test('the control characters of ASCII are found anywhere, and nothing else is', () => {
  for (let code = 0; code < 0x300; code++) {
    const isControl = code < 0x20 || code === 0x7f;
    const character = String.fromCharCode(code);
    for (const text of [character, `a${character}`, `${character}b`])
      assert.equal(hasControlCharacter(text), isControl, `U+${code.toString(16)}`);
  }
  assert.equal(hasControlCharacter(''), false);
});
