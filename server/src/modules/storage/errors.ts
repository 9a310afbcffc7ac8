// The failures of this module: the words of the blob protocol, each with the one sentence that callers see. No message
// repeats a blob's name, its metadata or a path of ours.

import { Failure, type FailureKind } from '#kernel/errors/failure';

const table = {
  ContainerNotFound: ['notFound', 'The container does not exist. Create it first.'],
  ContainerAlreadyExists: ['conflict', 'A container of this name exists already.'],
  ContainerBeingDeleted: ['conflict', 'The container is being deleted. Try again when that is done.'],
  BlobNotFound: ['notFound', 'The blob does not exist.'],
  BlobImmutableDueToPolicy: ['conflict', 'The platform keeps its own content at this name. Use another name.'],
  ContainerReserved: ['conflict', 'The platform stands on this container.'],
  BlobAlreadyExists: ['conflict', 'A blob of this name exists already.'],
  ConditionNotMet: ['precondition', 'The condition in the request headers is not met by what is there now.'],
  SourceConditionNotMet: ['precondition', 'The condition in the request headers is not met by the source of the copy.'],
  UnsatisfiableCondition: ['invalid', 'If-None-Match: * cannot be met by a reader. Leave it out.'],
  InvalidRange: ['rangeNotSatisfiable', 'The range begins behind the end of the blob.'],
  Md5Mismatch: ['invalid', 'The MD5 of what arrived is not the one that was sent with it. Send it again.'],
  InvalidMd5: ['invalid', 'An MD5 is 16 bytes in base64.'],
  InvalidXmlDocument: ['invalid', 'The XML is not a block list: BlockList with Latest, Committed and Uncommitted ids.'],
  BlockListTooLong: ['invalid', 'A block list holds at most 50,000 blocks.'],
  BlockCountExceedsLimit: ['conflict', 'The blob has 50,000 blocks waiting. Commit a block list first.'],
  InvalidBlockList: ['invalid', 'The block list names a block that was not staged, or no longer is. Stage it again.'],
  InvalidBlockId: ['invalid', 'A block id is base64 of 1 to 64 bytes, and all ids of one blob have the same length.'],
  InvalidBlobOrBlock: [
    'invalid',
    'The ids of all blocks of a blob have the same length, and blocks wait here whose ids have another. Commit them, or use ids of their length.',
  ],
  InvalidBlobType: ['invalid', 'Only block blobs are served. Send x-ms-blob-type: BlockBlob.'],
  InvalidMetadata: [
    'invalid',
    'Metadata names are identifiers of at most 128 characters, values printable Latin-1; together at most 8 KiB.',
  ],
  UnsupportedHeader: ['invalid', 'This operation does not read a header that was sent. Leave it out.'],
  UnsupportedQueryParameter: ['invalid', 'This operation does not read a query parameter that was sent. Leave it out.'],
  InvalidHeaderValue: ['invalid', 'A header has a value that it cannot have.'],
  InvalidQueryParameterValue: ['invalid', 'A query parameter has a value that it cannot have.'],
  MissingRequiredHeader: ['invalid', 'A header that this operation needs was not sent.'],
  MissingContentLengthHeader: ['invalid', 'Send Content-Length: uploads of unknown length are not taken.'],
  CannotVerifyCopySource: [
    'invalid',
    'A copy source is a blob of this server that you may read, by its URL here and without a signature: it is read as you.',
  ],
  ResourceNotFound: ['notFound', 'The storage account does not exist.'],
} as const satisfies Record<string, readonly [FailureKind, string]>;

export type StorageCode = keyof typeof table;

/** A failure of the table; `message` replaces its sentence where more can be said. */
export function failure(
  code: StorageCode,
  more: {
    readonly message?: string;
    readonly target?: string;
    readonly headers?: Readonly<Record<string, string>>;
  } = {},
): Failure {
  const [kind, message] = table[code];
  return new Failure({ kind, code, message, ...more });
}

export function invalidName(message: string): Failure {
  return new Failure({ kind: 'invalid', code: 'InvalidResourceName', message });
}

export function outOfScope(): Failure {
  return new Failure({
    kind: 'forbidden',
    code: 'AuthorizationPermissionMismatch',
    message: 'This request is not authorized to perform this operation using this permission.',
  });
}

/** What is on disk is not what was stored. */
export function damaged(cause?: unknown): Failure {
  return new Failure({
    kind: 'integrity',
    code: 'IntegrityCheckFailed',
    message: 'This blob does not open: its file was changed, cut, moved or removed. Restore it from a backup.',
    cause,
  });
}
