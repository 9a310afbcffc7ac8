// The server's own certificate authority: an ECDSA P-256 root that lives sealed in the keyring, and short-lived leaf
// certificates that are made in memory at each start and renewed before they end. Nothing here writes a private key in
// the clear: the caller seals what `createAuthority` answers. RFC 5280 profiles; names as subject alternative names.

// @peculiar/x509 resolves its parts by decorators, which need this polyfill before it loads.
import { isIP } from 'node:net';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { randomBytes, subtle } from '#kernel/crypto/web';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const dayMs = 86_400_000;
const authorityDays = 3650;
/** Leaves end soon and are renewed at two thirds of their life, so that a leaked one is of little use. */
export const leafDays = 30;

x509.cryptoProvider.set({ subtle } as never);

export type Authority = {
  /** PEM of the root certificate: what clients trust. */
  readonly certificatePem: string;
  /** PKCS#8 DER. Seal it. */
  readonly privateKey: Uint8Array;
};

export type Leaf = { readonly certificatePem: string; readonly privateKeyPem: string; readonly notAfter: Date };

const pem = (label: string, der: ArrayBuffer) =>
  `-----BEGIN ${label}-----\n${Buffer.from(der)
    .toString('base64')
    .replace(/(.{64})/g, '$1\n')
    .trimEnd()}\n-----END ${label}-----\n`;
const serialNumber = () => {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0] ?? 0) & 0x7f; // RFC 5280 4.1.2.2: a positive integer
  return Buffer.from(bytes).toString('hex');
};

/** A new root, valid for ten years. `name` tells installations apart in a trust store. */
export async function createAuthority(name: string, now: Date): Promise<Authority> {
  const keys = await subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: `CN=${name}, O=Strongroom`,
    notBefore: new Date(now.getTime() - 5 * 60_000),
    notAfter: new Date(now.getTime() + authorityDays * dayMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return {
    certificatePem: `${certificate.toString('pem')}\n`,
    privateKey: new Uint8Array(await subtle.exportKey('pkcs8', keys.privateKey)),
  };
}

/** A server certificate for DNS names (wildcards of one label allowed) and addresses. */
export async function issueLeaf(
  authority: Authority,
  names: readonly string[],
  addresses: readonly string[],
  now: Date,
): Promise<Leaf> {
  const root = new x509.X509Certificate(authority.certificatePem);
  const signingKey = await subtle.importKey('pkcs8', Buffer.from(authority.privateKey), algorithm, false, ['sign']);
  const keys = await subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const notAfter = new Date(now.getTime() + leafDays * dayMs);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: `CN=${names[0] ?? addresses[0] ?? 'localhost'}`,
    issuer: root.subject,
    notBefore: new Date(now.getTime() - 5 * 60_000),
    notAfter,
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([
        ...names.map((value) => ({ type: 'dns' as const, value })),
        ...addresses.map((value) => ({ type: 'ip' as const, value })),
      ]),
      await x509.AuthorityKeyIdentifierExtension.create(root.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return {
    certificatePem: `${certificate.toString('pem')}\n`,
    privateKeyPem: pem('PRIVATE KEY', await subtle.exportKey('pkcs8', keys.privateKey)),
    notAfter,
  };
}

/** Listens on every address, or on the one that `localhost` leads to. */
const isAnyOrLoopback = (host: string): boolean => ['0.0.0.0', '::', '127.0.0.1', '::1', 'localhost'].includes(host);

/** What a process on this machine calls a server that listens there: by a name or address that `namesOf` certifies. */
export function originHere(host: string, port: number): string {
  if (isAnyOrLoopback(host)) return `https://localhost:${port}`;
  return `https://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

/**
 * The names that one origin answers to: itself, vaults and accounts as virtual hosts, loopback addresses, and the address
 * that it listens on. Of an account's hosts one is served; the others are certified too, because clients build them from the one
 * suffix, and where the handshake fails they try for a minute and are told nothing.
 */
export function namesOf(
  domainHost: string,
  host = '127.0.0.1',
  aliases: readonly string[] = [],
): {
  readonly names: readonly string[];
  readonly addresses: readonly string[];
} {
  const isOwn = !isAnyOrLoopback(host);
  const services = ['blob', 'dfs', 'file', 'queue', 'table', 'web'] as const;
  const below = (name: string) => [name, `*.vault.${name}`, ...services.map((one) => `*.${one}.storage.${name}`)];
  const names = [...below(domainHost), 'localhost', ...aliases.flatMap(below)];
  return {
    names: [...new Set([...names, ...(isOwn && isIP(host) === 0 ? [host] : [])])],
    addresses: ['127.0.0.1', '::1', ...(isOwn && isIP(host) !== 0 ? [host] : [])],
  };
}
