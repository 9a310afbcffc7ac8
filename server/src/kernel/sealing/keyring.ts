// The system's own secrets (database keys, signing keys, the certificate authority's key) in one file: needed before any
// database can be opened, so they cannot live in one. Each is sealed under the keyring's key, and that key is wrapped under
// the root key. Promises: what `ensure` and `put` acknowledged survives a power cut; a name's secret does not open under
// another name; the file is sealed as a whole, with a generation that every write raises, so that no part of an older file fits
// into it and whoever remembers the generation knows an older file when he sees one. Must not hold anything of a tenant: those secrets belong to vaults.

import { sha256Hex } from '#kernel/crypto/digest';
import { randomBytes, randomUuid } from '#kernel/crypto/random';
import { type DataKey, openValue, sealValue } from '#kernel/crypto/value-envelope';
import { Failure } from '#kernel/errors/failure';
import type { Files } from '#kernel/files/files';
import { createTurn } from '#kernel/turns/turns';
import type { RootKey } from './root-key.ts';
import { sealingFailures } from './sealing.errors.ts';

export type Keyring = {
  /** The named secret; the first call makes it. Concurrent calls make it once. The bytes are the caller's own copy. */
  ensure(name: string, make: () => Promise<Uint8Array> | Uint8Array): Promise<Uint8Array>;
  get(name: string): Promise<Uint8Array | undefined>;
  /** Stores or replaces. */
  put(name: string, value: Uint8Array): Promise<void>;
  /** Says whether it was there. */
  remove(name: string): Promise<boolean>;
  names(): readonly string[];
  /** How often the file was written; 0 for one from before it was counted. */
  generation(): number;
  /** Writes the file with at least this generation: after an older one was accepted. */
  raiseTo(generation: number): Promise<void>;
  /** Told of each generation that is durable. */
  onWritten(listener: (generation: number) => void): void;
  /** Wipes the keyring's key; every further call is refused. */
  close(): void;
};

const fileBytesMax = 4 * 1024 * 1024;
const valueBytesMax = 64 * 1024;
const entriesMax = 1000;
const namePattern = /^[a-z0-9][a-z0-9._/-]{0,127}$/;

/** `version` counts the writes of its name, and an older ciphertext does not open under a newer count. */
type Entry = { readonly version: number; readonly sealed: string };
type Stored = {
  readonly rootKeyId: string;
  readonly keyId: string;
  readonly wrappedKey: string;
  readonly entries: ReadonlyMap<string, Entry>;
  readonly generation: number;
  /** Of all entries under this generation; absent in a file from before it was counted. */
  readonly seal: string | undefined;
};

/** Opens the keyring in `file`, or begins an empty one where there is none. */
export async function openKeyring(options: {
  readonly file: string;
  readonly rootKey: RootKey;
  readonly files: Files;
}): Promise<Keyring> {
  const { file, rootKey, files } = options;
  const found = await read(file, files);
  if (found !== undefined && found.rootKeyId !== rootKey.id) {
    throw sealingFailures.RootKeyMismatch(file, found.rootKeyId, rootKey.id);
  }
  const bytes = found
    ? await rootKey.unwrap(purposeOf(found.keyId), Buffer.from(found.wrappedKey, 'base64'))
    : randomBytes(32);
  const key: DataKey = { id: found?.keyId ?? randomUuid(), bytes };
  const wrappedKey =
    found?.wrappedKey ?? Buffer.from(await rootKey.wrap(purposeOf(key.id), key.bytes)).toString('base64');
  const turn = createTurn();
  let entries = found?.entries ?? new Map<string, Entry>();
  let generation = found?.generation ?? 0;
  const listeners: ((generation: number) => void)[] = [];
  let closed = false;
  if (found !== undefined) refuseMixed(found, key, file);

  function usable(name: string): void {
    // fails closed: a wiped key would seal under zeros.
    if (closed) throw sealingFailures.KeyringClosed();
    if (!namePattern.test(name)) {
      throw sealingFailures.InvalidSecretName();
    }
  }

  function reveal(name: string): Uint8Array | undefined {
    const entry = entries.get(name);
    if (entry === undefined) return undefined;
    return openValue(
      (id) => (id === key.id ? key : undefined),
      placeOf(name, entry.version),
      Buffer.from(entry.sealed, 'base64'),
    );
  }

  /** The file first, then memory: what is not durable is not known. */
  async function store(next: ReadonlyMap<string, Entry>, raised = generation + 1): Promise<void> {
    const seal = Buffer.from(sealValue(key, wholeOf(raised), digestOf(next))).toString('base64');
    const stored = { rootKeyId: rootKey.id, keyId: key.id, wrappedKey, generation: raised, seal, entries: next };
    await files.writeDurably(file, encode(stored));
    entries = next;
    generation = raised;
    for (const listener of listeners) listener(generation);
  }

  async function put(name: string, value: Uint8Array): Promise<void> {
    if (value.length === 0 || value.length > valueBytesMax || (!entries.has(name) && entries.size >= entriesMax)) {
      throw sealingFailures.InvalidSecretValue(entriesMax, valueBytesMax);
    }
    const version = (entries.get(name)?.version ?? 0) + 1;
    const sealed = Buffer.from(sealValue(key, placeOf(name, version), value)).toString('base64');
    await store(new Map(entries).set(name, { version, sealed }));
  }

  return {
    ensure: (name, make) =>
      turn(async () => {
        usable(name);
        const present = reveal(name);
        if (present !== undefined) return present;
        const made = await make();
        usable(name);
        await put(name, made);
        return Uint8Array.from(made);
      }),
    async get(name) {
      usable(name);
      return reveal(name);
    },
    put: (name, value) =>
      turn(async () => {
        usable(name);
        await put(name, value);
      }),
    remove: (name) =>
      turn(async () => {
        usable(name);
        if (!entries.has(name)) return false;
        const next = new Map(entries);
        next.delete(name);
        await store(next);
        return true;
      }),
    names: () => [...entries.keys()].sort(),
    generation: () => generation,
    raiseTo: (least) =>
      turn(async () => {
        usable('generation');
        if (generation < least) await store(entries, least);
      }),
    onWritten: (listener) => void listeners.push(listener),
    close() {
      closed = true;
      key.bytes.fill(0);
    },
  };
}

const purposeOf = (keyId: string) => ['keyring', keyId] as const;
const placeOf = (name: string, version: number) => ({ table: 'keyring', row: name, column: 'secret', version });

const wholeOf = (version: number) => ({ table: 'keyring', row: '', column: 'entries', version });

/** Every entry by its name: the same entries have the same digest. */
function digestOf(entries: ReadonlyMap<string, Entry>): Uint8Array {
  const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
  return Buffer.from(
    sha256Hex(Buffer.from(JSON.stringify(sorted.map(([name, entry]) => [name, entry.version, entry.sealed])))),
  );
}

/** Of a file whose entries are not those that were written together. */
function refuseMixed({ entries, generation, seal }: Stored, key: DataKey, file: string): void {
  if (seal === undefined) return;
  let sealed: Uint8Array;
  try {
    sealed = openValue((id) => (id === key.id ? key : undefined), wholeOf(generation), Buffer.from(seal, 'base64'));
  } catch (error) {
    throw sealingFailures.keyringMixed(file, error);
  }
  if (!Buffer.from(sealed).equals(digestOf(entries))) throw sealingFailures.keyringMixed(file);
}

function encode({ entries, ...head }: Stored): Uint8Array {
  return Buffer.from(`${JSON.stringify({ version: 1, ...head, entries: Object.fromEntries(entries) }, null, 2)}\n`);
}

async function read(file: string, files: Files): Promise<Stored | undefined> {
  const bytes = await files.readFileBounded(file, fileBytesMax).catch((error: unknown) => {
    if (error instanceof Failure && error.code === 'FileMissing') return undefined;
    throw error;
  });
  if (bytes === undefined) return undefined;
  const stored = decode(bytes);
  if (stored !== undefined) return stored;
  throw sealingFailures.KeyringUnreadable(file);
}

function decode(bytes: Uint8Array): Stored | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
  if (!isRecord(value) || value.version !== 1 || !isRecord(value.entries)) return undefined;
  const { rootKeyId, keyId, wrappedKey, generation, seal } = value;
  if (typeof rootKeyId !== 'string' || typeof keyId !== 'string' || typeof wrappedKey !== 'string') return undefined;
  const entries = new Map<string, Entry>();
  for (const [name, entry] of Object.entries(value.entries)) {
    if (!isRecord(entry) || !namePattern.test(name)) return undefined;
    const { version, sealed } = entry;
    if (typeof version !== 'number' || typeof sealed !== 'string') return undefined;
    entries.set(name, { version, sealed });
  }
  if (generation === undefined && seal === undefined)
    return { rootKeyId, keyId, wrappedKey, entries, generation: 0, seal: undefined };
  if (!Number.isSafeInteger(generation) || typeof seal !== 'string') return undefined;
  return { rootKeyId, keyId, wrappedKey, entries, generation: Number(generation), seal };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
