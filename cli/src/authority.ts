// The certificate authority of a server that is not trusted yet. It is fetched over a connection that is not verified, because
// nothing is known that could verify it; no credential goes that way and nothing that comes back is believed until its
// fingerprint is the one that somebody was told. Everything else goes through transport.ts, which verifies.

import { createHash, X509Certificate } from 'node:crypto';
import { chmodSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:https';
import { join } from 'node:path';
import { UsageError } from './exit.ts';
import { explainProxy, lookupHere, NoAnswer, proxyOf } from './transport.ts';

export type OfferedAuthority = { readonly name: string; readonly fingerprint: string; readonly pem: string };

const answerBytesMax = 64 * 1024;
const timeoutMs = 15_000;

/** `sha256:…` as the server prints it, or as other tools do: upper case, with colons, without the prefix. */
export function readFingerprint(text: string): string {
  const digits = text
    .trim()
    .replace(/^sha-?256[:=]\s*/i, '')
    .replaceAll(':', '')
    .toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(digits))
    throw new UsageError(
      `'${text}' is no fingerprint. It looks like sha256: and 64 hexadecimal digits; the server prints it when it starts.`,
    );
  return `sha256:${digits}`;
}

/** What the server at `url` hands out. Nothing of it is proven. */
export async function offeredAuthorities(
  url: string,
  environment: Readonly<Record<string, string | undefined>> = {},
): Promise<readonly OfferedAuthority[]> {
  const proxy = proxyOf(environment);
  const { origin, protocol, hostname, host } = new URL(url);
  if (protocol !== 'https:') throw new UsageError(`${origin} is not https: it has no certificate to trust.`);
  const isLocal = hostname === 'localhost' || hostname.endsWith('.localhost');
  const pem = await new Promise<string>((resolve, reject) => {
    const request = get(
      `${origin}/ca.pem`,
      // Not verified: see the head of this file.
      {
        rejectUnauthorized: false,
        agent: proxy === undefined ? false : new Agent(proxy.agentOptions),
        timeout: timeoutMs,
        ...(isLocal ? { lookup: lookupHere } : {}),
      },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
          if (text.length > answerBytesMax)
            answer.destroy(new NoAnswer(`What ${host} hands out as its authority is too long.`));
        });
        answer
          .on('error', reject)
          .on('end', () =>
            answer.statusCode === 200
              ? resolve(text)
              : reject(
                  new NoAnswer(
                    `${host} hands out no authority (${answer.statusCode}). Is it a Strongroom? Give --ca-file.`,
                  ),
                ),
          );
      },
    );
    request.on('timeout', () =>
      request.destroy(new NoAnswer(`${host} did not answer within ${timeoutMs / 1000} seconds.`)),
    );
    request.on('error', (error) =>
      reject(
        error instanceof NoAnswer
          ? error
          : (explainProxy(error, new URL(url), proxy) ?? new NoAnswer(`No answer from ${host}: ${error.message}`)),
      ),
    );
  });
  return (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(described);
}

function described(pem: string): OfferedAuthority {
  try {
    const { raw, subject } = new X509Certificate(pem);
    return {
      name: /^CN=(.+)$/m.exec(subject)?.[1] ?? subject,
      fingerprint: `sha256:${createHash('sha256').update(raw).digest('hex')}`,
      pem: `${pem}\n`,
    };
  } catch {
    throw new NoAnswer('What the server hands out as its authority is no certificate. Give --ca-file.');
  }
}

/** The one that was told of. Whoever answered instead of the server can offer any certificate, but none with this fingerprint. */
export function comparedAuthority(offered: readonly OfferedAuthority[], told: string, url: string): OfferedAuthority {
  const expected = readFingerprint(told);
  const found = offered.find(({ fingerprint }) => fingerprint === expected);
  if (found !== undefined) return found;
  const seen = offered.map(({ fingerprint }) => fingerprint).join(', ') || 'none';
  throw new NoAnswer(
    `${url} is not the server that you were told of, or something stands in between: its authority has the fingerprint ${seen}, not ${expected}. Nothing was sent and nothing is trusted.`,
  );
}

/** Keeps it in the command line's own folder, and answers the path. */
export function keepAuthority(folder: string, url: string, pem: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  const file = join(folder, `ca-${new URL(url).host.replace(/[^a-z0-9.-]/gi, '_')}.pem`);
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, pem, { mode: 0o600 });
  renameSync(temporary, file);
  return file;
}
