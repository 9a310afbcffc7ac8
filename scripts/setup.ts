// What the demo and the tests need from the system beside Node: bubblewrap and a Python of the system. Installs what is
// missing where it may (root, or sudo without a password, on Debian, Ubuntu, Fedora and Alpine) and says so; where it may
// not, it stops before anything else has happened and prints the line to run.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const has = (command: string) => spawnSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' }).status === 0;

type Installer = { readonly tool: string; readonly lines: (packages: readonly string[]) => readonly string[] };
const installers: readonly Installer[] = [
  { tool: 'apt-get', lines: (packages) => ['apt-get update -qq', `apt-get install -y -qq ${packages.join(' ')}`] },
  { tool: 'dnf', lines: (packages) => [`dnf install -y -q ${packages.join(' ')}`] },
  { tool: 'apk', lines: (packages) => [`apk add --quiet ${packages.join(' ')}`] },
];

/** A Python that a sandbox can see: below /usr, not in somebody's home folder. */
const hasSystemPython = () => ['/usr/bin/python3', '/usr/local/bin/python3'].some((path) => existsSync(path));

/** Installs bubblewrap and python3 if they are missing. Exits the process with 1 where it may not install them. */
export function ensureSandbox(): void {
  if (process.platform !== 'linux') return;
  const packages = [...(has('bwrap') ? [] : ['bubblewrap']), ...(hasSystemPython() ? [] : ['python3'])];
  if (packages.length === 0) return;
  const installer = installers.find(({ tool }) => has(tool));
  const lines = installer?.lines(packages) ?? [];
  const sudo =
    process.getuid?.() === 0
      ? ''
      : has('sudo') && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0
        ? 'sudo -n '
        : undefined;
  if (!installer || sudo === undefined) {
    const advice = installer
      ? `sudo sh -c '${lines.join(' && ')}'`
      : `install ${packages.join(' and ')} with your system's package manager`;
    process.stderr.write(
      `Strongroom runs users' code in a sandbox and needs ${packages.join(' and ')}, which this machine does not have.\nRun this, then try again:\n\n    ${advice}\n\n`,
    );
    process.exit(1);
  }
  process.stdout.write(`Installing ${packages.join(' and ')} (the sandbox needs it) ...\n`);
  for (const line of lines) {
    const { status } = spawnSync('sh', ['-c', `${sudo}${line}`], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    if (status !== 0) {
      process.stderr.write(`That failed. Run it by hand, then try again:\n\n    ${sudo}${line}\n\n`);
      process.exit(1);
    }
  }
}
