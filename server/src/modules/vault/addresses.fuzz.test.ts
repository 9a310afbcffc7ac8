// Hosts, paths and key identifiers as strangers may write them: a vault's name never holds more than a name, what is not ours is
// not recognised, and a parsed identifier means exactly what it says.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '#kernel/errors/failure';
import { readTarget } from '#kernel/http/target';
import { createAddresses, objectName } from './addresses.rules.ts';

const addresses = createAddresses({ domain: 'localhost:8443', defaultVault: () => 'main' });
const name = fc.stringMatching(/^[0-9a-zA-Z-]{1,127}$/);
const label = fc.stringMatching(/^[a-z][a-z0-9-]{1,22}[a-z0-9]$/);
const version = fc.stringMatching(/^[0-9a-f]{32}$/);
const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom('..', '.', '/', '\\', '%2f', '@', '#', '?', ':', '\0', 'keys', 'vault', 'localhost', '', ' ', '::1'),
);

test('an identifier that was put together is taken apart into the same parts', () => {
  fc.assert(
    fc.property(label, name, version, (vault, key, of) => {
      assert.deepEqual(addresses.parseKeyIdentifier(`${addresses.vaultUri(vault)}keys/${key}/${of}`), {
        vault,
        name: key,
        version: of,
      });
    }),
  );
});

test('any text is an identifier of well-formed parts, or a refusal', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.array(hostile, { maxLength: 8 }).map((parts) => `https://a.vault.localhost/${parts.join('/')}`),
    fc.array(hostile, { maxLength: 6 }).map((parts) => `https://${parts.join('')}.vault.localhost/keys/k`),
  );
  fc.assert(
    fc.property(text, (identifier) => {
      let parsed: ReturnType<typeof addresses.parseKeyIdentifier>;
      try {
        parsed = addresses.parseKeyIdentifier(identifier);
      } catch (error) {
        assert.ok(error instanceof Failure && error.code === 'InvalidKeyIdentifier', String(error));
        return;
      }
      assert.match(parsed.name, objectName);
      assert.ok(!/[./\\@:]/.test(parsed.vault) || parsed.vault === 'main', parsed.vault);
      assert.match(parsed.version ?? 'a'.repeat(32), /^[0-9a-f]{32}$/);
    }),
  );
});

test('whatever host and path are sent, the vault that is dispatched to is one label, and the path is as it was', () => {
  const host = fc.oneof(
    label.map((vault) => `${vault}.vault.localhost:8443`),
    fc
      .array(fc.constantFrom('a', 'vault', 'localhost', 'blob', 'storage', '-', '_', '1'), { maxLength: 6 })
      .map((parts) => parts.join('.')),
    fc.constantFrom(
      'localhost',
      'localhost:8443',
      '127.0.0.1',
      '[::1]:8443',
      'evil.com',
      '.vault.localhost',
      'x.vault.localhost.',
    ),
  );
  const path = fc.array(fc.oneof(fc.constantFrom('secrets', 'KEYS', 'vaults', '', 'v1.0'), name), { maxLength: 6 });
  fc.assert(
    fc.property(host, path, (sent, segments) => {
      let target: ReturnType<typeof readTarget>;
      try {
        target = readTarget(`/${segments.join('/')}`, sent);
      } catch (error) {
        assert.ok(error instanceof Failure);
        return;
      }
      const recognised = addresses.recognise(target);
      if (recognised === undefined) return;
      const isByPath = recognised[0]?.toLowerCase() === 'vaults';
      assert.ok(isByPath);
      const hostname = target.host.replace(/:\d+$/, '');
      if (hostname.endsWith('.localhost')) assert.equal(`${recognised[1]}.vault.localhost`, hostname);
      const said = segments.filter((segment) => segment !== '');
      const kept = recognised.filter((segment) => segment !== '');
      assert.deepEqual(kept.slice(kept.length - said.length), said);
    }),
  );
});
