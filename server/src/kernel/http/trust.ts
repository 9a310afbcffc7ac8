// Whom a client of this server has to trust: what is told before there is a connection to be trusted, as certificates and as
// fingerprints that people compare.

import { type Certificate, readCertificates } from '#kernel/crypto/certificate';
import type { OutsideLeaf } from '#kernel/http/certificate-files';

export type Anchor = Pick<Certificate, 'name' | 'fingerprint' | 'notAfter'>;

/** Read anew at each use: certificate files may have been replaced. */
export type Trust = {
  /** The server's own authority first, then the one of its certificate files, where that was named. */
  readonly anchors: readonly Anchor[];
  /** All of them, in PEM. */
  readonly pem: string;
  /** Who issued the certificate that clients of this name are shown; undefined: the server's own authority. */
  issuerOf(host: string): string | undefined;
};

/** @param outside what is shown of certificate files at this moment */
export function createTrust(ownPem: string, outside: () => OutsideLeaf | undefined): Trust {
  const own = readCertificates(ownPem);
  const all = () => [...own, ...readCertificates(outside()?.authorityPem ?? '')];
  return {
    get anchors() {
      return all();
    },
    get pem() {
      return all()
        .map(({ pem }) => pem)
        .join('');
    },
    issuerOf: (host) => (outside()?.covers(host) === true ? outside()?.issuer : undefined),
  };
}
