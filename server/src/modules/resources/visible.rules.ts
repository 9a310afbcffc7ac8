// What anybody who may read a resource sees must hold no credential: every text of every kind is looked at before it is
// stored, so that no kind can forget it. What a kind takes as a secret, and shows to nobody, it names.

import { findNamedCredential, findWrittenCredential } from '#kernel/credentials/credentials';
import type { Draft, Resource, ResourceKind } from './kind.types.ts';
import { resourcesFailures } from './resources.errors.ts';

/** Where the names are the user's own, and say what is behind them. */
const namedByUsers = /^(?:tags|properties\.(?:tags|properties|environmentVariables))\.([^.]+)$/;
const literalInput = /^properties\.inputs\.([^.]+)\.value$/;

const broughtBefore = 'bring what it opens into the workspace first (a datastore, a model, the code), and name that.';

const shown = (path: string) => (path.length > 200 ? `${path.slice(0, 200)}…` : path);

/** @throws Failure `invalid`. What was there before is not looked at again: whoever changes the rest must not be kept from it. */
export function refuseCredentials(kind: ResourceKind, draft: Draft, existing: Resource | undefined): void {
  look('tags', draft.tags, existing?.tags);
  look('sku', draft.sku, existing?.sku);
  for (const [path, value] of Object.entries(draft.inert ?? {}))
    look(`properties.${path}`, value, existing?.inert?.[path]);
  for (const [name, value] of Object.entries(draft.properties))
    if (kind.secretProperties?.includes(name) !== true) look(`properties.${name}`, value, existing?.properties[name]);

  function look(path: string, value: unknown, before: unknown): void {
    if (value === before) return;
    if (typeof value === 'object' && value !== null) {
      const had = (typeof before === 'object' && before !== null ? before : {}) as Readonly<Record<string, unknown>>;
      for (const [name, inside] of Object.entries(value)) look(`${path}.${name}`, inside, had[name]);
      return;
    }
    const text = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
    const name = (namedByUsers.exec(path) ?? literalInput.exec(path))?.[1];
    const found = name === undefined ? findWrittenCredential(text) : findNamedCredential(name, text);
    if (found === undefined) return;
    throw resourcesFailures.CredentialVisible(
      shown(path),
      found,
      kind.title,
      kind.insteadOfCredential ?? broughtBefore,
    );
  }
}
