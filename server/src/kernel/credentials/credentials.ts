// Finds credentials that were left where others read them: in properties and tags of resources, and in files of snapshots. One
// table for all of these places. Keeps nothing of what it reads, and never repeats it. A miss is possible; a false alarm costs
// its author a change, so shapes are exact where a text is code, and names count as a hint only where a user gave them.
// Linear patterns only: each begins where nothing like it went before, so that a run of its letters is read once.

import { Transform } from 'node:stream';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { keepPiece } from '#kernel/bytes/pieces';

type Rule = readonly [what: string, pattern: RegExp];

/** Tokens in their issuers' published forms, and what is written around keys. Exact enough for any text, code included. */
const shapes: readonly Rule[] = [
  ['a private key', /-----BEGIN (?:[A-Z0-9]{2,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----/],
  ['an AWS access key', /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/],
  ['an AWS secret key', /\baws_secret_access_key["']?\s{0,4}[=:]\s{0,4}["']?[A-Za-z0-9/+]{40}/i],
  ['a storage account key', /\bAccountKey=[A-Za-z0-9+/]{40}/],
  ['a shared access key', /\bSharedAccessKey=[A-Za-z0-9+/]{20}/],
  ['a shared access signature', /[?&]sig=[A-Za-z0-9%+/]{40}/],
  ['an Azure client secret', /\b[A-Za-z0-9_~.-]{3}8Q~[A-Za-z0-9_~.-]{34}\b/],
  ['an Azure DevOps token', /AZDO[A-Za-z0-9]{4}\b/],
  ['a GitHub token', /\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22})/],
  ['a GitLab token', /\bgl(?:pat|dt|rt|ptt|ft|soat|imt|cbt)-[\w-]{20}/],
  ['a Slack token', /\bxox[abeprs]-[A-Za-z0-9-]{20}/],
  [
    'a webhook with its token',
    /\bhooks\.slack\.com\/services\/T[A-Za-z0-9_]{6,20}\/B[A-Za-z0-9_]{6,20}\/[A-Za-z0-9]{20}/,
  ],
  ['a Google API key', /\bAIza[\w-]{35}/],
  ['a Google token', /\b(?:ya29\.[\w-]{20}|GOCSPX-[\w-]{28})/],
  ['a Stripe key', /\b[rs]k_(?:live|test)_[A-Za-z0-9]{16}/],
  ['a SendGrid key', /\bSG\.[\w-]{16,32}\.[\w-]{16}/],
  ['a Twilio key', /\bSK[0-9a-f]{32}\b/],
  ['an OpenAI key', /\bsk-(?:(?:proj|svcacct|admin)-[\w-]{40}|[A-Za-z0-9]{40})/],
  ['an Anthropic key', /\bsk-ant-[\w-]{20}/],
  ['a Hugging Face token', /\bhf_[A-Za-z0-9]{30}/],
  ['an npm token', /\bnpm_[A-Za-z0-9]{36}/],
  ['a PyPI token', /\bpypi-AgE[\w-]{30}/],
  ['a Databricks token', /\bdapi[0-9a-f]{32}/],
  ['a DigitalOcean token', /\bdo[opr]_v1_[0-9a-f]{64}/],
  ['a Shopify token', /\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}/],
  ['a Vault token', /\bhv[bs]\.[\w-]{24}/],
  // A start within a run of the same letters is no start.
  ['a JSON web token', /(?<![\w-])eyJ[\w-]{12,400}\.eyJ[\w-]{6,4000}\.[\w-]{20}/],
];

/** Stands for a value, and is none: what is put in later, what is blacked out. */
const noValue = '$<{*%(\\[';
const url: Rule = [
  'an address with a password',
  new RegExp(
    `(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{1,20}://[^\\s/:@?#"']{0,100}:(?![${noValue}])[^\\s/@?#"']{3,200}@[^\\s@]`,
    'i',
  ),
];
/** Where a text is no code: a password that somebody wrote as one. */
const written: readonly Rule[] = [
  url,
  [
    'a connection string with a password',
    new RegExp(`(?:^|[;\\s"'?&])(?:password|passwd|pwd)\\s{0,4}=\\s{0,4}["']?(?![${noValue}])[^\\s;"'&]{3}`, 'i'),
  ],
  [
    'a password on a command line',
    new RegExp(
      `(?:^|\\s)--?(?:[a-z]{1,20}[-_]){0,2}(?:password|passwd|pwd|passphrase)[= ]["']?(?![-${noValue}])[^\\s"']{3}`,
      'i',
    ),
  ],
  [
    'a token on a command line',
    new RegExp(
      `(?:^|\\s)--?(?:[a-z]{1,20}[-_]){0,2}(?:token|secret|api-?key|access-?key)[= ]["']?(?=[^\\s"']{0,200}\\d)(?=[^\\s"']{0,200}[a-z])(?![-${noValue}/])[^\\s"':/]{16}`,
      'i',
    ),
  ],
  ['an HTTP credential', /\bauthorization["']?\s{0,4}[:=]\s{0,4}["']?(?:basic|bearer)\s{1,4}[A-Za-z0-9+/=._~-]{12}/i],
];

const passwordName = /(?:password|passwd|passphrase|(?:^|[_.\-\s]|[a-z](?=[PS]))(?:pwd|secret))$/i;
const tokenName =
  /(?:^|[_.\-\s]|[a-z](?=[TAK]))(?:token|api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key|auth[_-]?key|credentials?)$/i;
/** Says that there is one, where it is, or what is put in later; and so is none. */
const reference =
  /^(?:|true|false|yes|no|on|off|none|null|n\/a|x{1,200}|\*{1,200}|\$.*|%[^%]{1,100}%|<[^<>]{0,200}>|\[[^[\]]{0,200}\]|\{.*|@.*|\.{0,2}\/[\w./-]{0,500}|(?:azureml|file|env|vault|https?|arn):\S{0,2000})$/is;

/** What a text of any kind seems to hold, or undefined. */
export function findCredential(text: string): string | undefined {
  return shapes.find(([, pattern]) => pattern.test(text))?.[0];
}

/** What a value seems to hold that somebody wrote into a resource. */
export const findWrittenCredential = (text: string): string | undefined =>
  findCredential(text) ?? written.find(([, pattern]) => pattern.test(text))?.[0];

/** The same of a value that a user has given a name to, which may say what it is. */
export function findNamedCredential(name: string, value: string): string | undefined {
  const found = findWrittenCredential(value);
  if (found !== undefined) return found;
  const text = value.trim();
  if (reference.test(text)) return undefined;
  if (passwordName.test(name)) return 'a password, by its name';
  const isToken = text.length >= 16 && !/\s/.test(text) && /\d/.test(text) && /[a-z]/i.test(text);
  return tokenName.test(name) && isToken ? 'a credential, by its name' : undefined;
}

const assignmentsMax = 2000;
/** Files that hold settings as NAME=value. */
const settingsFile = /(?:^|\/)(?:\.env(?:\.[^/]{1,64})?|[^/]{1,200}\.env|\.netrc|\.pgpass|\.pypirc|\.npmrc)$/i;

/** As global ones, which begin where they are told to and see what lies before. */
const inFiles: readonly Rule[] = [...shapes, url].map(([what, pattern]) => [
  what,
  new RegExp(pattern.source, `${pattern.flags}g`),
]);
/** All rules over so much take a millisecond or two; then others get their turn. */
const pieceLength = 16 * 1024;
/** More than the longest match, a token of three parts: what begins in a piece is whole in it. */
const overlap = 5 * 1024;

async function findShape(text: string): Promise<string | undefined> {
  for (let at = 0; at < text.length; at += pieceLength) {
    // One character before it is seen and not matched: what begins there was whole in the piece before.
    const from = Math.max(0, at - 1);
    const piece = text.slice(from, at + pieceLength + overlap);
    for (const [what, pattern] of inFiles) {
      pattern.lastIndex = at - from;
      if (pattern.test(piece)) return what;
    }
    await yieldToEventLoop();
  }
  return undefined;
}

/** What a file of this name seems to hold. @param text the first of it */
async function findInFile(path: string, text: string): Promise<string | undefined> {
  const found = await findShape(text);
  if (found !== undefined || !settingsFile.test(path)) return found;
  let looked = 0;
  for (const line of text.split('\n', assignmentsMax)) {
    looked += line.length;
    if (looked > pieceLength) {
      looked = 0;
      await yieldToEventLoop();
    }
    const [, name = '', value = ''] =
      /^\s{0,40}(?:export\s{1,4})?([A-Za-z_][\w.-]{0,200})\s{0,4}=\s{0,4}(.{0,4096})$/.exec(line.trimEnd()) ?? [];
    const named = name === '' ? undefined : findNamedCredential(name, value.replace(/^(["'])(.*)\1$/, '$2'));
    if (named !== undefined) return named;
  }
  return undefined;
}

/** Of a file: what lies behind is not looked at. */
export const scannedBytes = 1024 * 1024;

/**
 * Passes bytes on and calls `found` once if the first mebibyte of the file holds something that looks like a credential. It is
 * looked through piece by piece, and nothing of the file goes on meanwhile.
 */
export function credentialScanner(path: string, found: (what: string) => void): Transform {
  const chunks: Buffer[] = [];
  let kept = 0;
  const scan = async () => {
    const text = Buffer.concat(chunks).toString('latin1');
    chunks.length = 0;
    const what = await findInFile(path, text);
    if (what !== undefined) found(what);
  };
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const isLooking = kept < scannedBytes;
      if (isLooking) {
        // Looked at later than whoever gets it is done with it.
        keepPiece(chunk);
        chunks.push(chunk.subarray(0, scannedBytes - kept));
        kept += chunk.length;
      }
      if (isLooking && kept >= scannedBytes) scan().then(() => done(null, chunk), done);
      else done(null, chunk);
    },
    flush(done) {
      if (chunks.length > 0) scan().then(() => done(), done);
      else done();
    },
  });
}
