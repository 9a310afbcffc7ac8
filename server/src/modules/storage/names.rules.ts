// What accounts, containers, blobs and their metadata may be called. Names never become paths on disk, so the rules here
// protect readers further on (XML, headers, folders that somebody downloads into) rather than this module.
// Source: Azure Storage, "Naming and referencing containers, blobs, and metadata".

import { storageFailures } from './storage.errors.ts';

export const accountNamePattern = /^[a-z0-9]{3,24}$/;
export const accountNameRule = 'lower-case letters and digits, 3 to 24 of them';

/** First segments of the origin that belong to other protocols: an account of such a name could not be reached in path style. */
export const reservedAccountNames: ReadonlySet<string> = new Set([
  ...['subscriptions', 'providers', 'tenants', 'metadata', 'adfs', 'common', 'organizations', 'consumers', 'discovery'],
  ...['secrets', 'keys', 'certificates', 'deletedsecrets', 'deletedkeys', 'deletedcertificates', 'vaults', 'storage'],
  ...['history', 'artifact', 'mlflow', 'msgraph', 'scim', 'endpoints', 'agent', 'identity', 'portal', 'healthz'],
  ...['readyz', 'metrics', 'oauth2', 'rng', 'blob', 'login', 'api', 'static', 'assets', 'favicon', 'robots'],
]);

export const blobNameCharactersMax = 1024;
const containerName = /^(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*$/;
// Control characters, and the three code points that XML cannot carry or that close a range of names (see `behind`).
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is being refused.
const forbiddenInNames = /[\x00-\x1f\x7f\ufffe\uffff\u{10ffff}]/u;

export function requireContainerName(name: string): void {
  if (containerName.test(name)) return;
  if (/^\$(logs|root|web|blobchangefeed)$/.test(name))
    throw storageFailures.ContainerNotFound({
      message:
        'Containers whose names begin with $ belong to features of Azure that are not served here: there are none.',
    });
  throw storageFailures.InvalidResourceName(
    'A container name has 3 to 63 lower-case letters, digits and single dashes, and begins and ends with a letter or digit.',
  );
}

/** The name that a path means: the protocol takes a backslash in it for a slash. */
export const blobNameOf = (path: string): string => path.replaceAll('\\', '/');

export function requireBlobName(name: string): void {
  if (name.length === 0 || name.length > blobNameCharactersMax)
    throw storageFailures.InvalidResourceName(`A blob name has 1 to ${blobNameCharactersMax} characters.`);
  if (!name.isWellFormed() || forbiddenInNames.test(name))
    throw storageFailures.InvalidResourceName(
      'A blob name is well-formed Unicode without control characters and noncharacters.',
    );
  // Nobody could fetch it by its URL, and whoever downloads a folder would leave it.
  if (/(^|[/\\])\.{1,2}([/\\]|$)/.test(name))
    throw storageFailures.InvalidResourceName('A blob name has no dot segments (. or ..).');
}

/** A prefix of blob names; empty is everything. */
export function requirePrefix(prefix: string): void {
  if (prefix.length > blobNameCharactersMax || !prefix.isWellFormed() || forbiddenInNames.test(prefix))
    throw storageFailures.InvalidQueryParameterValue({ target: 'prefix' });
}

export type Metadata = Readonly<Record<string, string>>;

const metadataBytesMax = 8192;
const metadataName = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const metadataValue = /^[\x20-\x7e\xa0-\xff]*$/;

export function requireMetadata(metadata: Metadata): void {
  let bytes = 0;
  const seen = new Set<string>();
  for (const [name, value] of Object.entries(metadata)) {
    bytes += name.length + value.length;
    if (!metadataName.test(name) || !metadataValue.test(value) || seen.has(name.toLowerCase()) || name === '__proto__')
      throw storageFailures.InvalidMetadata();
    seen.add(name.toLowerCase());
  }
  if (bytes > metadataBytesMax) throw storageFailures.InvalidMetadata();
}

/** A header value that is kept and sent back: printable, bounded. */
export function requireHeaderValue(name: string, value: string): void {
  if (value.length > 1024 || !metadataValue.test(value)) throw storageFailures.InvalidHeaderValue({ target: name });
}

/** Sorts behind every name that continues `prefix`: names hold no U+10FFFF. */
export const behind = (prefix: string): string => `${prefix}\u{10ffff}`;
