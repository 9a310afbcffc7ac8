// Asks this machine whether it can make the sandbox, by making one. Promises an answer that names the next step: where no
// sandbox can be made the agent refuses work, so the remedy is the line that an operator types. Must not weaken anything to succeed.
import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { findBubblewrap, interpreterCandidates, NOBODY, sandboxIdentity, stepsDown } from './host.ts';
import { type Installation, installationAt, Unanswered, Unfit } from './installations.ts';
import { installationOptions, mergedFolders } from './plan.ts';
import { type Ask, checkAnswer, findPythons, type Interpreter, type Pythons } from './pythons.ts';
import { isFilteredArch } from './seccomp.ts';
import { readAccounts } from './trust.ts';

/** What the machine offers; `version` is bubblewrap's. */
export type Probe =
  | { readonly available: true; readonly version: string; readonly pythons: Pythons }
  | { readonly available: false; readonly reason: string; readonly remedy: string };

const PROBE_TIMEOUT_MS = 15_000;
/** --size and --perms, which bound the scratch space, came with this release. */
const OLDEST_BUBBLEWRAP = [0, 6] as const;

interface Ran {
  readonly ok: boolean;
  /** Killed, because it took too long. */
  readonly isLate: boolean;
  readonly output: string;
}

function run(path: string, args: readonly string[], timeout = PROBE_TIMEOUT_MS): Promise<Ran> {
  const identity = stepsDown() ? sandboxIdentity() : {};
  return new Promise((resolve) => {
    const bounds = { timeout, maxBuffer: 65_536, killSignal: 'SIGKILL' } as const;
    execFile(path, args, { ...identity, ...bounds, cwd: '/', env: {} }, (error, stdout, stderr) => {
      // It is killed for saying too much, too.
      const isLate = error?.killed === true && error.code !== 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER';
      resolve({ ok: error === null, isLate, output: `${stdout}${stderr}`.trim() });
    });
  });
}

function atLeast(version: string, oldest: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > oldest[0] || (major === oldest[0] && minor >= oldest[1]);
}

/** The line that installs a package on this distribution. */
function install(packages: string): string {
  let release = '';
  try {
    release = readFileSync('/etc/os-release', 'utf8');
  } catch {
    // A host without the file gets the most common spelling.
  }
  const families = /^(?:ID|ID_LIKE)=.*$/gm;
  const words = (release.match(families) ?? []).join(' ');
  if (/fedora|rhel|centos/.test(words)) return `sudo dnf install ${packages}`;
  if (/suse/.test(words)) return `sudo zypper install ${packages}`;
  if (/arch/.test(words)) return `sudo pacman -S ${packages.replace('python3', 'python')}`;
  if (/alpine/.test(words)) return `sudo apk add ${packages}`;
  return `sudo apt-get install ${packages}`;
}

function sysctl(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Ubuntu since 23.10: programs need a profile to make user namespaces. */
export const isAppArmorInTheWay = (): boolean => sysctl('kernel.apparmor_restrict_unprivileged_userns') === '1';

/** Lets bubblewrap, and nothing else, make user namespaces. To be run as root. */
export const appArmorProfile =
  'echo "abi <abi/4.0>, profile bwrap /usr/bin/bwrap flags=(unconfined) { userns, }" > /etc/apparmor.d/bwrap && apparmor_parser -r /etc/apparmor.d/bwrap';

/**
 * Whether this process sees a part of the machine as its root (chroot, debootstrap, a rescue system): the kernel makes no user
 * namespace there, whoever asks. @param mounts the text of /proc/self/mountinfo
 */
export function isInChroot(mounts: string): boolean {
  // Without a mount at `/` the root is a plain folder of some mount.
  if (mounts !== '' && !mounts.split('\n').some((line) => line.split(' ')[4] === '/')) return true;
  try {
    const [own, first] = [statSync('/'), statSync('/proc/1/root/')];
    return own.dev !== first.dev || own.ino !== first.ino;
  } catch {
    return false; // only root may look, and only where the first process is visible
  }
}

function mountsSeen(): string {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return '';
  }
}

/** Why user namespaces do not work, from the switches that distributions are known to set. */
function namespaceRemedy(): string {
  if (isInChroot(mountsSeen()))
    return 'this is a chroot, where the kernel makes no user namespaces: run it outside, or enter this folder as a container (systemd-nspawn -D FOLDER)';
  if (isAppArmorInTheWay()) return `sudo sh -c '${appArmorProfile}'`;
  if (sysctl('kernel.unprivileged_userns_clone') === '0') return 'sudo sysctl -w kernel.unprivileged_userns_clone=1';
  if (sysctl('user.max_user_namespaces') === '0') return 'sudo sysctl -w user.max_user_namespaces=16384';
  return 'run the agent outside a container, or in one that allows nested user namespaces (podman run --security-opt seccomp=unconfined --security-opt unmask=ALL)';
}

function trialOptions(more: readonly (readonly string[])[] = []): readonly string[] {
  return [
    ['--unshare-all', '--die-with-parent', '--new-session', '--as-pid-1', '--cap-drop', 'ALL', '--clearenv'],
    ['--uid', String(NOBODY), '--gid', String(NOBODY), '--proc', '/proc'],
    ['--dev-bind', '/dev/null', '/dev/null', '--dev-bind', '/dev/urandom', '/dev/urandom'],
    ['--ro-bind', '/usr', '/usr', ...mergedFolders().flat()],
    ...more,
    ['--size', '65536', '--tmpfs', '/tmp', '--remount-ro', '/'],
  ].flat();
}

/**
 * What an interpreter says of itself, with what builds and the management code need of it imported. Without `site`: a file in its
 * library that changes what it says would speak in its place.
 */
const QUESTION = `
import sys, os, json, importlib.machinery
import compileall, ctypes, hashlib, http.client, ssl, subprocess, tarfile, zipfile, zlib
print(json.dumps({
    "implementation": sys.implementation.name, "version": "%d.%d" % sys.version_info[:2], "release": sys.version.split()[0],
    "abi": importlib.machinery.EXTENSION_SUFFIXES[0].strip(".").rsplit(".so", 1)[0],
    "prefix": sys.base_prefix, "stdlib": os.path.dirname(os.__file__),
}))
`;

/** With nothing but the interpreter and what its sandboxes have of it. */
const askWith =
  (bubblewrap: string, timeoutMs?: number): Ask =>
  async (installation) => {
    const options = trialOptions(installationOptions(installation));
    const asking = [...options, installation.program, '-I', '-S', '-B', '-c', QUESTION];
    const answer = await run(bubblewrap, asking, timeoutMs);
    if (answer.isLate) throw new Unanswered('did not answer in time');
    if (!answer.ok)
      throw new Unfit(
        `cannot be used in a sandbox: ${answer.output.split('\n').at(-1)?.slice(0, 300) || 'it says nothing'}`,
      );
    return checkAnswer(installation, parsed(answer.output));
  };

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Unfit('does not answer as a Python does');
  }
}

/** What the probe looks at; the defaults are this machine. */
export interface ProbedHost {
  readonly bubblewrap: string | undefined;
  /** For the node's own, the best first. */
  readonly interpreters: readonly string[];
  /** Of the operator's setting. */
  readonly named?: readonly string[];
  /** How long an interpreter may take to say what it is. */
  readonly askMs?: number;
}

const thisHost = (): ProbedHost => ({ bubblewrap: findBubblewrap(), interpreters: interpreterCandidates() });

/** Finds out, by trying each part once, whether sandboxes work here. Never throws. */
export async function probeSandbox(host: Partial<ProbedHost> = {}): Promise<Probe> {
  const { bubblewrap, interpreters, named = [], askMs } = { ...thisHost(), ...host };
  const refuse = (reason: string, remedy: string): Probe => ({ available: false, reason, remedy });
  if (process.platform !== 'linux' || !isFilteredArch(process.arch)) {
    return refuse(
      `A sandbox needs Linux on x86_64 or aarch64; this is ${process.platform} on ${process.arch}.`,
      'run the agent on a Linux machine and attach that machine as a compute target',
    );
  }
  if (bubblewrap === undefined) return refuse('bubblewrap is not installed.', install('bubblewrap'));
  const version = /\d+(?:\.\d+)+/.exec((await run(bubblewrap, ['--version'])).output)?.[0] ?? 'unknown';
  if (!atLeast(version, OLDEST_BUBBLEWRAP)) {
    return refuse(`bubblewrap ${version} is older than ${OLDEST_BUBBLEWRAP.join('.')}.`, install('bubblewrap'));
  }
  const trial = await run(bubblewrap, [...trialOptions(), '/usr/bin/env', 'true']);
  if (!trial.ok) {
    return refuse(`bubblewrap cannot make a sandbox: ${trial.output.slice(0, 400)}`, namespaceRemedy());
  }
  const ask = askWith(bubblewrap, askMs);
  const reasons: string[] = [];
  for (const path of interpreters) {
    const own = await ownAt(path, ask).catch((thrown: unknown) => {
      reasons.push(`${path} ${thrown instanceof Unfit ? thrown.message : 'could not be looked at'}.`);
    });
    if (own !== undefined) return { available: true, version, pythons: await findPythons({ own, ask, named }) };
  }
  return refuse(
    `No Python 3.8 or later that can be used is installed below /usr. ${reasons.slice(0, 3).join(' ')}`.trim(),
    install('python3'),
  );
}

/** The node's own, which holds what bounds all that runs, is one of the system. */
async function ownAt(path: string, ask: Ask): Promise<Interpreter> {
  const installation: Installation = await installationAt(path, readAccounts());
  if (installation.prefix !== undefined) throw new Unfit('does not lie below /usr');
  return ask(installation);
}
