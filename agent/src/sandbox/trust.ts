// Who may change a file that everybody's work will run on: its own mode and owner, and those of every folder above it.
//
// Promises: what passes can be changed by root and by the user of this agent alone, as far as owners and modes say; every access
// list shows in the bits of the group, so that none is passed over where the group may not write. Fails closed. Starts nothing.
import { lstatSync, readFileSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';

/** The accounts of this machine, from its own files: what only a directory server knows of is nobody that may change anything. */
export interface Accounts {
  readonly homes: ReadonlySet<string>;
  /** Groups that somebody is in, by a member list or as his own; undefined: not known, so that none is known to be empty. */
  readonly peopled: ReadonlySet<number> | undefined;
}

export type Entry = Pick<Stats, 'uid' | 'gid' | 'mode' | 'isDirectory' | 'isSymbolicLink'>;

const WRITE_GROUP = 0o020;
const WRITE_ALL = 0o002;
/** In such a folder nobody replaces what is another's. */
const STICKY = 0o1000;

function linesOf(path: string): readonly (readonly string[])[] | undefined {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .map((line) => line.split(':'));
  } catch {
    return undefined;
  }
}

export function readAccounts(passwd = '/etc/passwd', group = '/etc/group'): Accounts {
  const users = linesOf(passwd)?.filter((fields) => fields.length >= 6);
  const groups = linesOf(group)?.filter((fields) => (fields[3] ?? '') !== '');
  return {
    homes: new Set(users?.map((fields) => fields[5] ?? '')),
    peopled:
      users &&
      groups &&
      new Set([...users.map((fields) => Number(fields[3])), ...groups.map((fields) => Number(fields[2]))]),
  };
}

const isOurs = (uid: number): boolean => uid === 0 || uid === process.getuid?.();

/** What is wrong with an entry of an installation; undefined: nothing. A link has no mode: whoever may replace it owns it or its folder. */
export function faultOf(path: string, entry: Entry): string | undefined {
  if (!isOurs(entry.uid)) return `${path} belongs to the user ${entry.uid}`;
  if (entry.isSymbolicLink()) return undefined;
  if ((entry.mode & WRITE_ALL) !== 0) return `everybody may write to ${path}`;
  return (entry.mode & WRITE_GROUP) === 0 ? undefined : `a group may write to ${path}`;
}

/**
 * The same of a folder above it. Debian gives /usr/local to a group that nobody is in; a folder for everybody (/var/tmp) lets nobody
 * replace what is another's.
 */
export function faultAbove(path: string, entry: Entry, { peopled }: Accounts): string | undefined {
  const isSticky = (entry.mode & STICKY) !== 0 && isOurs(entry.uid);
  // fails closed: of a group of which it is not known somebody may be in it.
  const isOfNobody =
    isOurs(entry.uid) &&
    (entry.mode & WRITE_ALL) === 0 &&
    /^\/usr\/local(\/|$)/.test(path) &&
    peopled?.has(entry.gid) === false;
  return entry.isDirectory() && (isSticky || isOfNobody) ? undefined : faultOf(path, entry);
}

/** What is wrong with a real path, from the root down to it. */
export function faultOfPath(path: string, accounts: Accounts): string | undefined {
  const above: string[] = [];
  for (let at = dirname(path); ; at = dirname(at)) {
    above.unshift(at);
    if (at === '/') break;
  }
  try {
    for (const folder of above) {
      const fault = faultAbove(folder, lstatSync(folder), accounts);
      if (fault !== undefined) return fault;
    }
    return faultOf(path, lstatSync(path));
  } catch {
    return `${path} cannot be looked at`;
  }
}
