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
  notOpened: {
    kind: 'invalid',
    code: 'BadParameter',
    meaning: 'A value does not open with the key and the algorithm that were named.',
    remedy: 'Send what this version of the key wrapped or encrypted, with the algorithm that was used.',
    say: () => ({ target: 'value', message: 'The value does not open with this key and algorithm.' }),
  },
  /** The sentence is that of the cryptography: which sizes and values the algorithm takes. */
  notFitting: {
    kind: 'invalid',
    code: 'BadParameter',
    meaning: 'A value is not one that the key and the algorithm take.',
    remedy: 'The message says which are.',
    say: (message: string) => ({ target: 'value', message }),
  },
  pageSize: {
    kind: 'invalid',
    code: 'BadParameter',
    meaning: 'A page of a list would be empty or larger than pages are.',
    remedy: 'Ask for as many as the message says, or leave maxresults out.',
    say: (most: number) => ({ target: 'maxresults', message: `maxresults is from 1 to ${most}.` }),
  },
  skipToken: {
    kind: 'invalid',
    code: 'BadParameter',
    meaning: 'The token of a page is none that an answer held.',
    remedy: 'Follow nextLink as it was answered.',
    say: () => ({
      target: '$skiptoken',
      message: 'The $skiptoken is not one of this list. Follow nextLink as it was answered.',
    }),
  },
  secretTooLong: {
    kind: 'invalid',
    code: 'BadParameter',
    meaning: 'The value of a secret is longer than any is.',
    remedy: 'Keep what is long in a storage account, and its key here.',
    say: (bytesMax: number) => ({
      target: 'value',
      message: `The value of a secret has at most ${bytesMax} bytes of UTF-8.`,
    }),
  },
  secretMalformed: {
    kind: 'invalid',
    code: 'BadParameter',
    meaning: 'The value of a secret holds half of a character.',
    remedy: 'Send well-formed Unicode text.',
    say: () => ({ target: 'value', message: 'The value of a secret is well-formed Unicode text.' }),
  },
  contentTypeTooLong: {
    kind: 'invalid',
    code: 'BadParameter',
    meaning: 'A content type is longer than any is.',
    remedy: 'Send a shorter one.',
    say: (charactersMax: number) => ({
      target: 'contentType',
      message: `A content type has at most ${charactersMax} characters.`,
    }),
  },
  exponent: {
    kind: 'invalid',
    code: 'BadParameter',
    meaning: 'A key is to have another public exponent than 65537.',
    remedy: 'Leave it out.',
    say: () => ({ target: 'public_exponent', message: 'The public exponent of an RSA key is 65537. Leave it out.' }),
  },
  noHardware: {
    kind: 'invalid',
    code: 'BadParameter',
    meaning: 'A key is to be imported into hardware.',
    remedy: 'Send Hsm false.',
    say: () => ({ target: 'Hsm', message: 'Keys of this server are kept in software. Send Hsm false.' }),
  },
  keyParts: {
    kind: 'invalid',
    code: 'BadParameter',
    meaning: 'A key to import lacks some of its numbers.',
    remedy: 'Send all of those that the message names.',
    say: () => ({ target: 'key', message: 'An RSA key to import has n, e, d, p, q, dp, dq and qi.' }),
  },
  neverReleased: {
    kind: 'invalid',
    code: 'BadParameter',
    meaning: 'A key is to be released to somebody.',
    remedy: 'Leave release_policy out.',
    say: () => ({
      target: 'release_policy',
      message: 'Keys of this server are never released. Leave release_policy out.',
    }),
  },
  keySize: {
    kind: 'invalid',
    code: 'BadParameter',
    meaning: 'A key is to have a size that keys do not have here.',
    remedy: 'Ask for 2048, 3072 or 4096 bits.',
    say: () => ({ target: 'key_size', message: 'An RSA key has 2048, 3072 or 4096 bits.' }),
  },
  keyOperations: {
    kind: 'invalid',
    code: 'BadParameter',
    meaning: 'A key is to do what RSA keys do not.',
    remedy: 'Name operations of those in the message.',
    say: (known: readonly string[]) => ({
      target: 'key_ops',
      message: `key_ops of an RSA key are ${known.join(', ')}.`,
    }),
  },
  unknownAlgorithm: {
    kind: 'invalid',
    code: 'BadParameter',
    meaning: 'The key does not do that operation with that algorithm.',
    remedy: 'Use one that the message names.',
    say: (operation: string, algorithms: readonly string[]) => ({
      target: 'alg',
      message: `An RSA key does ${operation} with ${algorithms.join(', ')}.`,
    }),
  },
  objectName: {
    kind: 'invalid',
    code: 'BadParameter',
    meaning: 'A name in a vault holds other characters, or too many.',
    remedy: 'Use 1 to 127 letters, digits and hyphens.',
    say: () => ({ target: 'name', message: 'A name in a vault has 1 to 127 letters, digits and hyphens.' }),
  },
  objectVersion: {
    kind: 'invalid',
    code: 'BadParameter',
    meaning: 'A version is named by something that is none.',
    remedy: 'Send its 32 hexadecimal digits.',
    say: () => ({ target: 'version', message: 'A version has 32 hexadecimal digits.' }),
  },
  tooManyVersions: {
    kind: 'invalid',
    code: 'BadParameter',
    meaning: 'A key or secret has the most versions that one can have.',
    remedy: 'Use a new name.',
    say: (name: string, versionsMax: number) =>
      `'${name}' has ${versionsMax} versions, which is the most. Use a new name.`,
  },
  vaultFull: {
    kind: 'invalid',
    code: 'BadParameter',
    meaning: 'A vault holds as many keys or secrets as it may.',
    remedy: 'Use another vault.',
    say: (objectsMax: number, collection: Collection) =>
      `This vault holds ${objectsMax} ${collection}, which is the most. Use another vault.`,
  },
  notExportable: {
    kind: 'invalid',
    code: 'BadParameter',
    meaning: 'A key is to be exportable.',
    remedy: 'Leave exportable out.',
    say: () => ({
      target: 'attributes.exportable',
      message: 'Keys of this server are not exportable. Leave exportable out.',
    }),
  },
  tooManyTags: {
    kind: 'invalid',
    code: 'BadParameter',
    meaning: 'There are more tags, or longer ones, than an object has.',
    remedy: 'Send fewer or shorter ones.',
    say: (tagsMax: number, charactersMax: number) => ({
      target: 'tags',
      message: `There are at most ${tagsMax} tags, with names and values of at most ${charactersMax} characters.`,
    }),
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
  InvalidSecretIdentifier: {
    kind: 'invalid',
    meaning: 'The address of a secret is not one of this server.',
    remedy: 'Send https://{vault}.vault.{domain}/secrets/{name}, with or without a version behind it.',
    say: (why: string) => ({
      target: 'secretIdentifier',
      message: `The address of the secret is not usable: ${why}. It looks like https://{vault}.vault.{domain}/secrets/{name}, with or without a version behind it.`,
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
