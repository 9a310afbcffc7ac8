// X.509 certificates that others made, read and described: names, dates, who issued them, whether a key is theirs. Nothing is
// verified here against anything; whoever connects does that.

import { createPrivateKey, X509Certificate } from 'node:crypto';

export type Certificate = {
  /** The common name, or the whole subject where there is none. */
  readonly name: string;
  readonly issuer: string;
  /** `sha256:` and 64 lower-case hexadecimal digits, over the DER form. */
  readonly fingerprint: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly isAuthority: boolean;
  readonly pem: string;
  /** Whether it is made for this host name or address: by its alternative names, wildcards of one label included. */
  covers(host: string): boolean;
  /** Whether this private key, in PEM, is the other half of it. Throws where that is no key, or one under a password. */
  belongsTo(privateKeyPem: string): boolean;
};

const commonName = (subject: string | undefined): string =>
  /^CN=(.+)$/m.exec(subject ?? '')?.[1] ?? (subject ?? '').split('\n').join(', ');

/** Fails closed: strangers choose what they ask for, and what is neither a name nor an address is covered by nothing. */
function covers(certificate: X509Certificate, host: string): boolean {
  try {
    if (/^[\d.]+$|:/.test(host)) return certificate.checkIP(host) !== undefined;
    // Only what a host name has: a NUL would end the name early for what compares it.
    return /^[\w.-]+$/.test(host) && certificate.checkHost(host, { subject: 'never' }) !== undefined;
  } catch {
    return false;
  }
}

function describe(pem: string): Certificate {
  const read = new X509Certificate(pem);
  return {
    name: commonName(read.subject),
    issuer: commonName(read.issuer),
    fingerprint: `sha256:${read.fingerprint256.replaceAll(':', '').toLowerCase()}`,
    notBefore: new Date(read.validFrom),
    notAfter: new Date(read.validTo),
    isAuthority: read.ca,
    pem: read.toString(),
    covers: (host) => covers(read, host),
    belongsTo: (privateKeyPem) => read.checkPrivateKey(createPrivateKey(privateKeyPem)),
  };
}

/** Every certificate of a PEM file, in its order. Throws where one cannot be read; none at all is an empty list. */
export const readCertificates = (pem: string): readonly Certificate[] =>
  (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(describe);
