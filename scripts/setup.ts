// What the demo, the tests and the conformance suites need from the system beside Node: bubblewrap, a Python of the system, leave to make a
// sandbox, and for some tests pip and PostgreSQL. Installs what is missing where it may (root, or sudo without a password, on Debian, Ubuntu, Fedora and Alpine)
// and says so; where it may not, it stops before anything else has happened and prints the line to run.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appArmorProfile, isAppArmorInTheWay, probeSandbox } from '../agent/src/sandbox/probe.ts';
import { findPostgres, withoutPostgres } from '../server/src/kernel/testing/postgres.server.ts';
import { hasPip, withoutPip } from '../server/src/modules/environments/package-index.fixture.ts';

const has = (command: string) => spawnSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' }).status === 0;

type Installer = { readonly tool: string; readonly lines: (packages: readonly string[]) => readonly string[] };
const installers: readonly Installer[] = [
  { tool: 'apt-get', lines: (packages) => ['apt-get update -qq', `apt-get install -y -qq ${packages.join(' ')}`] },
  { tool: 'dnf', lines: (packages) => [`dnf install -y -q ${packages.join(' ')}`] },
  { tool: 'apk', lines: (packages) => [`apk add --quiet ${packages.join(' ')}`] },
];

/** A Python that a sandbox can see: below /usr, not in somebody's home folder. */
const hasSystemPython = () => ['/usr/bin/python3', '/usr/local/bin/python3'].some((path) => existsSync(path));

/** What goes in front of a line that needs root; undefined where this process may not become it. */
function becomingRoot(): string | undefined {
  if (process.getuid?.() === 0) return '';
  return has('sudo') && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0 ? 'sudo -n ' : undefined;
}

/**
 * Makes sure that sandboxes work here. Exits the process with 1 where they do not and it may not change that.
 * @param otherwise what can be done without one, said behind the line that would make it possible
 */
export async function ensureSandbox(otherwise = ''): Promise<void> {
  if (process.platform !== 'linux') return;
  const packages = [...(has('bwrap') ? [] : ['bubblewrap']), ...(hasSystemPython() ? [] : ['python3'])];
  if (packages.length > 0) install(packages, "Strongroom runs users' code in a sandbox", otherwise);
  let probe = await probeSandbox();
  if (!probe.available && isAppArmorInTheWay() && becomingRoot() !== undefined) {
    process.stdout.write('Allowing bubblewrap to make user namespaces (/etc/apparmor.d/bwrap) ...\n');
    runAsRoot([appArmorProfile]);
    probe = await probeSandbox();
  }
  if (!probe.available) stop(`No sandbox can be made on this machine: ${probe.reason}`, probe.remedy, otherwise);
}

/** Makes sure that a program of the system is there whose package has its name. `purpose` begins the sentence that says why. */
export function ensureProgram(name: string, purpose: string): void {
  if (!has(name)) install([name], purpose);
}

/** Of what a part of the tests needs: a failure where everything is to be tested (CI=true), elsewhere said, and skipped. */
function isLeftOut(purpose: string, without: string): boolean {
  if (process.env['CI'] === 'true' || (becomingRoot() !== undefined && installers.some(({ tool }) => has(tool))))
    return false;
  process.stderr.write(`${purpose} and are skipped. ${without}\n`);
  return true;
}

/** Makes sure that tests can offer pip to a build, as a package index does. */
export function ensurePip(): void {
  const purpose = 'Some tests build environments with pip,';
  if (process.platform !== 'linux' || hasPip() || isLeftOut(purpose, withoutPip)) return;
  install([has('apt-get') ? 'python3-pip-whl' : has('apk') ? 'py3-pip' : 'python3-pip'], purpose);
}

/** Makes sure that tests can keep inputs as a node does that seals them. */
export function ensureSealing(): void {
  const purpose = 'Some tests keep inputs of jobs sealed,';
  const isThere = has('gocryptfs') && (has('fusermount3') || has('fusermount'));
  if (process.platform !== 'linux' || isThere || isLeftOut(purpose, withoutSealing)) return;
  install(['gocryptfs', 'fuse3'], purpose);
}

const withoutSealing = 'They need gocryptfs and fuse3.';

/** Makes sure that tests can start a PostgreSQL. */
export function ensurePostgres(): void {
  const purpose = 'Some tests run on PostgreSQL, the second engine of the database port,';
  if (process.platform !== 'linux' || findPostgres() !== undefined || isLeftOut(purpose, withoutPostgres)) return;
  if (has('apt-get')) {
    // Debian's package makes a server and starts it, on a port of this machine. Nobody here wants that one.
    if (becomingRoot() !== undefined && !existsSync(clusterSettings)) {
      install(['postgresql-common'], purpose);
      runAsRoot([`sed -ri "s/#?(create_main_cluster) .*/\\1 = false/" ${clusterSettings}`]);
    }
    install(['postgresql'], purpose);
  } else install([has('apk') ? 'postgresql' : 'postgresql-server'], purpose);
}

const clusterSettings = '/etc/postgresql-common/createcluster.conf';

function install(packages: readonly string[], purpose: string, otherwise = ''): void {
  const installer = installers.find(({ tool }) => has(tool));
  const lines = installer?.lines(packages) ?? [];
  if (!installer || becomingRoot() === undefined)
    stop(
      `${purpose} and needs ${packages.join(' and ')}, which this machine does not have.`,
      installer ? asRoot(lines) : `install ${packages.join(' and ')} with your system's package manager`,
      otherwise,
    );
  process.stdout.write(`Installing ${packages.join(' and ')} ...\n`);
  runAsRoot(lines);
}

/** The line for a person to run; a bare machine has no sudo, and then root's own password is asked for. */
const asRoot = (lines: readonly string[]): string => `${has('sudo') ? 'sudo sh' : 'su'} -c '${lines.join(' && ')}'`;

function runAsRoot(lines: readonly string[]): void {
  for (const line of lines) {
    const command = `${becomingRoot()}sh -c '${line}'`;
    const { status } = spawnSync('sh', ['-c', command], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    if (status !== 0) stop('That failed.', command);
  }
}

function stop(why: string, line: string, otherwise = ''): never {
  process.stderr.write(`${why}\nDo this, then try again:\n\n    ${line}\n\n${otherwise}`);
  process.exit(1);
}
