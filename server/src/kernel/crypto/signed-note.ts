// Signed notes (c2sp.org/signed-note): text with signature lines that witnesses, auditors and the
// tools of other transparency logs read. Ed25519 signatures only, signature type 0x01.
// Promises: text is returned only after a known key signed exactly these bytes; a wrong signature
// of a known key refuses the note; lines of unknown keys are ignored, as others may have added theirs.

import { constantTimeEqual } from './compare.ts';
import { cryptoFailures } from './crypto.errors.ts';
import { sha256 } from './digest.ts';
import { ED25519_PUBLIC_KEY_BYTES, type SigningKey, verifySignature } from './signing.ts';

/** Bounds on what is parsed. The specification asks for 16 signatures at least. */
export const MAX_NOTE_BYTES = 1_048_576;
export const MAX_NOTE_SIGNATURES = 64;

/** Who signs: a name such as `strongroom.example/audit`, and the key. */
export interface NoteSigner {
  readonly name: string;
  readonly key: SigningKey;
}

/** Whom to believe: a name and a 32-byte Ed25519 public key. */
export interface NoteVerifier {
  readonly name: string;
  readonly publicKey: Uint8Array;
}

/** One signature line. `keyId` and `signature` are whatever the line said. */
export interface NoteSignature {
  readonly name: string;
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

export interface ParsedNote {
  /** The signed text, with its final newline. Not to be believed before `openNote` returned it. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

const WHAT = 'signed note';
const ED25519_TYPE = 0x01;

/** Signs `text`, which ends in a newline, and returns the note. */
export function signNote(text: string, signers: readonly NoteSigner[]): string {
  if (!isNoteText(text))
    throw cryptoFailures.InvalidCryptoArgument(
      'The text of a note ends in a newline and has no other control characters.',
    );
  if (signers.length === 0 || signers.length > MAX_NOTE_SIGNATURES)
    throw cryptoFailures.InvalidCryptoArgument('A note has 1 to 64 signatures.');
  const message = Buffer.from(text, 'utf8');
  const lines = signers.map(({ name, key }) => {
    const bytes = Buffer.concat([noteKeyId(name, key.publicKey), key.sign(message)]);
    return `\u2014 ${name} ${bytes.toString('base64')}\n`;
  });
  const note = `${text}\n${lines.join('')}`;
  if (Buffer.byteLength(note) > MAX_NOTE_BYTES)
    throw cryptoFailures.InvalidCryptoArgument(`A note has at most ${MAX_NOTE_BYTES} bytes.`);
  return note;
}

/** Splits a note into text and signature lines, believing nothing. Throws `integrity` for what is no note. */
export function parseNote(note: string): ParsedNote {
  if (Buffer.byteLength(note) > MAX_NOTE_BYTES || !isNoteText(note)) throw cryptoFailures.IntegrityCheckFailed(WHAT);
  // The text may hold empty lines: the last one separates it from the signatures.
  const split = note.lastIndexOf('\n\n');
  if (split < 0) throw cryptoFailures.IntegrityCheckFailed(WHAT);
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > MAX_NOTE_SIGNATURES) throw cryptoFailures.IntegrityCheckFailed(WHAT);
  return { text: note.slice(0, split + 1), signatures: lines.map(parseSignatureLine) };
}

/**
 * Returns the text of a note and the names of those who signed it, if at least one of `verifiers`
 * did. Throws `integrity` if none did, or if the signature of any of them is wrong.
 */
export function openNote(
  note: string,
  verifiers: readonly NoteVerifier[],
): { readonly text: string; readonly signedBy: readonly string[] } {
  const { text, signatures } = parseNote(note);
  const message = Buffer.from(text, 'utf8');
  const known = verifiers.map((verifier) => ({ ...verifier, keyId: noteKeyId(verifier.name, verifier.publicKey) }));
  const signedBy = new Set<string>();
  for (const { name, keyId, signature } of signatures) {
    const verifier = known.find((one) => one.name === name && constantTimeEqual(one.keyId, keyId));
    if (verifier === undefined) continue;
    if (!verifySignature(verifier.publicKey, message, signature)) throw cryptoFailures.IntegrityCheckFailed(WHAT);
    signedBy.add(name);
  }
  if (signedBy.size === 0) throw cryptoFailures.IntegrityCheckFailed(WHAT);
  return { text, signedBy: [...signedBy] };
}

/** Returns the 4-byte id of an Ed25519 key under a name: SHA-256(name · newline · 0x01 · key), cut. */
export function noteKeyId(name: string, publicKey: Uint8Array): Uint8Array {
  requireName(name);
  if (publicKey.length !== ED25519_PUBLIC_KEY_BYTES)
    throw cryptoFailures.InvalidCryptoArgument('The public key of a note has 32 bytes.');
  return sha256(Buffer.concat([Buffer.from(`${name}\n`), Uint8Array.of(ED25519_TYPE), publicKey])).slice(0, 4);
}

/** Writes a verifier as `name+id+key`, the one line that an auditor keeps (the vkey form of Go's sumdb). */
export function formatVerifier({ name, publicKey }: NoteVerifier): string {
  const id = Buffer.from(noteKeyId(name, publicKey)).toString('hex');
  return `${name}+${id}+${Buffer.concat([Uint8Array.of(ED25519_TYPE), publicKey]).toString('base64')}`;
}

/** Reads `name+id+key`. Throws `invalid` if the id does not belong to the key, or the key is not Ed25519. */
export function parseVerifier(line: string): NoteVerifier {
  // The key may hold plus signs of base64: only the first two separate.
  const [, name = '', id = '', encoded = ''] = /^([^+]{1,1024})\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{44})$/.exec(line) ?? [];
  const bytes = decodeBase64(encoded);
  if (bytes?.length === 1 + ED25519_PUBLIC_KEY_BYTES && bytes[0] === ED25519_TYPE && isName(name)) {
    const publicKey = bytes.slice(1);
    if (Buffer.from(noteKeyId(name, publicKey)).toString('hex') === id) return { name, publicKey };
  }
  throw cryptoFailures.InvalidCryptoArgument(
    'A verifier key reads name+id+key, with the id in 8 hexadecimal digits and an Ed25519 key in base64.',
  );
}

/** Decodes padded standard base64, or returns undefined where another spelling of the same bytes exists. */
export function decodeBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? new Uint8Array(bytes) : undefined;
}

function parseSignatureLine(line: string): NoteSignature {
  const [dash, name = '', encoded = '', ...rest] = line.split(' ');
  const bytes = decodeBase64(encoded);
  if (dash !== '\u2014' || rest.length > 0 || !isName(name) || bytes === undefined || bytes.length < 5) {
    throw cryptoFailures.IntegrityCheckFailed(WHAT);
  }
  return { name, keyId: bytes.slice(0, 4), signature: bytes.slice(4) };
}

function isNoteText(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is being refused.
  return text.endsWith('\n') && text.isWellFormed() && !/[\u0000-\u0009\u000b-\u001f]/.test(text);
}

function isName(name: string): boolean {
  return (
    name.length > 0 &&
    name.length <= 1024 &&
    name.isWellFormed() &&
    !/[\s\u0085+]/u.test(name) &&
    isNoteText(`${name}\n`)
  );
}

function requireName(name: string): void {
  if (!isName(name))
    throw cryptoFailures.InvalidCryptoArgument(
      'The name of a note key has no spaces, no plus signs and no control characters.',
    );
}
