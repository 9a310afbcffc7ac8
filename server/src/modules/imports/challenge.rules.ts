// What a registry answers to whoever has said nothing of himself: where to get a token. Sources: RFC 9110, 11.6.1
// (WWW-Authenticate); the token authentication of distribution/distribution. Pure.

export type Challenge =
  | { readonly scheme: 'bearer'; readonly realm: string; readonly service: string | undefined }
  /** Another one: a password. */
  | { readonly scheme: 'other' };

const headerMax = 4_096;
const parameter = /([a-z]{1,32})="([^"\\]{0,2048})"|([a-z]{1,32})=([^\s",]{1,2048})/gi;

/** Undefined: there is none. */
export function readChallenge(header: string | undefined): Challenge | undefined {
  if (header === undefined || header.length > headerMax) return undefined;
  const [, named] = /^Bearer\s+(.*)$/is.exec(header.trim()) ?? [];
  if (named === undefined) return { scheme: 'other' };
  const found = new Map<string, string>();
  for (const [, quoted, text, bare, word] of named.matchAll(parameter)) {
    const name = (quoted ?? bare ?? '').toLowerCase();
    if (!found.has(name)) found.set(name, text ?? word ?? '');
  }
  const realm = found.get('realm');
  return realm === undefined ? { scheme: 'other' } : { scheme: 'bearer', realm, service: found.get('service') };
}

/** The address of the token: of the realm and its service, for what is asked here and nothing that the challenge adds. */
export function tokenUrl({ realm, service }: Challenge & { scheme: 'bearer' }, repository: string): URL | undefined {
  if (!URL.canParse(realm)) return undefined;
  const url = new URL(realm);
  url.hash = '';
  if (service !== undefined) url.searchParams.set('service', service);
  url.searchParams.set('scope', `repository:${repository}:pull`);
  return url;
}

/** As it may stand in a header. */
export const isToken = (value: unknown): value is string =>
  typeof value === 'string' && /^[\x21-\x7e]{1,16384}$/.test(value);
