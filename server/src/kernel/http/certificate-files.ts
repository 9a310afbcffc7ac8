// A certificate that comes from somebody else's authority, in files: checked whole before it is shown to anybody, and read
// again when the files change. What is wrong with it is refused by name at the start; later the one before stays in use.

import { readFile, stat } from 'node:fs/promises';
import type { Clock } from '#kernel/clock/clock';
import { type Certificate, readCertificates } from '#kernel/crypto/certificate';
import { sha256Hex } from '#kernel/crypto/digest';
import type { Log } from '#kernel/log/log';
import type { Leaf } from './certificates.ts';
import { httpFailures } from './http.errors.ts';

/** Paths; `authorityFile` may be empty: the authority is one that every client knows already. */
export type CertificateFiles = {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly authorityFile: string;
};

/** A certificate for some names; whoever asks for another one is shown the server's own. */
export type OutsideLeaf = Leaf & {
  readonly issuer: string;
  readonly authorityPem: string | undefined;
  /** Tells one content of the files from another. */
  readonly digest: string;
  covers(host: string): boolean;
};

const lookEveryMs = 10_000;
const fileBytesMax = 1_048_576;
const worldReadable = 0o004;

/**
 * @param names `domain`: what clients call the server, which the certificate must be for; `agentHost`: what the agent of this
 * machine calls it, which it can only where it knows the authority
 * @throws Failure `invalid` that names everything that is wrong
 */
export async function readCertificateFiles(
  files: CertificateFiles,
  names: { readonly domain: string; readonly agentHost: string },
  now: Date,
): Promise<OutsideLeaf> {
  const mistakes: string[] = [];
  const text = async (setting: keyof CertificateFiles): Promise<string> => {
    const file = files[setting];
    try {
      const { size, mode } = await stat(file);
      if (size > fileBytesMax) throw new Error('it is longer than a megabyte');
      if (setting === 'keyFile' && (mode & worldReadable) !== 0)
        throw new Error('everybody on this machine may read it; take that away (chmod o-r)');
      return await readFile(file, 'utf8');
    } catch (thrown) {
      mistakes.push(`http.tls.${setting} (${file}) cannot be used: ${reasonOf(thrown)}`);
      return '';
    }
  };
  const [certificatePem, privateKeyPem] = [await text('certificateFile'), await text('keyFile')];
  const authorityPem = files.authorityFile === '' ? undefined : await text('authorityFile');
  const chain = certificatesIn(certificatePem, `http.tls.certificateFile (${files.certificateFile})`, mistakes);
  const authorities = certificatesIn(authorityPem ?? '', `http.tls.authorityFile (${files.authorityFile})`, mistakes);
  const [leaf] = chain;
  if (leaf !== undefined) {
    const title = `the certificate '${leaf.name}' in ${files.certificateFile}`;
    if (privateKeyPem !== '' && !isKeyOf(leaf, privateKeyPem))
      mistakes.push(`the key in ${files.keyFile} is not the key of ${title}`);
    if (leaf.notAfter <= now) mistakes.push(`${title} ended at ${leaf.notAfter.toISOString()}`);
    if (leaf.notBefore > now) mistakes.push(`${title} begins at ${leaf.notBefore.toISOString()}`);
    if (!leaf.covers(names.domain)) mistakes.push(`${title} is not for http.domain, ${names.domain}`);
    if (leaf.covers(names.agentHost) && authorities.length === 0)
      mistakes.push(
        `${title} is for ${names.agentHost} too, where the agent of this machine calls: name its authority in http.tls.authorityFile`,
      );
  }
  for (const { isAuthority, name } of authorities)
    if (!isAuthority) mistakes.push(`'${name}' in ${files.authorityFile} is no certificate of an authority`);
  if (mistakes.length > 0 || leaf === undefined) throw httpFailures.InvalidCertificate(mistakes);
  return {
    certificatePem,
    privateKeyPem,
    notAfter: leaf.notAfter,
    issuer: leaf.issuer,
    authorityPem,
    digest: sha256Hex(JSON.stringify([certificatePem, privateKeyPem, authorityPem])),
    covers: leaf.covers,
  };
}

function certificatesIn(pem: string, title: string, mistakes: string[]): readonly Certificate[] {
  if (pem === '') return [];
  try {
    const found = readCertificates(pem);
    if (found.length === 0) mistakes.push(`${title} holds no certificate in PEM`);
    return found;
  } catch {
    mistakes.push(`${title} holds a certificate that cannot be read`);
    return [];
  }
}

function isKeyOf(leaf: Certificate, privateKeyPem: string): boolean {
  try {
    return leaf.belongsTo(privateKeyPem);
  } catch {
    return false; // no key at all, or one under a password, which nobody is there to type
  }
}

const reasonOf = (thrown: unknown): string =>
  thrown instanceof Error ? (thrown.message.split('\n')[0] ?? '') : 'unknown reason';

/** Looks at the files until the signal. Never throws. */
export async function keepReloaded(options: {
  readonly present: OutsideLeaf;
  readonly read: () => Promise<OutsideLeaf>;
  readonly use: (leaf: OutsideLeaf) => Promise<void> | void;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'error'>;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { read, use, clock, log, signal } = options;
  let { present } = options;
  let trouble = '';
  let told = '';
  const slept = () =>
    clock.sleep(lookEveryMs, signal).then(
      () => true,
      () => false,
    );
  while (await slept()) {
    try {
      const found = await read();
      trouble = '';
      told = '';
      if (found.digest === present.digest) continue;
      await use(found);
      present = found;
      log.info({ notAfter: found.notAfter.toISOString() }, 'the certificate files were read again');
    } catch (error) {
      // Two files cannot be replaced at once: what is wrong at one look is told if it is still so at the next, and once.
      const reason = reasonWhole(error);
      if (reason === trouble && reason !== told) {
        told = reason;
        log.error(
          { reason, notAfter: present.notAfter.toISOString() },
          'the certificate files cannot be used; the one before stays',
        );
      }
      trouble = reason;
    }
  }
}

const reasonWhole = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));
