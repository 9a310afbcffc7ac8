// What a build may ask of the package index: bounded in how often and how much, and remembered by what arrived whole.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { test } from 'node:test';
import { createTestClock } from '#kernel/clock/test-clock';
import { sha256Hex } from '#kernel/crypto/digest';
import { createPackages } from './packages.service.ts';

const file = Buffer.from('twenty bytes of wheel');
const digest = sha256Hex(file);
const name = 'six-1.0-py3-none-any.whl';

function open(
  bounds: { readonly requests: number; readonly bytes: number } | undefined,
  content: () => Readable = () => Readable.from([file]),
) {
  const asked: string[] = [];
  const clock = createTestClock();
  const packages = createPackages({
    indexOf: (project) =>
      new URL(project === 'torch' ? 'https://torch.example/whl/cpu/' : 'https://index.example/simple/'),
    clock,
    ...(bounds === undefined ? { who: 'job' } : { who: 'build', bounds }),
    fetch: async (url) => {
      asked.push(url.host === 'index.example' ? url.pathname : url.href);
      const isFile = url.pathname.startsWith('/files/');
      const page = `<a href="/files/${name}#sha256=${digest}" data-core-metadata="sha256=${sha256Hex('m')}">x</a>`;
      const body = url.pathname.endsWith('.metadata')
        ? Readable.from([Buffer.from('m')])
        : isFile
          ? content()
          : Readable.from([Buffer.from(page)]);
      return { status: url.pathname === '/simple/gone/' ? 404 : 200, headers: {}, body, url };
    },
  });
  return { packages, asked, clock };
}
const roomy = { requests: 100, bytes: 10_000 };

test('a page is asked for once in a while, whoever wants it, and files are what their page says', async () => {
  const { packages, asked, clock } = open(roomy);
  assert.match(await text(await packages.page('a', 'Six')), new RegExp(`files/six/${digest}/${name}`));
  await packages.page('b', 'six');
  assert.deepEqual(asked, ['/simple/six/']);
  assert.deepEqual(await buffer((await packages.file('a', 'six', digest, name)).stream), file);
  assert.equal(await text((await packages.file('a', 'six', digest, `${name}.metadata`)).stream), 'm');
  const page = 'https://index.example/simple/six/';
  assert.deepEqual(
    [[...packages.given('a')], packages.given('b').size],
    [[[`six ${digest}`, { file: name, page }]], 0],
  );
  await clock.advance(3_600_000);
  await packages.page('a', 'six');
  assert.equal(asked.filter((path) => path === '/simple/six/').length, 2);
  await assert.rejects(packages.page('a', 'gone'), /no 'gone'/);
});

test('a build that asks too often, or gets too much, is refused, and no other build for it', async () => {
  const often = open({ requests: 2, bytes: 10_000 });
  await often.packages.page('a', 'six');
  await often.packages.page('a', 'six');
  await assert.rejects(often.packages.page('a', 'six'), /more than 2/);
  await often.packages.page('b', 'six');
  const much = open({ requests: 100, bytes: file.length + 5 });
  await buffer((await much.packages.file('a', 'six', digest, name)).stream);
  const again = await much.packages.file('a', 'six', digest, name);
  await assert.rejects(buffer(again.stream), /more than/);
  await assert.rejects(much.packages.file('a', 'six', digest, name), /more than/);
});

test('a job asks four thousand times and not once more, and a file that never ends is let go where the bound is', async () => {
  const { packages } = open(undefined);
  for (let asked = 0; asked < 4_000; asked++) await packages.page('a', asked % 2 === 0 ? 'six' : `name-${asked % 7}`);
  await assert.rejects(packages.page('a', 'six'), /This job has asked for too much: more than 4000 files and pages/);
  const piece = Buffer.alloc(64 * 1024);
  let sent = 0;
  const endless = open({ requests: 10, bytes: 10 * piece.length }, () =>
    Readable.from(
      (function* () {
        for (;;) {
          sent += piece.length;
          yield piece;
        }
      })(),
    ),
  );
  const giant = await endless.packages.file('b', 'six', digest, name);
  await assert.rejects(buffer(giant.stream), /more than 655360 bytes/);
  assert.ok(sent <= 12 * piece.length, String(sent));
  assert.equal(endless.packages.given('b').size, 0);
});

test('what a build reads at once counts together', async () => {
  const { packages } = open({ requests: 100, bytes: 2 * file.length });
  const begun = await Promise.all(Array.from({ length: 5 }, () => packages.file('a', 'six', digest, name)));
  const ends = await Promise.allSettled(begun.map(({ stream }) => buffer(stream)));
  assert.equal(ends.filter(({ status }) => status === 'fulfilled').length, 2);
});

test('what breaks off, or is something else, is not remembered as given', async () => {
  for (const content of [
    () => Readable.from([file.subarray(0, 4)]),
    () => Readable.from([file, Buffer.from('more')]),
    () =>
      new Readable({
        read() {
          this.destroy(new Error('broke off'));
        },
      }),
  ]) {
    const { packages } = open(roomy, content);
    await assert.rejects(buffer((await packages.file('a', 'six', digest, name)).stream));
    assert.equal(packages.given('a').size, 0);
  }
});

test('a project with an index of its own comes from there and from nowhere else, however its name is written', async () => {
  const { packages, asked } = open(roomy);
  for (const name of ['torch', 'Torch', 'torchvision']) await packages.page('a', name);
  assert.deepEqual(asked, ['https://torch.example/whl/cpu/torch/', '/simple/torchvision/']);
  for (const project of ['Torch', 'torchvision'])
    await buffer((await packages.file('a', project, digest, name)).stream);
  assert.deepEqual(
    [...packages.given('a')].map(([key, { page }]) => [key, page]),
    [
      [`torch ${digest}`, 'https://torch.example/whl/cpu/torch/'],
      [`torchvision ${digest}`, 'https://index.example/simple/torchvision/'],
    ],
  );
});

test('without an index nothing is asked', async () => {
  const packages = createPackages({
    indexOf: () => undefined,
    who: 'build',
    clock: createTestClock(),
    fetch: () => Promise.reject(new Error('asked')),
  });
  await assert.rejects(packages.page('a', 'six'), /environments\.index/);
});
