// What the disk is to blame for, and what is refused so that it does not fill. Messages name no path.

import { defineFailures } from '#kernel/errors/failures';

export const filesFailures = defineFailures('files', {
  FileMisuse: {
    kind: 'internal',
    meaning: 'A file was used after it was over, or while another step of it went on.',
    remedy: 'Report it with the request id.',
    say: (state: string) => `A file was used while it was ${state}.`,
  },
  FileMissing: {
    kind: 'notFound',
    say: 'A file or folder of the data folder is missing.',
  },
  StorageFull: {
    kind: 'unavailable',
    meaning: 'The disk that holds the data folder is full.',
    remedy: 'Give it more room, and try again.',
    say: (cause: unknown) => ({
      message: 'The disk that holds the data folder is full. Nothing of this request was stored.',
      retryAfterSeconds: 30,
      cause,
    }),
  },
  StorageUnavailable: {
    kind: 'unavailable',
    meaning: 'The data folder could not be reached on its disk.',
    remedy: 'Try again; if it goes on, look after the disk.',
    say: (cause: unknown) => ({
      message: 'The data folder could not be reached on its disk. Nothing of this request was stored; try again.',
      retryAfterSeconds: 5,
      cause,
    }),
  },
  FileTooLarge: {
    kind: 'tooLarge',
    meaning: 'A file is larger than what reads it takes.',
    remedy: 'Give a smaller one; the message says how large it may be.',
    say: (maxBytes: number) => `The file holds more than ${maxBytes} bytes.`,
  },
  FileNotRegular: {
    kind: 'invalid',
    say: 'The path is a link, a folder or a device, not a plain file.',
  },
  StorageLow: {
    kind: 'full',
    say: 'The disk that holds the data folder is nearly full, so nothing that grows is stored. Delete what is not needed, or give the server more room; reading and deleting go on.',
  },
  StorageQuotaExceeded: {
    kind: 'full',
    meaning: 'A storage account, a registry or the database of a workspace has reached its quota.',
    remedy: 'Delete what is not needed, or ask for a larger quota; reading and deleting go on.',
    say: (store: string, limitBytes: number) =>
      `The ${store} has reached its quota of ${limitBytes} bytes, so nothing that grows is stored in it. Delete what is not needed, or ask an administrator for a larger quota; reading and deleting go on.`,
  },
});
