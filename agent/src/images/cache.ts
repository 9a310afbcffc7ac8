// Images of this node, unpacked: each once, whoever uses it, in a folder of this agent alone that dies with it. Promises that
// a cached image widens nobody's reach (the registry is asked with the token of each use), that a folder is used only when all of
// it is there and nobody but this agent can have changed it, and that all of them together stay within their bound.

import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isOthersTo, makePassage } from '../folders.ts';
import { type MountedImage, sandboxIdentity } from '../sandbox/sandbox.ts';
import { type Unpacked, type UnpackSpec, unpackImage } from '../sandbox/unpack.ts';
import { untilAborted } from '../waiting.ts';
import { type ImageName, ImageRefused, type ImageRegistry, type Manifest } from './registry.ts';

export interface ImageUse extends MountedImage {
  /** What the image's configuration sets. */
  readonly environment: Readonly<Record<string, string>>;
  /** To be called once whatever uses it has ended. */
  release(): void;
}

export interface ImageCache {
  /** Rejects with an `ImageRefused`, in words for who submitted the work. */
  use(name: ImageName, as: MountedImage['as'], token: string, signal: AbortSignal): Promise<ImageUse>;
  /** Ends what is being unpacked and removes everything. */
  close(): Promise<void>;
}

/** There is no room for it, however much is let go. */
export class NoRoom extends ImageRefused {}

interface Entry {
  readonly key: string;
  readonly folder: string;
  readonly bytes: number;
  readonly environment: Readonly<Record<string, string>>;
  users: number;
  usedAt: number;
}

const TMPFS = 0x01021994;
/** Most images are a few times as large as their layers; when one is more, others give way to it. */
const UNPACKED_SHARE = 3;
const MARKER = 'image.json';
/** What a root is mounted over with (runner/management/root.py). */
const MOUNTED_FOLDERS = ['dev', 'etc', 'job', 'proc', 'run', 'tmp'] as const;
const MOUNTED_FILES = ['etc/group', 'etc/hosts', 'etc/nsswitch.conf', 'etc/passwd', 'etc/resolv.conf'] as const;

/** Whether what is written to a folder is in memory. */
export function isInMemory(folder: string): boolean {
  try {
    return statfsSync(folder).type === TMPFS;
  } catch {
    return false;
  }
}

/** A folder in memory where images may be: that of shared memory, or of this user. */
export function memoryParent(runtime = process.env['XDG_RUNTIME_DIR']): string | undefined {
  return ['/dev/shm', ...(runtime?.startsWith('/') === true ? [runtime] : [])].find(isInMemory);
}

/**
 * `parent` must be a folder that only its owner and root can change; the cache is a new folder in it. Not more than `bytes`, and not
 * more than half of what is free there now.
 */
export function createImageCache(options: {
  readonly parent: string;
  readonly prefix: string;
  readonly bytes: number;
  readonly registry: ImageRegistry;
  readonly interpreter?: string | undefined;
  readonly unpack?: (spec: UnpackSpec) => Promise<Unpacked>;
}): ImageCache {
  const { parent, registry, unpack = unpackImage } = options;
  const own = { uid: process.getuid?.() ?? 0 };
  const room = statfsSync(parent);
  const capacity = Math.min(options.bytes, Math.floor((room.bavail * room.bsize) / 2));
  const cache = mkdtempSync(join(parent, options.prefix));
  makePassage(cache);

  const entries = new Map<string, Entry>();
  const pending = new Map<string, Promise<Entry>>();
  const closing = new AbortController();
  let uses = 0;
  let folders = 0;
  /** One at a time, so that the room for one is known while it is unpacked. */
  let last: Promise<unknown> = Promise.resolve();

  const used = () => [...entries.values()].reduce((sum, { bytes }) => sum + bytes, 0);

  /** Lets go of what nobody uses, the longest unused first, until so much is free. */
  async function makeRoom(bytes: number): Promise<void> {
    const idle = [...entries.values()].filter(({ users }) => users === 0).sort((a, b) => a.usedAt - b.usedAt);
    for (const entry of idle) {
      if (capacity - used() >= bytes) return;
      // Somebody may have come while others were removed.
      if (entry.users === 0) await discard(entry);
    }
  }

  async function discard(entry: Entry): Promise<void> {
    // order matters: nobody may find it while it is removed.
    entries.delete(entry.key);
    await rm(entry.folder, { recursive: true, force: true });
  }

  async function make(name: ImageName, manifest: Manifest, as: MountedImage['as'], token: string): Promise<Entry> {
    const { signal } = closing;
    const key = keyOf(name, as);
    const isRoot = as === 'root';
    const environment = await registry.environment(name, manifest, token, isRoot, signal);
    const packed = manifest.layers.reduce((sum, { size }) => sum + size, 0);
    const tooLarge = () =>
      new NoRoom(
        `The image does not fit: images of this node have ${Math.floor(capacity / 2 ** 20)} MiB together, less what runs uses. Have the operator raise agent.imageBytes, or make the image smaller.`,
      );
    const staging = join(cache, `staging-${++folders}`);
    mkdirSync(staging);
    try {
      makePassage(staging);
      const below = (path: string): string => {
        mkdirSync(join(staging, path));
        return join(staging, path);
      };
      await makeRoom(packed * (1 + UNPACKED_SHARE));
      if (capacity - used() < packed) throw tooLarge();
      const layersFolder = below('layers');
      makePassage(layersFolder);
      const layers: { path: string; gzip: boolean }[] = [];
      for (const [index, layer] of manifest.layers.entries()) {
        const path = join(layersFolder, String(index));
        await registry.layer(name, layer, token, path, signal);
        layers.push({ path, gzip: layer.gzip });
      }
      const bytes = await unpackInto(() => below('root'), { layers, isRoot, packed, tooLarge });
      await rm(layersFolder, { recursive: true, force: true });
      const folder = join(cache, key);
      writeFileSync(join(staging, MARKER), JSON.stringify({ key, bytes }), { mode: 0o400, flag: 'wx' });
      // order matters: whoever finds it under its name finds all of it.
      renameSync(staging, folder);
      const entry: Entry = { key, folder, bytes, environment, users: 0, usedAt: ++uses };
      entries.set(key, entry);
      return entry;
    } catch (error) {
      await rm(staging, { recursive: true, force: true });
      throw error;
    }
  }

  /** Gives the bytes that it takes up. When it needs more room than was thought, everything unused gives way, and it is tried again. */
  async function unpackInto(
    makeFolder: () => string,
    of: Pick<UnpackSpec, 'layers' | 'isRoot'> & { readonly packed: number; readonly tooLarge: () => Error },
  ): Promise<number> {
    const { layers, isRoot, packed, tooLarge } = of;
    const { uid, gid } = sandboxIdentity();
    const interpreter = options.interpreter === undefined ? {} : { interpreter: options.interpreter };
    for (let isLast = false; ; isLast = true) {
      const folder = makeFolder();
      if (own.uid === 0) chownSync(folder, uid, gid);
      chmodSync(folder, 0o755);
      const free = capacity - used();
      const mostBytes = free - packed;
      const told = await unpack({ layers, folder, isRoot, mostBytes, signal: closing.signal, ...interpreter });
      if (!('refused' in told)) return told.bytes;
      if (!told.isTooLarge) throw new ImageRefused(told.refused);
      if (!isLast) await makeRoom(capacity);
      // The reader has a bound of its own: more room does not help beyond it.
      if (isLast || capacity - used() === free) throw tooLarge();
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** Cheap, at each use: it is what was made here, and nobody else could have changed it. */
  async function isWhole({ key, folder, bytes }: Entry): Promise<boolean> {
    try {
      const isKept = (path: string, uid: number) => {
        const entry = lstatSync(path);
        return entry.uid === uid && !isOthersTo(entry);
      };
      const root = join(folder, 'root');
      const marker = join(folder, MARKER);
      if (!isKept(folder, own.uid) || !isKept(marker, own.uid) || !isKept(root, sandboxIdentity().uid)) return false;
      if (!lstatSync(root).isDirectory() || !lstatSync(marker).isFile()) return false;
      if ((await readFile(marker, 'utf8')) !== JSON.stringify({ key, bytes })) return false;
      if (!key.endsWith('-root')) return true;
      return (
        MOUNTED_FOLDERS.every((name) => lstatSync(join(root, name)).isDirectory()) &&
        MOUNTED_FILES.every((name) => lstatSync(join(root, name)).isFile())
      );
    } catch {
      return false;
    }
  }

  /** The image, made by this use, or by another that was there before. */
  async function take(name: ImageName, manifest: Manifest, as: MountedImage['as'], token: string): Promise<Entry> {
    const key = keyOf(name, as);
    for (;;) {
      const present = entries.get(key);
      if (present !== undefined) {
        // order matters: held before it is looked at, so that nobody lets it go meanwhile.
        present.users++;
        if (await isWhole(present)) return present;
        present.users--;
        if (entries.get(key) !== present) continue;
        if (present.users === 0) await discard(present);
        else
          throw new ImageRefused(
            'The image on this node is not what was unpacked. The operator should look at the node.',
          );
      }
      const waited = pending.get(key);
      if (waited !== undefined) {
        try {
          await waited;
        } catch (error) {
          // The token of whoever was first may have ended; this one's has not.
          if (!(error instanceof ImageRefused) || !error.isOwn) throw error;
        }
        continue;
      }
      const making = last.then(() => make(name, manifest, as, token));
      last = making.catch(() => undefined);
      pending.set(key, making);
      try {
        await making;
      } finally {
        pending.delete(key);
      }
    }
  }

  return {
    async use(name, as, token, signal) {
      // Whatever is here already: the server decides at each use who may have it.
      const manifest = await registry.manifest(name, token, signal);
      const taken = take(name, manifest, as, token);
      const entry = await untilAborted(taken, signal).catch((error: unknown) => {
        // Nobody waits for it any more; it must not stay held for ever.
        void taken.then((late) => void late.users--).catch(() => undefined);
        throw error;
      });
      entry.usedAt = ++uses;
      let isHeld = true;
      return {
        folder: join(entry.folder, 'root'),
        as,
        environment: entry.environment,
        release() {
          if (isHeld) entry.users--;
          isHeld = false;
        },
      };
    },
    async close() {
      closing.abort();
      await last;
      registry.close();
      rmSync(cache, { recursive: true, force: true });
    },
  };
}

const keyOf = ({ digest }: ImageName, as: MountedImage['as']): string => `${digest.replace('sha256:', '')}-${as}`;
