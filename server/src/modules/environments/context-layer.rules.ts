// The layer that a Dockerfile comes to, as its build sends it: what differs from what it stands on. It was made by code of strangers, so
// each entry is looked at and written anew. On an image it may hold links and say what is gone; on the node's own Python it holds
// `/env` and folders beside it, which lead into the image where it is used. Pure.

import type { TarEntry } from '#images';
import { environmentsFailures } from './environments.errors.ts';

export const entriesMax = { image: 200_000, node: 90_000 } as const;
const linksMax = 40;
const linkMax = 4095;
const ratioMax = 190;
const ratioFloorBytes = 60 * 1024 * 1024;
const whiteout = '.wh.';
const refuse = environmentsFailures.ResultRefused;
/** A sandbox has these for itself. */
const ofSandbox: readonly string[] = [
  ...['base', 'bin', 'boot', 'context', 'dev', 'env', 'etc', 'image', 'job', 'lib', 'lib32', 'lib64', 'libx32', 'proc'],
  ...['run', 'runner', 'sbin', 'sys', 'tmp', 'usr', 'var'],
];

export type ArchiveEntry = {
  readonly name: string;
  readonly type: string | null | undefined;
  readonly size: number;
  readonly mode: number;
  readonly linkname: string | null | undefined;
  readonly content: AsyncIterable<Uint8Array>;
};

export type LayerReader = {
  /** Throws `invalid` for what may not stand there. */
  read(entry: ArchiveEntry): TarEntry;
  /** Beside `env`: what lies directly below `/`. */
  links(): readonly string[];
  /** Throws `invalid` where the reader of a node would take the layer, of so many bytes, for a bomb (runner/management/unpack.py). */
  checkRatio(packedBytes: number): void;
};

export function createLayerReader(on: 'image' | 'node'): LayerReader {
  const links = new Set<string>();
  let entries = 0;
  let bytes = 0;
  let before: Buffer | undefined;

  function inOrder(path: string): void {
    entries += 1;
    if (entries > entriesMax[on]) throw refuse(`it has more than ${entriesMax[on]} files`);
    const name = Buffer.from(path);
    if (before !== undefined && Buffer.compare(before, name) >= 0) throw refuse('its files are not in order');
    before = name;
  }

  function besideEnv(path: string): void {
    const top = path.split('/', 1)[0] ?? '';
    if (top === 'env') {
      if (/^env\/bin\/python[0-9.]*$/.test(path)) throw refuse('it brings an interpreter of its own');
      return;
    }
    if (!isLinkName(top))
      throw refuse(`it holds '/${path.slice(0, 100)}', where the sandbox of a job has its own files`);
    links.add(top);
    if (links.size > linksMax) throw refuse(`it has more than ${linksMax} folders directly below /`);
  }

  return {
    read({ name, type, size, mode, linkname, content }) {
      const path = type === 'directory' ? name.replace(/\/$/, '') : name;
      inOrder(path);
      bytes += size;
      const last = path.slice(path.lastIndexOf('/') + 1);
      if (on === 'node') besideEnv(path);
      const nothing = { path, size: 0, content: [] };
      if (type === 'directory') return { ...nothing, as: 'folder' };
      if (type === 'symlink') {
        const linkTo = linkname ?? '';
        checkLink(on, path, linkTo);
        return { ...nothing, as: { linkTo } };
      }
      if (type !== 'file' && type !== 'contiguous-file')
        throw refuse('it holds something else than files, folders and links');
      if (last.startsWith(whiteout)) {
        if (on === 'node' || size > 0) throw refuse('it takes away what is none of its own');
        return {
          ...nothing,
          path: `${path.slice(0, path.length - last.length)}${last.slice(whiteout.length)}`,
          as: 'gone',
        };
      }
      return { path, size, isExecutable: (mode & 0o100) !== 0, content };
    },
    links: () => [...links].sort(),
    checkRatio(packedBytes) {
      if (bytes > Math.max(ratioFloorBytes, packedBytes * ratioMax))
        throw refuse(
          `its files are ${ratioMax} times as large as they are packed: leave out what is empty or repeats itself`,
        );
    },
  };
}

/** What may lie below `/` in a sandbox beside what it has itself. */
export const isLinkName = (name: string): boolean =>
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name) && !ofSandbox.includes(name);

/** In a root of its own a link leads nowhere else. Below another it may climb first, never again, and not out. */
function checkLink(on: 'image' | 'node', path: string, target: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (target === '' || Buffer.byteLength(target) > linkMax || /[\u0000-\u001f\u007f]/.test(target))
    throw refuse('it holds a link that leads to what is no path');
  if (on === 'image') return;
  const parts = target.split('/');
  const descends = parts.findIndex((part) => part !== '..' && part !== '.');
  const climbs = (descends < 0 ? parts : parts.slice(0, descends)).filter((part) => part === '..').length;
  const after = descends < 0 ? [] : parts.slice(descends);
  const isOut =
    climbs > path.split('/').length - 1 ||
    after.some((part) => part === '' || part === '.' || part === '..') ||
    descends === parts.length;
  if (target.startsWith('/') || isOut) throw refuse(`its link '/${path.slice(0, 100)}' leads out of the environment`);
}
