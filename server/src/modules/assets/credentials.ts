// Looks for credentials that were left in a snapshot by mistake: private keys, cloud keys, connection strings, tokens. It
// reads the first mebibyte of each file as it passes and keeps nothing. Linear patterns only; a miss is possible, a false
// alarm is answered with a flag.

import { Transform } from 'node:stream';

const patterns: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['a private key', /-----BEGIN (?:[A-Z]{2,12} ){0,2}PRIVATE KEY-----/],
  ['an AWS access key', /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/],
  ['a storage account key', /AccountKey=[A-Za-z0-9+/]{80}/],
  ['a shared access signature', /[?&]sig=[A-Za-z0-9%+/]{40}/],
  ['a GitHub token', /\bgh[pousr]_[A-Za-z0-9]{36}/],
  ['a Slack token', /\bxox[abprs]-[A-Za-z0-9-]{20}/],
  ['an Azure client secret', /\b[A-Za-z0-9_~.-]{3}8Q~[A-Za-z0-9_~.-]{34}\b/],
  // A start within a run of the same letters is no start: so each run is read once, whatever it holds.
  ['a JSON web token', /(?<![\w-])eyJ[\w-]{20,400}\.eyJ[\w-]{20,4000}\.[\w-]{20}/],
];

const scannedBytes = 1024 * 1024;

/** What the text seems to hold, or undefined. */
export function findCredential(text: string): string | undefined {
  return patterns.find(([, pattern]) => pattern.test(text))?.[0];
}

/** Passes bytes on and calls `found` once if its first mebibyte holds something that looks like a credential. */
export function credentialScanner(found: (what: string) => void): Transform {
  const chunks: Buffer[] = [];
  let kept = 0;
  const scan = () => {
    const what = findCredential(Buffer.concat(chunks).toString('latin1'));
    chunks.length = 0;
    if (what !== undefined) found(what);
  };
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (kept < scannedBytes) {
        chunks.push(chunk.subarray(0, scannedBytes - kept));
        kept += chunk.length;
        if (kept >= scannedBytes) scan();
      }
      done(null, chunk);
    },
    flush(done) {
      if (chunks.length > 0) scan();
      done();
    },
  });
}
