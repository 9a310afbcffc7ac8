// How vaults are addressed: the host of each vault, the default vault at the root of the server's own host, and a path with
// the vault's name for clients that can resolve neither. And back: which vault, key and version a key identifier means.
// Ports are not compared: what stands before the server may listen on another one.

import type { Failure } from '#kernel/errors/failure';
import type { Exchange } from '#kernel/http/exchange';
import type { Target } from '#kernel/http/target';
import { vaultFailures } from './vault.errors.ts';

export type Addresses = {
  /** Canonical segments, `vaults/{vault}/…`, or undefined when the request is not for a vault. */
  recognise(target: Target): readonly string[] | undefined;
  /** `https://{name}.vault.{domain}/`. */
  vaultUri(name: string): string;
  /** What ids in an answer begin with, in the form that the request came in. */
  idBase(exchange: Exchange, vault: string): string;
  /**
   * The audience that a client must ask a token for, the same for every vault. Clients insist that the request's host ends with
   * it (one compares with the port, another without); at the root of the origin no audience can satisfy them, so that a client
   * of the vault there turns this check off.
   */
  readonly resource: string;
  /** Throws `InvalidKeyIdentifier`. */
  parseKeyIdentifier(identifier: string): ObjectIdentifier;
  /** Throws `InvalidSecretIdentifier`. */
  parseSecretIdentifier(identifier: string): ObjectIdentifier;
};

export type ObjectIdentifier = { readonly vault: string; readonly name: string; readonly version: string | undefined };

const collections = new Set([
  ...['secrets', 'keys', 'deletedsecrets', 'deletedkeys'],
  // Not served, and refused by name.
  ...['certificates', 'deletedcertificates'],
]);
const identifierLengthMax = 1024;

export function createAddresses(options: {
  /** Host that clients use, with the port if it is not 443: `localhost:8443`. */
  readonly domain: string;
  /** Name of the vault at the root, while it exists. */
  readonly defaultVault: () => string | undefined;
}): Addresses {
  const { domain, defaultVault } = options;

  /** Label before `.vault.{domain}`; undefined for other hosts. */
  function vaultOfHost(hostname: string): string | undefined {
    const suffix = `.vault.${hostnameOf(domain)}`;
    if (!hostname.endsWith(suffix)) return undefined;
    const label = hostname.slice(0, -suffix.length);
    return label !== '' && !label.includes('.') ? label : undefined;
  }

  /** Hosts below the domain belong to other surfaces: their `/keys` is a container of theirs. */
  function isRoot(hostname: string): boolean {
    return !hostname.endsWith(`.${hostnameOf(domain)}`);
  }

  const identifies =
    (of: 'keys' | 'secrets', invalid: (why: string) => Failure) =>
    (identifier: string): ObjectIdentifier => {
      if (identifier.length > identifierLengthMax) throw invalid(`it is longer than ${identifierLengthMax} characters`);
      const url = URL.parse(identifier);
      if (url === null || url.protocol !== 'https:') throw invalid('it is not an https address');
      if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
        throw invalid('it has a user, a query or a fragment');
      const own = hostnameOf(domain);
      const isOwnRoot = url.hostname === own || url.hostname === '127.0.0.1' || url.hostname === '[::1]';
      const vault = vaultOfHost(url.hostname) ?? (isOwnRoot ? defaultVault() : undefined);
      if (vault === undefined) throw invalid(`'${url.hostname}' is no key vault of this server`);
      const [collection, name, version, ...more] = url.pathname.replace(/^\/|\/$/g, '').split('/');
      if (collection !== of || name === undefined || more.length > 0)
        throw invalid(`its path is not /${of}/{name}/{version}`);
      if (!objectName.test(name)) throw invalid(`the name of the ${of === 'keys' ? 'key' : 'secret'} is not one`);
      if (version !== undefined && !objectVersion.test(version))
        throw invalid('the version is not 32 hexadecimal digits');
      return { vault, name, version: version?.toLowerCase() };
    };

  return {
    recognise({ host, segments, named: path }) {
      const hostname = hostnameOf(host);
      const label = vaultOfHost(hostname);
      if (label !== undefined) return ['vaults', label, ...segments];
      if (!isRoot(hostname)) return undefined;
      const first = path[0]?.toLowerCase() ?? '';
      if (first === 'vaults') return path;
      if (!collections.has(first)) return undefined;
      const vault = defaultVault();
      return vault === undefined ? undefined : ['vaults', vault, ...path];
    },
    vaultUri: (name) => `https://${name.toLowerCase()}.vault.${domain}/`,
    idBase({ target }, vault) {
      const isByPath =
        vaultOfHost(hostnameOf(target.host)) === undefined &&
        target.segments.find((segment) => segment !== '')?.toLowerCase() === 'vaults';
      // Clients parse ids strictly: a prefix before the collection would break them, so a path is answered with the host.
      return isByPath ? `https://${vault.toLowerCase()}.vault.${domain}` : target.origin;
    },
    resource: `https://vault.${domain}`,
    parseKeyIdentifier: identifies('keys', vaultFailures.InvalidKeyIdentifier),
    parseSecretIdentifier: identifies('secrets', vaultFailures.InvalidSecretIdentifier),
  };
}

export const objectName = /^[0-9a-zA-Z-]{1,127}$/;
export const objectVersion = /^[0-9a-fA-F]{32}$/;

/** Every well-formed version is taken: the shapes of the ones in use do not differ in what is served. */
const apiVersion = /^\d{1,4}\.\d{1,4}(-preview(\.\d{1,3})?)?$|^\d{4}-\d{2}-\d{2}(-[a-z0-9.]{1,20})?$/;

export function checkApiVersion({ target }: Exchange): void {
  const version = target.query.get('api-version');
  if (version !== undefined && !apiVersion.test(version)) {
    throw vaultFailures.badApiVersion();
  }
}

function hostnameOf(host: string): string {
  return host.toLowerCase().replace(/:\d+$/, '');
}
