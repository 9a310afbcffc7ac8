// Where images of a node are: in memory, unless the operator names a folder; what must not touch a disk is in memory all the same.

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { it } from 'node:test';
import { folderPrefix, placesOfLeftovers } from '../leftovers.ts';
import { skipReason, startUpstream } from '../sandbox/testing.ts';
import { isInMemory, memoryParent } from './cache.ts';
import { createImages, type ItemImage } from './images.ts';
import { image, shellLayer, testRegistry } from './testing.ts';

const never = new AbortController().signal;

it('the folder of the operator holds images, but none that must not be on a disk; nothing is left', {
  skip: skipReason || (memoryParent() === undefined && 'no folder in memory'),
}, async (t) => {
  const upstream = await startUpstream();
  const registry = testRegistry();
  upstream.handle = registry.handle;
  registry.opens.set('mine', new Set(['reg/mine']));
  const name = registry.add('reg/mine', image([shellLayer()]));
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-test-'));
  chmodSync(folder, 0o711);
  const { url, caPem } = upstream;
  const images = (of: string | undefined) =>
    createImages({
      enrolment: { url, caPem, images: { bytes: 1 << 30, ...(of === undefined ? {} : { folder: of }) } },
      prefix: folderPrefix,
      interpreter: undefined,
    });
  t.after(async () => {
    await upstream.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const of = (inMemory: boolean): ItemImage => ({ ...name, as: 'root', inMemory });
  /** The folder that the cache was made in. */
  const parentOf = (use: { readonly folder: string }) => dirname(dirname(dirname(use.folder)));

  const named = images(folder);
  assert.equal(parentOf(await named.use(of(false), 'mine', never)), folder);
  assert.ok(isInMemory(parentOf(await named.use(of(true), 'mine', never))));
  // What a killed agent leaves is found where this one would put it.
  assert.ok(placesOfLeftovers([folder]).includes(folder));
  assert.ok(readdirSync(folder).every((each) => each.startsWith(folderPrefix)));
  await named.close();
  assert.deepEqual(readdirSync(folder), []);

  const unnamed = images(undefined);
  assert.ok(isInMemory(parentOf(await unnamed.use(of(false), 'mine', never))));
  await unnamed.close();

  chmodSync(folder, 0o777);
  const open = images(folder);
  await assert.rejects(open.use(of(false), 'mine', never), /can be changed by other users.*agent\.imageFolder/);
  await open.close();
});
