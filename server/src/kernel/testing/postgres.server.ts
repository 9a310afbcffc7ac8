// For tests: a PostgreSQL server in a temporary folder, reached through a Unix socket in that folder and by nothing else. Finding and
// starting it needs no driver, so that whoever only asks for it (the set-up of a machine) needs none either.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Names the socket in its folder; nothing listens on it. */
export const port = 5432;
export const user = 'strongroom';
/** Of Debian, Fedora and Alpine; Debian keeps the programs out of the path. */
const places = ['/usr/lib/postgresql', '/usr/pgsql', '/usr/libexec/postgresql'];

/** The folder of `initdb` and `postgres`, the newest version; undefined where there is none. */
export function findPostgres(): string | undefined {
  const versioned = places.flatMap((place) =>
    existsSync(place)
      ? readdirSync(place)
          .toSorted((one, other) => Number.parseFloat(other) - Number.parseFloat(one))
          .map((version) => join(place, version, 'bin'))
      : [],
  );
  return [...versioned, ...places, ...(process.env['PATH'] ?? '').split(':')].find((folder) =>
    ['initdb', 'postgres'].every((program) => existsSync(join(folder, program))),
  );
}

export const withoutPostgres =
  'PostgreSQL is not on this machine. On Debian and Ubuntu: apt-get install postgresql (no server of it has to run).';

/** PostgreSQL does not run as root: who it runs as then. */
function runsAs(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const people = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const found = ['postgres', 'nobody'].flatMap((name) => people.filter(([known]) => known === name))[0];
  if (found === undefined) throw new Error('neither postgres nor nobody is a user of this machine');
  return { uid: Number(found[2]), gid: Number(found[3]) };
}

export type TestServer = { readonly folder: string; stop(): Promise<void> };

export async function startPostgres(): Promise<TestServer> {
  const programs = findPostgres();
  if (programs === undefined) throw new Error(withoutPostgres);
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-postgres-'));
  const as = runsAs();
  if (as !== undefined) await chown(folder, as.uid, as.gid);
  const data = join(folder, 'data');
  const begin = [
    ...['-D', data, '-U', user, '-A', 'trust', '-E', 'UTF8', '--no-sync', '--no-instructions'],
    // The rules of a language, so that an order which nobody asked for is not that of bytes.
    ...['--locale=C.UTF-8', '--locale-provider=icu', '--icu-locale=en-US'],
  ];
  const env = { PATH: process.env['PATH'] ?? '', TZ: 'UTC' };
  execFileSync(join(programs, 'initdb'), begin, { ...as, cwd: folder, env, stdio: ['ignore', 'ignore', 'pipe'] });
  const settings = {
    // The socket, and nothing of the network. What the folder holds is gone with the run, so nothing has to reach a disk.
    ...{ listen_addresses: '', unix_socket_directories: folder, unix_socket_permissions: '0700', fsync: 'off' },
    ...{ full_page_writes: 'off', max_connections: '200', shared_buffers: '32MB', autovacuum: 'off' },
  };
  // The shell reads until whoever started it is gone, however that went, and takes the server with it.
  const server = spawn(
    'sh',
    [
      ...['-c', '"$@" & pid=$!; read -r _; kill -INT $pid; wait $pid', 'sh', join(programs, 'postgres'), '-D', data],
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    { ...as, cwd: folder, env, stdio: ['pipe', 'ignore', 'pipe'] },
  );
  const ended = once(server, 'exit');
  const said: string[] = [];
  const ready = (async () => {
    for await (const line of createInterface({ input: server.stderr })) {
      said.push(line);
      if (line.includes('ready to accept connections')) return true;
    }
    return false;
  })();
  if (!(await ready)) throw new Error(`PostgreSQL did not start:\n${said.join('\n')}`);
  server.stderr.resume();
  server.unref();
  for (const stream of [server.stdin, server.stderr]) if ('unref' in stream) (stream.unref as () => void)();
  return {
    folder,
    async stop() {
      // Until it has ended, nothing else may keep this process alive.
      server.ref();
      server.stdin.end();
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
