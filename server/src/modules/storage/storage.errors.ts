// What storage refuses: the words of the blob protocol, each with the one sentence that callers see, and those of the account as
// a resource. No message repeats a blob's name, its metadata or a path of ours.

import { defineFailures } from '#kernel/errors/failures';

export const storageFailures = defineFailures('storage', {
  ContainerNotFound: { kind: 'notFound', say: 'The container does not exist. Create it first.' },
  ContainerAlreadyExists: { kind: 'conflict', say: 'A container of this name exists already.' },
  ContainerBeingDeleted: { kind: 'conflict', say: 'The container is being deleted. Try again when that is done.' },
  BlobNotFound: { kind: 'notFound', say: 'The blob does not exist.' },
  BlobImmutableDueToPolicy: {
    kind: 'conflict',
    say: 'The platform keeps its own content at this name. Use another name.',
  },
  ContainerReserved: { kind: 'conflict', say: 'The platform stands on this container.' },
  BlobAlreadyExists: { kind: 'conflict', say: 'A blob of this name exists already.' },
  ConditionNotMet: {
    kind: 'precondition',
    say: 'The condition in the request headers is not met by what is there now.',
  },
  alwaysReplaced: {
    kind: 'precondition',
    code: 'ConditionNotMet',
    say: 'The blob is being replaced all the time. Try again.',
  },
  SourceConditionNotMet: {
    kind: 'precondition',
    say: 'The condition in the request headers is not met by the source of the copy.',
  },
  UnsatisfiableCondition: {
    kind: 'invalid',
    say: 'If-None-Match: * cannot be met by a reader. Leave it out.',
  },
  InvalidRange: {
    kind: 'rangeNotSatisfiable',
    meaning: 'The range begins behind the end of the blob.',
    remedy: 'Content-Range says how long it is.',
    say: (size: number) => ({
      message: 'The range begins behind the end of the blob.',
      headers: { 'content-range': `bytes */${size}` },
    }),
  },
  Md5Mismatch: {
    kind: 'invalid',
    say: 'The MD5 of what arrived is not the one that was sent with it. Send it again.',
  },
  InvalidMd5: { kind: 'invalid', say: 'An MD5 is 16 bytes in base64.' },
  InvalidXmlDocument: {
    kind: 'invalid',
    say: 'The XML is not a block list: BlockList with Latest, Committed and Uncommitted ids.',
  },
  BlockListTooLong: { kind: 'invalid', say: 'A block list holds at most 50,000 blocks.' },
  BlockCountExceedsLimit: {
    kind: 'conflict',
    say: 'The blob has 50,000 blocks waiting. Commit a block list first.',
  },
  InvalidBlockList: {
    kind: 'invalid',
    say: 'The block list names a block that was not staged, or no longer is. Stage it again.',
  },
  InvalidBlockId: {
    kind: 'invalid',
    say: 'A block id is base64 of 1 to 64 bytes, and all ids of one blob have the same length.',
  },
  InvalidBlobOrBlock: {
    kind: 'invalid',
    say: 'The ids of all blocks of a blob have the same length, and blocks wait here whose ids have another. Commit them, or use ids of their length.',
  },
  InvalidBlobType: { kind: 'invalid', say: 'Only block blobs are served. Send x-ms-blob-type: BlockBlob.' },
  InvalidMetadata: {
    kind: 'invalid',
    say: 'Metadata names are identifiers of at most 128 characters, values printable Latin-1; together at most 8 KiB.',
  },
  UnsupportedHeader: {
    kind: 'invalid',
    say: 'This operation does not read a header that was sent. Leave it out.',
  },
  UnsupportedQueryParameter: {
    kind: 'invalid',
    say: 'This operation does not read a query parameter that was sent. Leave it out.',
  },
  InvalidHeaderValue: { kind: 'invalid', say: 'A header has a value that it cannot have.' },
  InvalidQueryParameterValue: { kind: 'invalid', say: 'A query parameter has a value that it cannot have.' },
  MissingRequiredHeader: { kind: 'invalid', say: 'A header that this operation needs was not sent.' },
  MissingContentLengthHeader: {
    kind: 'invalid',
    say: 'Send Content-Length: uploads of unknown length are not taken.',
  },
  CannotVerifyCopySource: {
    kind: 'invalid',
    say: 'A copy source is a blob of this server that you may read, by its URL here and without a signature: it is read as you.',
  },
  ResourceNotFound: { kind: 'notFound', say: 'The storage account does not exist.' },
  InvalidResourceName: {
    kind: 'invalid',
    meaning: 'A container or a blob has a name that it cannot have.',
    remedy: 'The message says which names there are.',
    say: (message: string) => message,
  },
  AuthorizationPermissionMismatch: {
    kind: 'forbidden',
    say: 'This request is not authorized to perform this operation using this permission.',
  },
  /** What is on disk is not what was stored. */
  IntegrityCheckFailed: {
    kind: 'integrity',
    meaning: 'The file of a blob was changed, cut, moved or removed on the disk.',
    remedy: 'Restore it from a backup.',
    say: (cause?: unknown) => ({
      message: 'This blob does not open: its file was changed, cut, moved or removed. Restore it from a backup.',
      cause,
    }),
  },
  RequestBodyTooLarge: {
    kind: 'tooLarge',
    meaning: 'What was sent is larger than what is taken here.',
    remedy: 'Send it in smaller pieces.',
    say: (maxBytes: number) => `The content is larger than the ${maxBytes} bytes that are taken here.`,
  },
  blocksTooLarge: {
    kind: 'tooLarge',
    code: 'RequestBodyTooLarge',
    meaning: 'A block list makes a blob that is larger than blobs can be.',
    remedy: 'Commit fewer blocks.',
    say: (maxBytes: number) => `A blob has at most ${maxBytes} bytes; the blocks have more.`,
  },
  OperationNotSupported: {
    kind: 'notImplemented',
    meaning: 'The protocol has this operation, or the service has it in Azure, and it is not served.',
    remedy: 'The message says what takes its place, where something does.',
    say: (message: string) => message,
  },
  InvalidKeyIdentifier: {
    kind: 'invalid',
    say: "A customer's key is named with its version: https://{vault}/keys/{name}/{version}.",
  },

  // ---- the account as a resource ------------------------------------------------------------------------------------

  AccountKeysNotServed: {
    kind: 'notImplemented',
    say:
      'Storage accounts have no account keys here, and no signatures by them: every access has a name. Use a token: with az, ' +
      'add --auth-mode login; with an SDK, pass a credential such as DefaultAzureCredential; and give the caller a role such as Storage Blob Data Reader.',
  },
  InvalidRequestPropertyValue: {
    kind: 'invalid',
    meaning: 'A property of an account has a value that is refused rather than taken and ignored.',
    remedy: 'The message says which values there are.',
    say: (target: string, why: string) => ({ target, message: `${target}: ${why}.` }),
  },
  StorageAccountAlreadyTaken: {
    kind: 'conflict',
    meaning: 'Another storage account of this server has the name, which becomes a host name.',
    remedy: 'Choose another name.',
    say: (name: string) => ({
      target: 'name',
      message: `The storage account named '${name}' is already taken on this server. Choose another name.`,
    }),
  },
});
