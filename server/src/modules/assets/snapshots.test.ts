import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { jobFilesOf } from './named-content.service.ts';
import { digestOf, snapshotDigest } from './snapshots.service.ts';

const file = (path: string, content: string) => ({
  path,
  size: content.length,
  sha256: content.padEnd(64, '0').slice(0, 64),
});

test('the digest of a folder does not depend on the order of its files', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string({ minLength: 1, maxLength: 20 }), { maxLength: 10 }),
      fc.nat(),
      (paths, seed) => {
        const files = paths.map((path, i) => file(path, `c${i}`));
        const turned = [...files].sort((a, b) => ((a.path.length * 31 + seed) % 7) - ((b.path.length * 31 + seed) % 7));
        assert.equal(snapshotDigest(files), snapshotDigest(turned));
      },
    ),
  );
});

test('folders that differ in a name, a size or a byte have different digests, also where joined text would be the same', () => {
  const digests = [
    [file('a', 'x'), file('b', 'y')],
    [file('b', 'x'), file('a', 'y')],
    [file('a', 'x')],
    [file('a', 'xx')],
    [{ ...file('a:1:x', 'x') }],
    [{ ...file('a', 'x'), path: 'a\nb' }],
  ].map(snapshotDigest);
  assert.equal(new Set(digests).size, digests.length);
});

test('only a snapshot of ours and files of a job are model URIs', () => {
  assert.ok(digestOf(`azureml://snapshots/sha256:${'a'.repeat(64)}`));
  for (const uri of [
    'azureml://snapshots/sha256:abc',
    `https://evil/sha256:${'a'.repeat(64)}`,
    `azureml://snapshots/sha256:${'A'.repeat(64)}`,
  ])
    assert.equal(digestOf(uri), undefined);
  assert.deepEqual(jobFilesOf('azureml://jobs/j-1/outputs/artifacts/paths/outputs/model.json'), {
    runId: 'j-1',
    path: 'outputs/model.json',
  });
  assert.deepEqual(jobFilesOf('runs:/j1/model/'), { runId: 'j1', path: 'model' });
  for (const uri of [
    'file:///etc/passwd',
    'http://169.254.169.254/',
    '/etc/passwd',
    'azureml://jobs/../outputs/artifacts/x',
    'runs:/a/b#c',
    'runs:/a/b?c',
    'dbfs:/x',
    'models:/m/1',
  ])
    assert.equal(jobFilesOf(uri), undefined, uri);
});
