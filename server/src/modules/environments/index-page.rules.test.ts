// Pages of a package index as they arrive in pieces, and what is passed on of them to pip.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPageReader, filesMax, isFileName, linkOf } from './index-page.rules.ts';

const at = new URL('https://index.example/simple/numpy/');
const digest = 'a'.repeat(64);
const link = (file: string, more = '') => `<a href="../../files/${file}#sha256=${digest}"${more}>${file}</a><br/>`;
function readAll(text: string, size: number) {
  const reader = createPageReader(at);
  const found = [];
  for (let from = 0; from < text.length; from += size) found.push(...reader.feed(text.slice(from, from + size)));
  return found;
}

test('a page means the same in whatever pieces it arrives', () => {
  const core = 'b'.repeat(64);
  const page = `<!DOCTYPE html><html><body><h1>Links <a name="x"></h1>${link('numpy-1.0.tar.gz')}${link('numpy-2.0-cp311-cp311-manylinux_2_28_x86_64.whl', ` data-requires-python="&gt;=3.9,&lt;4" data-core-metadata="sha256=${core}" data-yanked="it was &quot;bad&quot;"`)}<abbr>x</abbr></body></html>`;
  const whole = readAll(page, page.length);
  assert.equal(whole.length, 2);
  assert.deepEqual(whole[1], {
    name: 'numpy-2.0-cp311-cp311-manylinux_2_28_x86_64.whl',
    url: 'https://index.example/files/numpy-2.0-cp311-cp311-manylinux_2_28_x86_64.whl',
    sha256: digest,
    requiresPython: '>=3.9,<4',
    yanked: 'it was "bad"',
    metadata: 'b'.repeat(64),
  });
  for (const size of [1, 2, 3, 7, 64]) assert.deepEqual(readAll(page, size), whole, String(size));
});

test('files without a digest, with another, or under another name than a package has do not exist', () => {
  const page = [
    '<a href="../../files/numpy-1.0.tar.gz">x</a>',
    '<a href="../../files/numpy-1.0.tar.gz#md5=abc">x</a>',
    '<a href="../../files/numpy-1.0.tar.gz#sha256=abc">x</a>',
    `<a href="javascript:alert(1)#sha256=${digest}">x</a>`,
    `<a href="../../files/numpy-1.0.exe#sha256=${digest}">x</a>`,
    `<a href="../../files/%2e%2e%2fnumpy.whl#sha256=${digest}">x</a>`,
    `<a href="../../files/a%0anumpy.whl#sha256=${digest}">x</a>`,
    `<area href="../../files/numpy-1.0.tar.gz#sha256=${digest}">`,
  ].join('');
  assert.deepEqual(readAll(page, 5), []);
  for (const name of ['a.whl/../b.whl', '..whl', '.whl', 'a b.whl', 'a.whl\n', 'ä.whl'])
    assert.equal(isFileName(name), false, name);
});

test('what is passed on holds nothing of the page but what was read', () => {
  const [file] = readAll(link('numpy-1.0.tar.gz', ` data-requires-python='"><script>' onclick="x"`), 10_000);
  assert.ok(file);
  assert.equal(
    linkOf(file, 'numpy'),
    `<a href="../../files/numpy/${digest}/numpy-1.0.tar.gz#sha256=${digest}" data-requires-python="&#34;&#62;&#60;script&#62;">numpy-1.0.tar.gz</a><br/>\n`,
  );
});

test('a page without end is given up', () => {
  assert.throws(() => readAll(`<a ${'x'.repeat(40_000)}`, 1000), /too long/);
  assert.throws(() => readAll('<a >'.repeat(filesMax + 1), 10_000), /too many/);
});
