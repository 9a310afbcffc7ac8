// Inputs of jobs, kept on this node by the digest of what is in them and shared, read-only, between the jobs of one workspace: files of
// any size, none of which passes this process. Promises that what is kept opens nothing by itself (the server decides with the token of
// each use), that an input is used only when it is whole and nobody but this agent can have changed it, that two that want one bring it
// once, and that all of it stays within its bound.

import { createHash } from 'node:crypto';
import { lstat, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makePassage } from '../folders.ts';
import { together, untilAborted } from '../waiting.ts';
import { type Bringing, type InputFile, InputsRefused, type StartBringing } from './bring.ts';

/** An input as the document tells it. */
export interface WantedInput {
  /** Where the server says whether the token may read it. */
  readonly url: string;
  readonly files: readonly InputFile[];
}

/** What one job reads. */
export interface WantedInputs {
  /** Of whoever may share it: what one workspace keeps no other can find, nor tell by the time that it takes. */
  readonly scope: string;
  readonly inputs: ReadonlyMap<string, WantedInput>;
}

export interface InputsUse {
  /** By the name of the input: a folder of its files, for a read-only mount. */
  readonly folders: ReadonlyMap<string, string>;
  /** To be called once whatever reads them has ended. */
  release(): void;
}

export interface InputCache {
  /** Rejects with an `InputsRefused`, in words for who submitted the work. */
  use(wanted: WantedInputs, token: string, signal: AbortSignal): Promise<InputsUse>;
  /** Ends what is being brought. What was kept goes with its place. */
  close(): Promise<void>;
}

/** There is no room for them, however much is let go. */
export class NoRoomForInputs extends InputsRefused {}

/** What it takes of the place. */
interface Size {
  readonly bytes: number;
  readonly files: number;
}

interface Kept extends Size {
  readonly key: string;
  readonly folder: string;
  users: number;
  usedAt: number;
}

/** An input as often as the job names it, once. */
type Distinct = Size & {
  readonly key: string;
  readonly digest: string;
  readonly url: string;
  readonly list: readonly InputFile[];
};

export const FILES_MAX = 400_000;
const TOGETHER = 4;
const ANYBODY_WRITES = 0o222;
const SHA256 = /^[0-9a-f]{64}$/;
const SCOPE = /^[A-Za-z0-9-]{1,64}$/;
const fullMib = (bytes: number) => Math.floor(bytes / 2 ** 20);
const mib = (bytes: number) => Math.ceil(bytes / 2 ** 20);

/** The digest by which the server knows a snapshot of these files; computed here, so that what is kept under it is what it says. */
export function digestOfFiles(files: readonly Pick<InputFile, 'path' | 'size' | 'sha256'>[]): string {
  const hash = createHash('sha256').update('strongroom snapshot 1\n');
  for (const { path, size, sha256 } of [...files].sort((a, b) => (a.path < b.path ? -1 : 1)))
    hash.update(`${Buffer.byteLength(path)}:${path}:${size}:${sha256}\n`);
  return `sha256:${hash.digest('hex')}`;
}

/** By the names of the inputs. Throws for what no server of ours says; paths are looked at by who brings them. */
function distinctOf({ scope, inputs }: WantedInputs): ReadonlyMap<string, Distinct> {
  if (!SCOPE.test(scope)) throw new InputsRefused('The inputs are of no workspace.');
  const all = [...inputs].map(([name, { url, files: list }]): [string, Distinct] => {
    if (!list.every(({ sha256, size }) => SHA256.test(sha256) && Number.isSafeInteger(size) && size >= 0))
      throw new InputsRefused('The inputs have a file without a proper digest and size.');
    const digest = digestOfFiles(list);
    const bytes = list.reduce((sum, { size }) => sum + size, 0);
    return [name, { url, digest, bytes, key: `${scope}-${digest}`, files: list.length, list }];
  });
  return new Map(all);
}

/** @param folder this agent's own and empty, in which what is kept may be */
export async function openInputCache(options: {
  readonly folder: string;
  readonly bytes: number;
  readonly start: StartBringing;
}): Promise<InputCache> {
  const { folder, bytes: capacity, start } = options;
  const uid = process.getuid?.() ?? 0;
  const [keptFolder, staging] = [join(folder, 'kept'), join(folder, 'staging')];
  await mkdir(staging, { mode: 0o700 });
  await mkdir(keptFolder);
  makePassage(keptFolder);

  const kept = new Map<string, Kept>();
  /** Being brought: settles when it is there, or is not coming. */
  const pending = new Map<string, Promise<void>>();
  const closing = new AbortController();
  const busy = new Set<Promise<unknown>>();
  const used = { bytes: 0, files: 0 };
  let uses = 0;
  let names = 0;

  /** Until `close` has waited for it. */
  function track<T>(act: Promise<T>): Promise<T> {
    const tracked: Promise<unknown> = act.then(
      () => busy.delete(tracked),
      () => busy.delete(tracked),
    );
    busy.add(tracked);
    return act;
  }

  function count({ bytes, files }: Size, times: 1 | -1): void {
    used.bytes += times * bytes;
    used.files += times * files;
  }

  async function discard(entry: Kept): Promise<void> {
    // order matters: nobody may find it while it is removed, and its room is not free before.
    kept.delete(entry.key);
    await rm(entry.folder, { recursive: true, force: true });
    count(entry, -1);
  }

  /** Counts them as there, after letting go of what nobody uses, the longest unused first. False: there is no room for them. */
  async function reserve(inputs: readonly Size[]): Promise<boolean> {
    const { bytes, files } = sumOf(inputs);
    const fits = () => used.bytes + bytes <= capacity && used.files + files <= FILES_MAX;
    const idle = fits() ? [] : [...kept.values()].filter(({ users }) => users === 0);
    const most = sumOf(idle);
    // What cannot have room pushes nobody out.
    if (used.bytes - most.bytes + bytes > capacity || used.files - most.files + files > FILES_MAX) return false;
    for (const entry of idle.sort((a, b) => a.usedAt - b.usedAt)) {
      if (fits()) break;
      // Somebody may have come, or let go of it, while others were removed.
      if (entry.users === 0 && kept.get(entry.key) === entry) await discard(entry);
    }
    if (!fits()) return false;
    count({ bytes, files }, 1);
    return true;
  }

  /** Cheap beside reading, at each use: every file is as it was verified, and nobody else could have changed it. */
  async function isWhole(root: string, files: readonly InputFile[]): Promise<boolean> {
    const refuse = new Error('it is another');
    try {
      const { mode, uid: owner } = await lstat(root);
      if (owner !== uid || (mode & 0o777) !== 0o755) return false;
      await together(files, TOGETHER, async ({ path, size }) => {
        const entry = await lstat(join(root, path));
        if (!entry.isFile() || entry.uid !== uid || (entry.mode & ANYBODY_WRITES) !== 0 || entry.size !== size)
          throw refuse;
      });
      return true;
    } catch {
      return false;
    }
  }

  /** Held by this use from here on, where it is there and whole. */
  async function hold({ key, list }: Distinct): Promise<Kept | undefined> {
    const entry = kept.get(key);
    if (entry === undefined) return undefined;
    // order matters: held before it is looked at, so that nobody lets it go meanwhile.
    entry.users++;
    if (await isWhole(entry.folder, list)) return entry;
    entry.users--;
    if (kept.get(key) !== entry) return undefined;
    if (entry.users > 0)
      throw new InputsRefused('An input on this node is not what was brought. The operator should look at the node.');
    await discard(entry);
    return undefined;
  }

  /** What was brought becomes what is kept, held by who brought it. */
  async function take(from: string, { key, bytes, files, list }: Distinct): Promise<Kept> {
    if (!(await isWhole(from, list))) throw new InputsRefused('An input was not brought as it should be.');
    // A name of its own each time: an earlier one may still be on its way out.
    const to = join(keptFolder, String(++names));
    // order matters: whoever finds it under its name finds all of it.
    await rename(from, to);
    const made: Kept = { key, folder: to, bytes, files, users: 1, usedAt: ++uses };
    kept.set(key, made);
    return made;
  }

  const noRoom = (distinct: ReadonlyMap<string, Distinct>): NoRoomForInputs => {
    const { bytes, files } = sumOf([...distinct.values()]);
    return new NoRoomForInputs(
      `The inputs of the job have ${mib(bytes)} MiB in ${files} files, and this node keeps ${fullMib(capacity)} MiB in ${FILES_MAX} files at most, less what jobs read that run now. Submit the job when others have ended, or have the operator raise agent.inputBytes.`,
    );
  };

  /** One round: brings what nobody brings, waits for what others do. `held` has less than all afterwards where others failed. */
  async function round(
    distinct: ReadonlyMap<string, Distinct>,
    held: Map<string, Kept>,
    bringing: Bringing,
    at: string,
    signal: AbortSignal,
  ): Promise<void> {
    const others: Promise<void>[] = [];
    const mine = new Map<string, Distinct & { readonly folder: string; readonly letGo: () => void }>();
    const taking: Promise<void>[] = [];
    let isReserved = false;

    function claim(input: Distinct): void {
      const { key } = input;
      const theirs = pending.get(key);
      // Nobody else runs from here to where it is claimed.
      if (theirs !== undefined || kept.has(key)) return void others.push(theirs ?? Promise.resolve());
      const { promise, resolve } = Promise.withResolvers<void>();
      pending.set(key, promise);
      const letGo = () => {
        pending.delete(key);
        resolve();
      };
      mine.set(key, { ...input, folder: join(at, String(mine.size)), letGo });
    }

    async function taken(key: string): Promise<void> {
      const input = mine.get(key);
      if (input === undefined) return;
      mine.delete(key);
      try {
        held.set(key, await take(input.folder, input));
      } catch (error) {
        count(input, -1);
        throw error;
      } finally {
        input.letGo();
      }
    }

    try {
      for (const input of distinct.values()) {
        const entry = held.get(input.key) ?? (await hold(input));
        if (entry === undefined) claim(input);
        else held.set(input.key, entry);
      }
      isReserved = await reserve([...mine.values()]);
      if (!isReserved) throw noRoom(distinct);
      if (mine.size > 0) {
        const inputs = [...mine.values()].map(({ key, folder, list: files }) => ({ key, folder, files }));
        const brought = bringing.bring(inputs, (key) => void taking.push(taken(key)));
        await untilAborted(brought, signal);
      }
    } finally {
      await Promise.allSettled(taking);
      // order matters: nobody else may begin with what is still being written.
      if (mine.size > 0) await bringing.end();
      for (const input of mine.values()) {
        if (isReserved) count(input, -1);
        input.letGo();
      }
    }
    await Promise.all(taking);
    await untilAborted(Promise.all(others), signal);
  }

  /** All of them, held. */
  async function gather(
    distinct: ReadonlyMap<string, Distinct>,
    token: string,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Kept>> {
    const held = new Map<string, Kept>();
    try {
      while (held.size < distinct.size) {
        const at = join(staging, String(++names));
        await mkdir(at, { mode: 0o700 });
        let bringing: Bringing | undefined;
        try {
          bringing = start({ token, decisions: [...distinct.values()].map(({ url, digest }) => ({ url, digest })) });
          // Whatever is here already: the server decides at each use who may have it.
          await untilAborted(bringing.decided, signal);
          await round(distinct, held, bringing, at, signal);
        } finally {
          await bringing?.end();
          await rm(at, { recursive: true, force: true });
        }
      }
      return held;
    } catch (error) {
      for (const entry of held.values()) entry.users--;
      throw error;
    }
  }

  async function use(wanted: WantedInputs, token: string, signal: AbortSignal): Promise<InputsUse> {
    const named = distinctOf(wanted);
    const distinct = new Map([...named.values()].map((each) => [each.key, each]));
    const { bytes, files } = sumOf([...distinct.values()]);
    if (bytes > capacity || files > FILES_MAX) throw noRoom(distinct);
    const held = await gather(distinct, token, signal);
    let isHeld = true;
    const release = () => {
      for (const entry of isHeld ? held.values() : []) {
        entry.users--;
        entry.usedAt = ++uses;
      }
      isHeld = false;
    };
    if (signal.aborted) release();
    signal.throwIfAborted();
    const folders = [...named].map(([name, { key }]) => [name, held.get(key)?.folder ?? ''] as const);
    return { folders: new Map(folders), release };
  }

  return {
    use: (wanted, token, signal) => track(use(wanted, token, AbortSignal.any([signal, closing.signal]))).catch(told),
    async close() {
      closing.abort(new InputsRefused('The node stops.'));
      while (busy.size > 0) await Promise.allSettled([...busy]);
    },
  };
}

function sumOf(all: readonly Size[]): Size {
  const sum = (of: (each: Size) => number) => all.reduce((total, each) => total + of(each), 0);
  return { bytes: sum(({ bytes }) => bytes), files: sum(({ files }) => files) };
}

/** What the disk says is told in words. */
function told(error: unknown): never {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  throw error instanceof InputsRefused || code === ''
    ? error
    : new InputsRefused(`This node cannot keep the inputs: ${code}.`);
}
