// The root key in a file: 32 random bytes that only the server's own user can read. Promises: it is made once, for a new data
// folder, and never silently made again for data that another root key protects; a file that others could read is refused, not
// repaired, because it may have been read already.

import { constants, link, lstat, open, opendir, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { randomBytes, randomToken } from '#kernel/crypto/random';
import type { Failure } from '#kernel/errors/failure';
import { type Files, isTemporaryName } from '#kernel/files/files';
import { type RootKey, rootKeyOver } from './root-key.ts';
import { sealingFailures } from './sealing.errors.ts';

const keyBytes = 32;
/** Base64 of 32 bytes with a line end has 45 characters; an editor may have added a few. */
const fileBytesMax = 64;

/**
 * Opens the root key in `file`, or makes it when the file is absent and `dataFolder` holds nothing yet. `besides` names
 * entries directly in a new data folder that are no data (a configuration file, a lock).
 */
export async function openRootKeyFile(options: {
  readonly file: string;
  readonly dataFolder: string;
  readonly files: Files;
  readonly besides?: readonly string[];
  /** To look at a stopped server's folder: root may read a key that belongs to the server's user, who could be root's to become. */
  readonly asReader?: boolean;
}): Promise<RootKey> {
  const { dataFolder, files, besides = [] } = options;
  const file = resolve(options.file);
  const wasThere = await exists(file);
  const found = await firstEntry(resolve(dataFolder), new Set(besides));
  if (!wasThere) {
    if (found !== undefined) {
      throw sealingFailures.RootKeyMissing(file, dataFolder, found);
    }
    await makeKeyFile(file, files);
  }
  const bytes = await readKeyFile(file, options.asReader === true);
  // A start that died right after it had made the file did not hear from the disk that it stays.
  if (wasThere && found === undefined && options.asReader !== true) await files.syncEntry(file);
  return rootKeyOver(bytes);
}

async function exists(path: string): Promise<boolean> {
  try {
    // lstat: a link that points nowhere is there too, and must not be written through.
    await lstat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Name of the first file in the folder that counts as data; empty folders do not. */
async function firstEntry(folder: string, besides: ReadonlySet<string>): Promise<string | undefined> {
  const pending = [folder];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const entries = await opendir(at).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (entries === undefined) continue;
    let found: string | undefined;
    for await (const entry of entries) {
      if (at === folder && (besides.has(entry.name) || entry.name === 'lost+found')) continue;
      if (isTemporaryName(entry.name)) continue;
      if (entry.isDirectory()) pending.push(join(at, entry.name));
      else found ??= entry.name;
    }
    if (found !== undefined) return found;
  }
  return undefined;
}

async function makeKeyFile(file: string, files: Files): Promise<void> {
  await files.ensureFolder(dirname(file));
  const bytes = randomBytes(keyBytes);
  // A name that a sweep of temporary files removes should a crash leave it.
  const temporary = join(dirname(file), `.tmp-${process.pid}-${Buffer.from(randomToken(16)).toString('hex')}-0`);
  try {
    await files.writeDurably(temporary, Buffer.from(`${Buffer.from(bytes).toString('base64')}\n`), { mode: 0o600 });
    // A link, not a rename: of two servers that start at once one must lose, or each would seal under a key of its own.
    await link(temporary, file);
    await files.syncEntry(file).catch(async (error: unknown) => {
      // Data would be sealed under a key of which nobody knows that it stays: the next start makes another.
      await unlink(file).catch(() => {});
      throw error;
    });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    bytes.fill(0);
    await files.removeDurably(temporary);
  }
}

async function readKeyFile(file: string, asReader: boolean): Promise<Uint8Array> {
  // No link is followed, and a pipe does not block the open.
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      if (codeOf(error) === 'ELOOP') throw sealingFailures.RootKeyNotPlainFile(file);
      throw error;
    },
  );
  try {
    // order matters: what is checked is the opened file, so that nothing can be exchanged in between.
    const about = await handle.stat();
    if (!about.isFile()) throw sealingFailures.RootKeyNotPlainFile(file);
    // Windows has no such bits; there the folder's access list guards the file.
    if (process.platform !== 'win32') {
      if ((about.mode & 0o077) !== 0) {
        throw sealingFailures.RootKeyExposed(file, about.mode);
      }
      const user = process.getuid?.();
      if (user !== undefined && about.uid !== user && about.uid !== 0 && !(asReader && user === 0)) {
        throw sealingFailures.rootKeyOfAnother(file, about.uid);
      }
    }
    if (about.size > fileBytesMax) throw sealingFailures.RootKeyUnreadable(file);
    const content = Buffer.alloc(fileBytesMax + 1);
    const { bytesRead } = await handle.read(content, 0, content.length, 0);
    try {
      return decode(content.subarray(0, bytesRead)) ?? raise(sealingFailures.RootKeyUnreadable(file));
    } finally {
      content.fill(0);
    }
  } finally {
    await handle.close();
  }
}

/** Raw 32 bytes, or base64 of 32 bytes with white space around it. */
function decode(content: Buffer): Uint8Array | undefined {
  if (content.length === keyBytes) return Uint8Array.from(content);
  const text = content.toString('latin1').trim();
  return /^[A-Za-z0-9+/]{43}=$/.test(text) ? Uint8Array.from(Buffer.from(text, 'base64')) : undefined;
}

function raise(failure: Failure): never {
  throw failure;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
