// Projects with an index of their own: which lines of the setting say so, and which would let two indexes answer for one project.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readProjectIndex } from './project-indexes.rules.ts';
import { environmentsSettings } from './settings.ts';

test('a project is read in its normal form, its index with the slash that it ends in', () => {
  const read = readProjectIndex('Torch_Vision=https://download.pytorch.org/whl/cpu');
  assert.ok(typeof read !== 'string');
  assert.deepEqual([read.project, read.url.href], ['torch-vision', 'https://download.pytorch.org/whl/cpu/']);
});

test('what names no project or no index is refused by what it is, and pip comes from the index', () => {
  for (const [text, why] of [
    ['https://download.pytorch.org/whl/cpu/', /PROJECT=ADDRESS|not the address/],
    ['=https://a.example/', /not PROJECT=ADDRESS/],
    ['torch', /not PROJECT=ADDRESS/],
    ['torch=', /not the address/],
    ['torch=ftp://a.example/', /not the address/],
    ['torch=https://user:secret@a.example/', /not the address/],
    ['torch=https://a.example/?x=1', /not the address/],
    ['torch=https://a.example/#x', /not the address/],
    ['../torch=https://a.example/', /not PROJECT=ADDRESS/],
    ['PIP=https://a.example/', /pip comes from/],
  ] as const)
    assert.match(String(readProjectIndex(text)), why, text);
});

test('one project comes from one index, and from none where nothing is built', () => {
  const mistakes = (indexes: readonly string[], index = 'https://pypi.org/simple/') =>
    environmentsSettings.together?.((path) =>
      path === 'environments.projectIndexes' ? indexes : path === 'environments.index' ? index : [],
    );
  assert.deepEqual(mistakes(['torch=https://a.example/', 'torchvision=https://a.example/']), []);
  assert.match(String(mistakes(['torch=https://a.example/', 'Torch=https://b.example/'])), /'torch' comes from two/);
  assert.match(String(mistakes(['torch=https://a.example/'], 'none')), /nothing is built/);
  assert.match(String(mistakes(['torch'])), /PROJECT=ADDRESS/);
});
