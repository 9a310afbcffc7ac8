// The command line's own folder: remembered defaults, and the session with its tokens. The folder is 0700 and its files are
// 0600; a session that others could have read is refused. Files are replaced whole, so that a reader never sees half of one.

import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { UsageError } from './exit.ts';

export const settingNames = [
  'url',
  'ca-file',
  'tenant',
  'subscription',
  'location',
  'resource-group',
  'workspace',
  'output',
] as const;
export type SettingName = (typeof settingNames)[number];
export type Settings = { readonly [name in SettingName]?: string };

export type Session = {
  /** The server that it was made at: tokens go to no other. */
  readonly url: string;
  readonly tenant: string;
  readonly kind: 'user' | 'servicePrincipal';
  readonly refreshToken?: string;
  /** Of a service principal: without it, it would have to sign in every hour. */
  readonly clientId?: string;
  readonly clientSecret?: string;
  readonly tokens: Readonly<Record<string, { readonly accessToken: string; readonly expiresAt: number }>>;
};

export type Home = {
  readonly folder: string;
  settings(): Settings;
  saveSettings(settings: Settings): void;
  session(): Session | undefined;
  saveSession(session: Session): void;
  forgetSession(): boolean;
  /** One process at a time; a lock left by a process that died is broken after ten seconds. */
  exclusively<T>(act: () => Promise<T>, sleep: (milliseconds: number) => Promise<void>): Promise<T>;
};

const lockStaleMs = 10_000;

export function openHome(environment: Readonly<Record<string, string | undefined>>): Home {
  const folder =
    environment['STRONGROOM_HOME'] ??
    join(environment['XDG_CONFIG_HOME'] || join(environment['HOME'] ?? homedir(), '.config'), 'strongroom');
  const settingsFile = join(folder, 'settings.json');
  const sessionFile = join(folder, 'session.json');
  const lockFile = join(folder, 'session.lock');

  function ensureFolder(): void {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chmodSync(folder, 0o700);
  }

  function read<T>(file: string): T | undefined {
    try {
      return JSON.parse(readFileSync(file, 'utf8')) as T; // codec: our own files
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      if (code === 'ENOENT') return undefined;
      // Another user's home: `runuser -u strongroom` and `sudo -u` leave HOME as it was. His defaults are not ours.
      if (code === 'EACCES' && file === settingsFile) return undefined;
      throw new UsageError(
        `${file} cannot be read. Remove it and ${file === sessionFile ? 'sign in again' : 'set your defaults again'}.`,
      );
    }
  }

  function write(file: string, value: unknown): void {
    ensureFolder();
    const temporary = `${file}.${process.pid}`;
    writeFileSync(temporary, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600, flag: 'w' });
    chmodSync(temporary, 0o600);
    renameSync(temporary, file);
  }

  return {
    folder,
    settings: () => read<Settings>(settingsFile) ?? {},
    saveSettings: (settings) => write(settingsFile, settings),

    session() {
      const stat = statSync(sessionFile, { throwIfNoEntry: false });
      if (stat === undefined) return undefined;
      // Fails closed: what others could read, others may have.
      if (process.platform !== 'win32' && (stat.mode & 0o077) !== 0)
        throw new UsageError(
          `${sessionFile} can be read by others (mode ${(stat.mode & 0o777).toString(8)}). Remove it with 'strongroom logout', and sign in again.`,
        );
      return read<Session>(sessionFile);
    },
    saveSession: (session) => write(sessionFile, session),
    forgetSession() {
      const there = statSync(sessionFile, { throwIfNoEntry: false }) !== undefined;
      rmSync(sessionFile, { force: true });
      return there;
    },

    async exclusively(act, sleep) {
      ensureFolder();
      for (;;) {
        try {
          closeSync(openSync(lockFile, 'wx', 0o600));
          break;
        } catch (thrown) {
          if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
          const stat = statSync(lockFile, { throwIfNoEntry: false });
          if (stat !== undefined && Date.now() - stat.mtimeMs > lockStaleMs) rmSync(lockFile, { force: true });
          else await sleep(50);
        }
      }
      try {
        return await act();
      } finally {
        rmSync(lockFile, { force: true });
      }
    },
  };
}
