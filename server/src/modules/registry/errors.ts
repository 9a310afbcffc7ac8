// The failures of this module: the codes of the OCI distribution specification 1.1 ("Error Codes"), each with the one
// sentence that callers see.

import { Failure, type FailureKind } from '#kernel/errors/failure';

const table = {
  BLOB_UNKNOWN: ['notFound', 'The repository holds no such blob.'],
  BLOB_UPLOAD_INVALID: ['invalid', 'The upload cannot go on like this.'],
  BLOB_UPLOAD_UNKNOWN: [
    'notFound',
    'There is no such upload: it was finished, cancelled, or left for too long. Begin again.',
  ],
  DIGEST_INVALID: ['invalid', 'The digest is not the one of the content that arrived.'],
  MANIFEST_BLOB_UNKNOWN: ['notFound', 'The manifest names content that the repository does not hold. Push that first.'],
  MANIFEST_INVALID: ['invalid', 'The manifest is not well-formed.'],
  MANIFEST_UNKNOWN: ['notFound', 'The repository holds no such manifest.'],
  NAME_INVALID: [
    'invalid',
    'A repository is named {registry}/{path}: lower-case letters and digits, joined by . _ __ - and /, at most 255 characters.',
  ],
  NAME_UNKNOWN: ['notFound', 'There is no such repository.'],
  SIZE_INVALID: ['invalid', 'The size is not the one that was announced.'],
  UNAUTHORIZED: ['unauthenticated', 'Authentication is needed. Ask for a token at the address in WWW-Authenticate.'],
  DENIED: ['forbidden', 'The request is not authorized to do this here.'],
  UNSUPPORTED: ['methodNotAllowed', 'This is not supported here.'],
  TOOMANYREQUESTS: ['throttled', 'Too much is asked for at once. Try again later.'],
} as const satisfies Record<string, readonly [FailureKind, string]>;

export type OciCode = keyof typeof table;

/** A failure of the table; `message` replaces its sentence where more can be said, `kind` its status. */
export function failure(
  code: OciCode,
  more: {
    readonly message?: string;
    readonly target?: string;
    readonly kind?: FailureKind;
    readonly headers?: Readonly<Record<string, string>>;
    readonly cause?: unknown;
  } = {},
): Failure {
  const [kind, message] = table[code];
  return new Failure({ kind, code, message, ...more });
}

/** The code of the specification for a failure of any room. */
export function ociCodeOf({ code, kind }: Failure): OciCode | 'UNKNOWN' {
  if (Object.hasOwn(table, code)) return code as OciCode; // the very names of the table
  switch (kind) {
    case 'unauthenticated':
      return 'UNAUTHORIZED';
    case 'forbidden':
    // A quota, or the disk: clients try whatever else again.
    case 'full':
      return 'DENIED';
    case 'notFound':
      return 'NAME_UNKNOWN';
    case 'tooLarge':
      return 'SIZE_INVALID';
    case 'throttled':
      return 'TOOMANYREQUESTS';
    case 'invalid':
    case 'methodNotAllowed':
    case 'notImplemented':
    case 'rangeNotSatisfiable':
    case 'unsupportedMedia':
      return 'UNSUPPORTED';
    default:
      return 'UNKNOWN';
  }
}
