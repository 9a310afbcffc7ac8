// What the protocol of vaults refuses. Messages never hold a value. A refusal of a key carries the word that the vault answers
// inside its envelope (KeyDisabled), because whoever uses the key from outside, a workspace for its data, hands that word on.

import type { Failure } from '#kernel/errors/failure';
import { defineFailures } from '#kernel/errors/failures';
import type { Collection } from './objects.store.ts';

const day = (seconds: number) => new Date(seconds * 1000).toISOString();

const missing = (title: string) => (name: string) =>
  `A ${title} with the name '${name}' (and version, if one was given) was not found in this key vault. If it was deleted, it may be recoverable.`;
const deletedMissing = (title: string) => (name: string) =>
  `A deleted ${title} with the name '${name}' was not found in this key vault.`;
const disabledNow = (title: string) => (operation: string) =>
  `Operation ${operation} is not allowed on a disabled ${title}. Enable this version first.`;

export const vaultFailures = defineFailures('vault', {
  BadParameter: {
    kind: 'invalid',
    meaning: 'A parameter, a property of the body or a name has a value that it cannot have.',
    remedy: 'The message says which values there are.',
    say: (message: string, target?: string) => ({ message, ...(target === undefined ? {} : { target }) }),
  },
  badApiVersion: {
    kind: 'invalid',
    code: 'BadParameter',
    meaning: 'The api-version is malformed.',
    remedy: "Send one such as '7.4' or '2025-07-01'.",
    say: () => ({
      message: "The api-version is malformed. Send one such as '7.4' or '2025-07-01'.",
      target: 'api-version',
    }),
  },
  unknownKeyType: {
    kind: 'invalid',
    code: 'BadParameter',
    meaning: "The type of a key is none of the protocol's.",
    remedy: "Send 'RSA'.",
    say: () => ({
      message: "The key type (kty) is none of the protocol's. Vaults here hold 'RSA'.",
      target: 'kty',
    }),
  },
  KeyTypeNotServed: {
    kind: 'notImplemented',
    meaning: 'The protocol has this type of key, and vaults here do not hold it.',
    remedy: 'Keep this key in another vault, or use RSA where the algorithm may be chosen.',
    say: (known: string) => ({
      target: 'kty',
      message: `${known} are not served by this server's vaults: they hold RSA keys of 2048, 3072 and 4096 bits in software. Keep this key in another vault, or use RSA where the algorithm may be chosen.`,
    }),
  },
  OperationNotSupported: {
    kind: 'notImplemented',
    meaning: 'The protocol has this operation, and it is not served.',
    remedy: 'The message says what takes its place, where something does.',
    say: (message: string) => message,
  },
  VaultNotFound: {
    kind: 'notFound',
    meaning: 'No vault has the name, or nobody may know that one does.',
    remedy: 'Look at the name, and at the role on the vault.',
    say: (name: string) => `There is no key vault named '${name}' on this server.`,
  },
  SecretNotFound: {
    kind: 'notFound',
    meaning: 'The vault has no such secret, or not this version of it.',
    remedy: 'Recover it, if it was deleted.',
    say: missing('secret'),
  },
  KeyNotFound: {
    kind: 'notFound',
    meaning: 'The vault has no such key, or not this version of it.',
    remedy: 'Recover it, if it was deleted.',
    say: missing('key'),
  },
  deletedSecretNotFound: {
    kind: 'notFound',
    code: 'SecretNotFound',
    meaning: 'No secret of the name is deleted and recoverable.',
    remedy: 'List the deleted secrets.',
    say: deletedMissing('secret'),
  },
  deletedKeyNotFound: {
    kind: 'notFound',
    code: 'KeyNotFound',
    meaning: 'No key of the name is deleted and recoverable.',
    remedy: 'List the deleted keys.',
    say: deletedMissing('key'),
  },
  ObjectIsDeletedButRecoverable: {
    kind: 'conflict',
    meaning: 'The name belongs to what was deleted and can still be recovered.',
    remedy: 'Recover it, or purge it.',
    say: (title: string, name: string, purgeAtSeconds: number) =>
      `The ${title} '${name}' is deleted but recoverable, and its name cannot be used until ${day(purgeAtSeconds)}. Recover it, or purge it.`,
  },
  ForbiddenByPolicy: {
    kind: 'forbidden',
    say: 'Purge protection is on for this vault: what was deleted stays recoverable until its retention ends. Nobody can shorten that.',
  },
  SecretDisabled: {
    kind: 'forbidden',
    meaning: 'This version of the secret is disabled.',
    remedy: 'Enable it, or ask for another version.',
    say: disabledNow('secret'),
  },
  KeyDisabled: {
    kind: 'forbidden',
    meaning: 'This version of the key is disabled.',
    remedy: 'Enable it, or use another version.',
    say: disabledNow('key'),
  },
  KeyNotYetValid: {
    kind: 'forbidden',
    meaning: 'The date from which the key is valid has not come.',
    remedy: 'Wait for it, or change it.',
    say: (operation: string, notBefore: number) =>
      `Operation ${operation} is not allowed before the key is valid (${day(notBefore)}).`,
  },
  KeyExpired: {
    kind: 'forbidden',
    meaning: 'The date until which the key is valid has passed.',
    remedy: 'Use a newer version.',
    say: (operation: string, expires: number) =>
      `Operation ${operation} is not allowed on an expired key (expired ${day(expires)}). Use a newer version.`,
  },
  KeyOperationNotPermitted: {
    kind: 'forbidden',
    meaning: 'The key was made for other operations (key_ops).',
    remedy: 'Use another key, or add the operation to key_ops.',
    say: (operation: string) => `Operation ${operation} is not among the key_ops of this key.`,
  },
  ForbiddenByRbac: {
    kind: 'forbidden',
    meaning: "A workspace's data lies under a customer's key, and the identity that should use the key may not.",
    remedy: 'Assign it the role Key Vault Crypto Service Encryption User on the vault.',
    say: (identity: string, objectId: string, operation: string) =>
      `The managed identity '${identity}' (object id ${objectId}) may not ${operation} with this key. Assign it the role Key Vault Crypto Service Encryption User on the vault.`,
  },
  InvalidKeyIdentifier: {
    kind: 'invalid',
    meaning: 'A key identifier is not the address of a key of this server, or names no version where one is needed.',
    remedy: 'Send https://{vault}.vault.{domain}/keys/{name}/{version}.',
    say: (why: string) => ({
      target: 'keyIdentifier',
      message: `The key identifier is not usable: ${why}. It looks like https://{vault}.vault.{domain}/keys/{name}/{version}.`,
    }),
  },
  Throttled: {
    kind: 'throttled',
    meaning: 'Too many keys are being generated at this moment.',
    remedy: 'Try again after what Retry-After says.',
    say: () => ({
      message: 'Too many keys are being generated at this moment. Try again.',
      retryAfterSeconds: 5,
    }),
  },
  IntegrityCheckFailed: {
    kind: 'integrity',
    meaning: 'A data key that a key of a vault wrapped does not open.',
    remedy: 'Restore what it belongs to from a backup.',
    say: (cause: Failure) => ({
      message: 'This wrapped key does not open: it was changed, or another key wrapped it. Restore it from a backup.',
      cause,
    }),
  },
});

/** The rows that a collection decides between. */
export const collectionFailures = {
  secrets: {
    notFound: vaultFailures.SecretNotFound,
    deletedNotFound: vaultFailures.deletedSecretNotFound,
    disabled: vaultFailures.SecretDisabled,
  },
  keys: {
    notFound: vaultFailures.KeyNotFound,
    deletedNotFound: vaultFailures.deletedKeyNotFound,
    disabled: vaultFailures.KeyDisabled,
  },
} as const satisfies Readonly<Record<Collection, unknown>>;
