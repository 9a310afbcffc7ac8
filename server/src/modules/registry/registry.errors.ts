// What registries refuse, with the codes of the OCI distribution specification 1.1 ("Error Codes"), and what the registry as a
// resource refuses.

import { defineFailures } from '#kernel/errors/failures';

export const registryFailures = defineFailures(
  'registry',
  {
    BLOB_UNKNOWN: { kind: 'notFound', say: 'The repository holds no such blob.' },
    chunkRange: {
      kind: 'invalid',
      code: 'BLOB_UPLOAD_INVALID',
      say: 'The Content-Range of a chunk is {first byte}-{last byte}.',
    },
    uploadBusy: {
      kind: 'conflict',
      code: 'BLOB_UPLOAD_INVALID',
      say: 'Another request of this upload is running.',
    },
    uploadElsewhere: {
      kind: 'rangeNotSatisfiable',
      code: 'BLOB_UPLOAD_INVALID',
      meaning: 'A chunk does not begin where the upload has come to.',
      remedy: 'Go on where the header Range says.',
      say: (start: number, range: string) => ({
        message: `The upload goes on at byte ${start}.`,
        headers: { range },
      }),
    },
    uploadInPieces: {
      kind: 'invalid',
      code: 'BLOB_UPLOAD_INVALID',
      meaning: 'An upload has come in too many pieces.',
      remedy: 'Begin again with larger ones.',
      say: (pieces: number) => `An upload has at most ${pieces} pieces.`,
    },
    BLOB_UPLOAD_UNKNOWN: {
      kind: 'notFound',
      say: 'There is no such upload: it was finished, cancelled, or left for too long. Begin again.',
    },
    DIGEST_INVALID: { kind: 'invalid', say: 'The digest is not the one of the content that arrived.' },
    noDigest: {
      kind: 'invalid',
      code: 'DIGEST_INVALID',
      say: 'A digest is sha256: and 64 lower-case hexadecimal digits. Other algorithms, sha512 among them, are not served.',
    },
    MANIFEST_BLOB_UNKNOWN: {
      kind: 'notFound',
      meaning: 'The manifest names content that the repository does not hold.',
      remedy: 'Push that first.',
      say: (digest: string) => ({
        message: 'The manifest names content that the repository does not hold. Push that first.',
        target: digest,
      }),
    },
    MANIFEST_INVALID: {
      kind: 'invalid',
      meaning: 'The manifest is not well-formed.',
      remedy: 'The message says what is wrong with it.',
      say: (why: string, cause: unknown) => ({ message: `The manifest is not well-formed: ${why}`, cause }),
    },
    manifestType: {
      kind: 'unsupportedMedia',
      code: 'MANIFEST_INVALID',
      meaning: 'The Content-Type is that of no manifest that is served.',
      remedy: 'Push the image in the format of OCI or Docker (schema 2).',
      say: (types: readonly string[]) => `The Content-Type of a manifest is one of ${types.join(', ')}.`,
    },
    manifestTypesDiffer: {
      kind: 'invalid',
      code: 'MANIFEST_INVALID',
      say: 'The mediaType in the manifest is not the one of its Content-Type.',
    },
    manifestLacks: {
      kind: 'invalid',
      code: 'MANIFEST_INVALID',
      meaning: 'The manifest lacks what its media type asks for.',
      remedy: 'The message names it.',
      say: (name: string) => `A manifest of this media type has no '${name}'.`,
    },
    badTag: {
      kind: 'invalid',
      code: 'MANIFEST_INVALID',
      say: 'A tag has 1 to 128 letters, digits, dots, dashes and underscores, and begins with none of . and -.',
    },
    pushedAsAnotherType: {
      kind: 'invalid',
      code: 'MANIFEST_INVALID',
      say: 'The same bytes were pushed as another media type before.',
    },
    listedAsAnotherType: {
      kind: 'invalid',
      code: 'MANIFEST_INVALID',
      meaning: 'An index gives a manifest another media type than it was pushed with.',
      remedy: 'Send the media type that it has.',
      say: (digest: string) => ({
        target: digest,
        message: 'The index gives a manifest another media type than it was pushed with.',
      }),
    },
    listedInAnotherSize: {
      kind: 'invalid',
      code: 'MANIFEST_INVALID',
      meaning: 'A manifest gives its content another size than it has.',
      remedy: 'Send the size that it has.',
      say: (digest: string) => ({
        target: digest,
        message: 'The manifest gives its content another size than it has.',
      }),
    },
    MANIFEST_UNKNOWN: { kind: 'notFound', say: 'The repository holds no such manifest.' },
    unknownTag: { kind: 'notFound', code: 'MANIFEST_UNKNOWN', say: 'The repository holds no such tag.' },
    NAME_INVALID: {
      kind: 'invalid',
      say: 'A repository is named {registry}/{path}: lower-case letters and digits, joined by . _ __ - and /, at most 255 characters.',
    },
    NAME_UNKNOWN: { kind: 'notFound', say: 'There is no such repository.' },
    unknownRegistry: { kind: 'notFound', code: 'NAME_UNKNOWN', say: 'There is no such registry.' },
    chunkSize: {
      kind: 'invalid',
      code: 'SIZE_INVALID',
      say: 'The chunk has another length than its Content-Range says.',
    },
    manifestTooLarge: {
      kind: 'tooLarge',
      code: 'SIZE_INVALID',
      meaning: 'A manifest is larger than manifests can be.',
      remedy: 'Put what it carries into a blob.',
      say: (maxBytes: number) => `A manifest has at most ${maxBytes} bytes.`,
    },
    catalogNotListed: {
      kind: 'unauthenticated',
      code: 'UNAUTHORIZED',
      say: 'The token does not list registry:catalog:*. Ask for one that does.',
    },
    actionNotListed: {
      kind: 'unauthenticated',
      code: 'UNAUTHORIZED',
      meaning: 'The token does not list what was asked for.',
      remedy: 'Ask for one that does, at the address in WWW-Authenticate.',
      say: (action: string, repository: string) =>
        `The token does not list ${action} for ${repository}. Ask for one that does.`,
    },
    accessTokenEnded: {
      kind: 'unauthenticated',
      code: 'UNAUTHORIZED',
      say: 'The access token has ended. Sign in again.',
    },
    registryGone: {
      kind: 'unauthenticated',
      code: 'UNAUTHORIZED',
      say: 'The registry that this token was made for is gone.',
    },
    pullsNothing: { kind: 'unauthenticated', code: 'UNAUTHORIZED', say: 'This token does not say what it pulls.' },
    notOurToken: {
      kind: 'unauthenticated',
      code: 'UNAUTHORIZED',
      say: 'This is not an access token of this server.',
    },
    noPasswords: {
      kind: 'unauthenticated',
      code: 'UNAUTHORIZED',
      meaning: 'A user name and a password do not open a registry.',
      remedy: 'Sign in with a client id and its secret, or with a token.',
      say: (tokenUser: string) => `Sign in with a client id and its secret, or with ${tokenUser} and a token.`,
    },
    DENIED: { kind: 'forbidden', say: 'The request is not authorized to do this here.' },
    blobNeeded: {
      kind: 'methodNotAllowed',
      code: 'UNSUPPORTED',
      meaning: 'A blob is to be deleted that a manifest needs.',
      remedy: 'Delete the manifest first.',
      say: (manifest: string) => `The manifest ${manifest} needs this blob. Delete the manifest first.`,
    },
    manifestListed: {
      kind: 'methodNotAllowed',
      code: 'UNSUPPORTED',
      meaning: 'A manifest is to be deleted that an index lists.',
      remedy: 'Delete the index first.',
      say: (index: string) => `The index ${index} lists this manifest. Delete the index first.`,
    },
    locksNotServed: {
      kind: 'methodNotAllowed',
      code: 'UNSUPPORTED',
      say: 'Images and tags cannot be locked here. Give others AcrPull, which pulls and changes nothing.',
    },
    blobRange: {
      kind: 'rangeNotSatisfiable',
      code: 'UNSUPPORTED',
      meaning: 'The range begins behind the end of the blob.',
      remedy: 'Content-Range says how long it is.',
      say: (size: number) => ({
        message: 'The range begins behind the end of the blob.',
        headers: { 'content-range': `bytes */${size}` },
      }),
    },
    unknownOrder: {
      kind: 'invalid',
      code: 'UNSUPPORTED',
      meaning: 'A list is asked for in an order that there is not.',
      remedy: 'Leave orderby out, or send one of those.',
      say: () => ({ target: 'orderby', message: 'orderby is none, timeasc or timedesc.' }),
    },
    badLast: {
      kind: 'invalid',
      code: 'UNSUPPORTED',
      meaning: 'A list in an order by time is to go on where no page ended.',
      remedy: 'Follow the link to the next page.',
      say: () => ({
        target: 'last',
        message: 'In an order by time, last is what the link to the next page says.',
      }),
    },
    badPageSize: { kind: 'invalid', code: 'UNSUPPORTED', say: 'n is a number of entries.' },
    otherService: {
      kind: 'invalid',
      code: 'UNSUPPORTED',
      meaning: 'A token is asked for another service than this registry.',
      remedy: 'Send the service of the challenge.',
      say: (domain: string) => ({
        target: 'service',
        message: `This is the registry '${domain}'. Send that as the service.`,
      }),
    },
    unknownGrant: {
      kind: 'invalid',
      code: 'UNSUPPORTED',
      meaning: 'A token is asked for by a grant_type that this address does not serve.',
      remedy: 'Send one that the message names.',
      say: (known: string) => ({ target: 'grant_type', message: `The grant_type here is ${known}.` }),
    },
    tooManyScopes: {
      kind: 'invalid',
      code: 'UNSUPPORTED',
      meaning: 'A token is asked for more scopes than one may list.',
      remedy: 'Ask for several tokens.',
      say: (max: number) => `At most ${max} scopes can be asked for at once.`,
    },
    TOOMANYREQUESTS: { kind: 'throttled', say: 'Too much is asked for at once. Try again later.' },
    InvalidLifetime: {
      kind: 'invalid',
      meaning: 'A token to pull an image is to live for no time, or for too long.',
      remedy: 'Ask for a shorter one.',
      say: (maxSeconds: number) => `A token to pull an image lives 1 to ${maxSeconds} seconds.`,
    },

    // ---- the registry as a resource ---------------------------------------------------------------------------------

    InvalidRequestPropertyValue: {
      kind: 'invalid',
      meaning: 'A property of a registry has a value that is refused rather than taken and ignored.',
      remedy: 'The message says which values there are.',
      say: (target: string, why: string) => ({ target, message: `${target}: ${why}.` }),
    },
    AlreadyInUse: {
      kind: 'conflict',
      meaning: 'Another registry of this server has the name.',
      remedy: 'Choose another name.',
      say: (name: string) => ({
        target: 'name',
        message: `The registry name '${name}' is already in use on this server. Choose another name.`,
      }),
    },
  },
  { fewWords: 'the specification has fourteen codes for all that a registry refuses; statuses tell the cases apart' },
);
