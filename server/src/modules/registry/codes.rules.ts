// Which code of the OCI distribution specification 1.1 ("Error Codes") says what any room refuses.

import type { Failure } from '#kernel/errors/failure';

const codes = [
  'BLOB_UNKNOWN',
  'BLOB_UPLOAD_INVALID',
  'BLOB_UPLOAD_UNKNOWN',
  'DIGEST_INVALID',
  'MANIFEST_BLOB_UNKNOWN',
  'MANIFEST_INVALID',
  'MANIFEST_UNKNOWN',
  'NAME_INVALID',
  'NAME_UNKNOWN',
  'SIZE_INVALID',
  'UNAUTHORIZED',
  'DENIED',
  'UNSUPPORTED',
  'TOOMANYREQUESTS',
] as const;

export type OciCode = (typeof codes)[number];

/** The code of the specification for a failure of any room. */
export function ociCodeOf({ code, kind }: Failure): OciCode | 'UNKNOWN' {
  const known = codes.find((one) => one === code);
  if (known !== undefined) return known;
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
