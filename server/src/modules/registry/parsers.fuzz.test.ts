import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '#kernel/errors/failure';
import { readTarget } from '#kernel/http/target';
import { idKey, isWithin } from '#kernel/ids/ids';
import { mediaTypes, readManifest } from './manifest.rules.ts';
import { isName } from './names.rules.ts';
import { actionOf, readPath } from './paths.rules.ts';
import { repositoryScope } from './scopes.rules.ts';

const registry = '/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/Reg01';
const component = fc.stringMatching(/^[a-z0-9]+([._-][a-z0-9]+)*$/).filter((text) => text.length <= 20);
const word = fc.constantFrom('blobs', 'uploads', 'manifests', 'tags', 'list', 'referrers', 'v2', 'token', 'a');
const name = fc.array(fc.oneof(component, word), { minLength: 1, maxLength: 6 });

test('every name that can be is read out of every path as it was put in', () => {
  const tails = [
    ['blobs', 'sha256:x', 'blobs'],
    ['blobs/uploads/', '', 'uploads'],
    ['blobs/uploads', 'id', 'uploads'],
    ['manifests', 'v1', 'manifests'],
    ['tags/list', '', 'tags'],
    ['referrers', 'sha256:x', 'referrers'],
  ] as const;
  fc.assert(
    fc.property(name, fc.constantFrom(...tails), (repository, [middle, last, kind]) => {
      const whole = ['reg01', ...repository];
      for (const slash of ['/', '%2F']) {
        const url = `/v2/${whole.join(slash)}/${middle}${last === '' ? '' : `/${last}`}`;
        const path = readPath(readTarget(url, 'localhost'));
        assert.equal(path?.name, whole.join('/'));
        assert.deepEqual(path?.canonical.slice(0, 3), [kind, 'reg01', repository.join(':')]);
      }
    }),
  );
});

test('what Azure asks of a repository is read out of every path as it was put in', () => {
  const tails = [
    ['', 'acr'],
    ['/_tags', 'acr-tags'],
    ['/_tags/v1', 'acr-tags'],
    ['/_manifests', 'acr-manifests'],
    ['/_manifests/sha256:x', 'acr-manifests'],
  ] as const;
  fc.assert(
    fc.property(name, fc.constantFrom(...tails), fc.constantFrom('/', '%2F'), (repository, [tail, kind], slash) => {
      const whole = ['reg01', ...repository];
      const path = readPath(readTarget(`/acr/v1/${whole.join(slash)}${tail}`, 'localhost'));
      assert.equal(path?.name, whole.join('/'));
      assert.deepEqual(path?.canonical.slice(0, 3), [kind, 'reg01', repository.join(':')]);
    }),
  );
});

test('no path makes an id that lies elsewhere than below its registry', () => {
  const segment = fc.oneof(
    fc.string(),
    word,
    fc.constantFrom('%2F', 'a%2Fb', ':', 'a:b', '%5C', '..', '%2e%2e', 'REG'),
  );
  const roots = fc.constantFrom('/v2', '/acr/v1');
  const methods = fc.constantFrom('GET', 'PUT', 'DELETE', 'PATCH');
  fc.assert(
    fc.property(roots, fc.array(segment, { maxLength: 8 }), methods, (root, segments, method) => {
      let target: ReturnType<typeof readTarget>;
      try {
        target = readTarget(`${root}/${segments.map((one) => one.replace(/[?#]/g, '')).join('/')}`, 'localhost');
      } catch (thrown) {
        assert.ok(thrown instanceof Failure);
        return;
      }
      const path = readPath(target);
      if (path === undefined) return;
      assert.ok(['pull', 'push', 'delete', 'metadata_read', 'metadata_write'].includes(actionOf(path, method)));
      const [, first, second] = path.canonical;
      if (path.name === undefined) {
        assert.ok(first === undefined || (first === '_' && second === '_'));
        return;
      }
      assert.ok(isName(path.name.split('/')));
      assert.ok(!/[/\\%]/.test(`${first}${second}`));
    }),
  );
});

test('the scope of one repository covers no other', () => {
  fc.assert(
    fc.property(name, name, (one, other) => {
      const [a, b] = [one.join('/'), other.join('/')];
      const [inner, outer] = [a, b].map((repository) => repositoryScope({ registry, repository })) as [string, string];
      assert.equal(isWithin(inner, outer), a === b);
      assert.ok(isWithin(inner, registry) && idKey(inner) !== idKey(registry));
    }),
  );
});

test('whatever is sent as a manifest is read or refused by the words of the protocol', () => {
  const types = fc.oneof(fc.constantFrom(...Object.values(mediaTypes)), fc.string());
  const words = fc.constantFrom(
    'schemaVersion',
    'mediaType',
    'config',
    'layers',
    'manifests',
    'subject',
    'annotations',
    'digest',
    'size',
  );
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(2, 0, -1, null, 'x', mediaTypes.ociManifest, `sha256:${'0'.repeat(64)}`),
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(words, tie('any')),
    ),
  })).any;
  const bytes = fc.oneof(
    fc.uint8Array(),
    value.map((any) => Buffer.from(JSON.stringify(any))),
    value.map((any) => Buffer.from(JSON.stringify({ schemaVersion: 2, ...(any as object) }))),
  );
  fc.assert(
    fc.property(types, bytes, (type, content) => {
      try {
        const read = readManifest(type, content);
        for (const { digest } of [...read.blobs, ...read.manifests]) assert.match(digest, /^sha256:[0-9a-f]{64}$/);
      } catch (thrown) {
        assert.ok(thrown instanceof Failure && thrown.code === 'MANIFEST_INVALID', String(thrown));
      }
    }),
  );
});
