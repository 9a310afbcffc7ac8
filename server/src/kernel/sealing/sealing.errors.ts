// What keys are refused with: the root key and the keyring when the server starts, data keys while it runs. What names a file is told
// to whoever starts the server, and never over the network.

import { basename } from 'node:path';
import { defineFailures } from '#kernel/errors/failures';

export const sealingFailures = defineFailures('sealing', {
  DataKeysClosed: {
    kind: 'unavailable',
    say: 'Data keys are closed: the server is stopping.',
  },
  IntegrityCheckFailed: {
    kind: 'integrity',
    say: 'This wrapped key does not open: it was changed or its key is another one.',
  },
  InvalidDataKeyName: {
    kind: 'invalid',
    meaning: 'The owner or the purpose of a data key has no name, or a longer one than it may have.',
    remedy: 'Report it with the request id.',
    say: (lengthMax: number) => `Owner and purpose of a data key have 1 to ${lengthMax} characters.`,
  },
  DataKeyGone: {
    kind: 'gone',
    say: 'The key of this data does not exist: it was never made, or it was destroyed together with its owner.',
  },
  DataKeyClosed: {
    kind: 'forbidden',
    say: 'The key of this data may no longer be used. Open it again; if that is refused, the answer says why.',
  },
  DataKeyWrapperDiffers: {
    kind: 'conflict',
    say: 'The keys of this owner are wrapped by another key. Rewrap them first.',
  },
  RootKeyMismatch: {
    kind: 'integrity',
    meaning: 'The keyring was sealed under another root key than the one that is configured.',
    remedy: 'Configure the root key that belongs to this data folder.',
    say: (file: string, found: string, given: string) =>
      `The keyring ${file} was sealed under the root key ${found}, but the root key given is ${given}. Configure the root key that belongs to this data folder.`,
  },
  KeyringClosed: {
    kind: 'unavailable',
    say: 'The keyring is closed: the server is stopping.',
  },
  InvalidSecretName: {
    kind: 'invalid',
    say: 'A name in the keyring has 1 to 128 lower-case letters, digits, dots, dashes, slashes or underscores.',
  },
  InvalidSecretValue: {
    kind: 'invalid',
    meaning: 'The keyring holds as many secrets as it takes, or one is larger than it takes.',
    remedy: 'Report it: the server alone writes there.',
    say: (entriesMax: number, valueBytesMax: number) =>
      `The keyring takes ${entriesMax} secrets of 1 to ${valueBytesMax} bytes.`,
  },
  keyringMixed: {
    kind: 'integrity',
    code: 'KeyringUnreadable',
    meaning: 'The entries of the keyring are not those that were written together.',
    remedy: 'Put it back from its backup.',
    say: (file: string, cause?: unknown) => ({
      message: `The keyring ${file} was put together from parts of several ones. Put it back from its backup.`,
      cause,
    }),
  },
  KeyringUnreadable: {
    kind: 'integrity',
    meaning: 'The file of the keyring is none, or one of another version.',
    remedy: 'Put it back from its backup.',
    say: (file: string) => `The keyring ${file} is not a keyring of this version. Put it back from its backup.`,
  },
  RootKeyMissing: {
    kind: 'unavailable',
    meaning: 'The root key is missing, and the data folder is not new.',
    remedy: 'Put the root key back from its backup.',
    say: (file: string, dataFolder: string, found: string) =>
      `The root key file ${file} is missing, but the data folder ${dataFolder} is not new (it holds '${found}'). Its data can be opened with its own root key only: put the file back from its backup. A new root key is made for an empty data folder only.`,
  },
  RootKeyClosed: {
    kind: 'unavailable',
    say: 'The root key is closed: the server is stopping.',
  },
  RootKeyNotPlainFile: {
    kind: 'unavailable',
    meaning: 'The root key is a link, a folder or a device.',
    remedy: 'Name the plain file itself in the configuration.',
    say: (file: string) =>
      `The root key ${basename(file)} is a link, a folder or a device. Name the plain file itself in the configuration.`,
  },
  RootKeyUnreadable: {
    kind: 'unavailable',
    meaning: 'The file of the root key does not hold 32 bytes.',
    remedy: 'Put it back from its backup.',
    say: (file: string) =>
      `The root key file ${file} does not hold 32 bytes, raw or in base64. Put it back from its backup.`,
  },
  RootKeyExposed: {
    kind: 'unavailable',
    meaning: 'Others can read or change the root key.',
    remedy: "Run 'chmod 600' on it, and take the key as known to whoever else uses the machine.",
    say: (file: string, mode: number) =>
      `The root key file ${file} can be read or changed by others (mode ${(mode & 0o777).toString(8)}). Run 'chmod 600' on it, and if anybody else uses this machine take the key as known to them.`,
  },
  rootKeyOfAnother: {
    kind: 'unavailable',
    code: 'RootKeyExposed',
    meaning: 'The root key belongs to another user than the one that runs the server.',
    remedy: 'Give it to that user, or run the command as it.',
    say: (file: string, uid: number) =>
      `The root key file ${file} belongs to another user (uid ${uid}). It must belong to the user that runs the server. To look at a stopped server's folder, run the command as that user, for example: runuser -u strongroom -- strongroom audit verify --config FILE`,
  },
});
