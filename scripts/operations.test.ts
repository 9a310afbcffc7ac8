// docs/operations is run as it stands: its commands in a small root of their own, in its order, with its configuration, and its
// unit by what systemd would make of it: the folders it makes, the user, the paths that may be written and no others. What
// would change the machine (packages, a fetch) is a stand-in that succeeds. Root runs it with a user of its own for the
// service; without root that user is the same one under another name.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { readConfig } from '../server/src/settings.ts';

const checkout = fileURLToPath(new URL('..', import.meta.url));
const page = readFileSync(join(checkout, 'docs/operations/README.md'), 'utf8');
const isRoot = process.getuid?.() === 0;
const blocks = (language: string): readonly string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(([, text = '']) => text);

/** `[Section]` is left out: no key of this unit stands in two of them. */
function readUnit(text: string): ReadonlyMap<string, string> {
  return new Map([...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, key = '', value = '']) => [key, value]));
}

const standIns = ['apt-get', 'npm', 'git', 'journalctl'];

/** A root with the system's programs, this checkout at /opt/strongroom, and everything else empty and its own. */
function makeRoot(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-operations-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755);
  for (const name of [
    'etc/systemd/system',
    'opt/strongroom',
    'proc',
    'dev',
    'tmp',
    'usr',
    'var/lib',
    'var/log',
    'root',
    'stand-ins',
  ])
    mkdirSync(join(folder, name), { recursive: true });
  for (const name of ['bin', 'sbin', 'lib', 'lib32', 'lib64'])
    if (lstatSync(`/${name}`, { throwIfNoEntry: false })?.isSymbolicLink() === true)
      symlinkSync(readlinkSync(`/${name}`), join(folder, name));
  for (const name of ['nsswitch.conf', 'login.defs', 'ld.so.cache', 'ld.so.conf', 'ld.so.conf.d'])
    if (existsSync(`/etc/${name}`)) cpSync(`/etc/${name}`, join(folder, 'etc', name), { recursive: true });
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  write(
    'etc/passwd',
    `root:x:0:0:root:/root:/bin/sh\n${isRoot ? '' : 'strongroom:x:0:0::/var/lib/strongroom:/usr/sbin/nologin\n'}`,
  );
  write('etc/group', `root:x:0:\n${isRoot ? '' : 'strongroom:x:0:\n'}`);
  write('etc/shadow', 'root:*:1::::::\n');
  write('etc/hosts', '127.0.0.1 localhost ml.example.org\n');
  for (const name of [...standIns, ...(isRoot ? [] : ['useradd'])]) {
    write(`stand-ins/${name}`, '#!/bin/sh\nexit 0\n');
    chmodSync(join(folder, 'stand-ins', name), 0o755);
  }
  // The real one asks PAM, which a bare root has not.
  write(
    'stand-ins/runuser',
    '#!/bin/sh\nuser=$2; shift 3\nexec setpriv --reuid "$user" --regid "$user" --clear-groups -- "$@"\n',
  );
  chmodSync(join(folder, 'stand-ins/runuser'), 0o755);
  return folder;
}

const basis = (root: string, access: '--bind' | '--ro-bind'): readonly string[] => [
  ...(isRoot ? ['--cap-add', 'ALL'] : ['--unshare-user', '--uid', '0', '--gid', '0']),
  ...['--unshare-pid', '--die-with-parent', access, root, '/', '--ro-bind', '/usr', '/usr'],
  ...['--ro-bind', checkout, '/opt/strongroom', '--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp'],
  ...['--clearenv', '--setenv', 'PATH', '/stand-ins:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
];

function inRoot(root: string, command: string): string {
  const words = [...basis(root, '--bind'), '--setenv', 'HOME', '/root', 'sh', '-c', command];
  const { status, stdout, stderr } = spawnSync('bwrap', words, { encoding: 'utf8', timeout: 120_000 });
  assert.equal(status, 0, `${command}\n${stdout}${stderr}`);
  return stdout;
}

/** The unit as systemd would run it, as far as it says. */
function createService(root: string, unit: ReadonlyMap<string, string>) {
  const value = (key: string) => unit.get(key) ?? '';
  const user = value('User');
  const made = [
    [`/var/lib/${value('StateDirectory')}`, value('StateDirectoryMode') || '0755'],
    [`/var/log/${value('LogsDirectory')}`, value('LogsDirectoryMode') || '0755'],
  ] as const;
  const writable = [...made.map(([path]) => path), ...value('ReadWritePaths').split(' ')];
  let running: ChildProcess | undefined;
  let said = '';
  let logged = '';
  return {
    said: () => said,
    logged: () => logged,
    async start() {
      for (const [path, mode] of made) inRoot(root, `install -d -o ${user} -g ${user} -m ${mode} ${path}`);
      for (const path of writable)
        assert.ok(existsSync(join(root, path)), `systemd refuses a unit whose ${path} is missing`);
      const words = [
        ...basis(root, '--ro-bind'),
        ...writable.flatMap((path) => ['--bind', join(root, path), path]),
        ...['--setenv', ...value('Environment').split('=')],
        ...['setpriv', '--reuid', user, '--regid', user, '--clear-groups', '--'],
        ...['sh', '-c', `umask ${value('UMask')}; exec ${value('ExecStart')}`],
      ];
      const child = spawn('bwrap', words, { stdio: ['ignore', 'pipe', 'pipe'] });
      running = child;
      said = '';
      logged = '';
      const ended = once(child, 'exit').then(() => false);
      const ready = new Promise<boolean>((resolve) => {
        child.stderr.setEncoding('utf8').on('data', (text: string) => {
          logged += text;
        });
        child.stdout.setEncoding('utf8').on('data', (text: string) => {
          said += text;
          if (said.includes(' is ready at ')) resolve(true);
        });
      });
      assert.ok(await Promise.race([ready, ended]), `${said}${logged}`);
    },
    async stop() {
      const child = running;
      running = undefined;
      if (child?.pid === undefined || child.exitCode !== null) return;
      // Not before all that it said was read.
      const exited = once(child, 'close');
      // systemd signals the service itself, which here is what the sandbox's own first process waits for.
      const inner = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim();
      for (const pid of readFileSync(`/proc/${inner}/task/${inner}/children`, 'utf8').trim().split(' '))
        process.kill(Number(pid), value('KillSignal') === '' ? 'SIGTERM' : 'SIGINT');
      await exited;
    },
  };
}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // it listens
  server.close();
  return port;
};

test('every command of docs/operations runs as it stands, with its configuration, under the rules of its unit', async (t) => {
  const root = makeRoot(t);
  const [yaml = ''] = blocks('yaml');
  const [ini = ''] = blocks('ini');
  const service = createService(root, readUnit(ini));
  t.after(service.stop);
  const files = [
    [
      '/etc/strongroom/strongroom.yaml',
      yaml.replace('port: 8443', `port: ${await freePort()}`).replace('host: 0.0.0.0', 'host: 127.0.0.1'),
    ],
    ['/etc/systemd/system/strongroom.service', ini],
  ] as const;
  const printed: string[] = [];
  for (const block of blocks('sh')) {
    // In the order of the page: the files stand between the commands that make their folders and those that use them.
    if (existsSync(join(root, 'etc/strongroom')))
      for (const [path, text] of files) writeFileSync(join(root, path), text, { mode: 0o644 });
    for (const line of block.split('\n').map((text) => text.replace(/\s+#.*$/, '').trim()))
      for (const command of line === '' ? [] : line.split(' && ')) {
        const [, verb] = /^systemctl (\S+)/.exec(command) ?? [];
        if (verb === undefined) printed.push(`${command}\n${inRoot(root, command)}`);
        else if (verb === 'start' || verb === 'enable') await service.start();
        else if (verb === 'stop') await service.stop();
        else assert.equal(verb, 'daemon-reload');
      }
  }
  await service.stop();
  const outputOf = (word: string) => printed.find((text) => text.split('\n', 1)[0]?.includes(word)) ?? '';
  assert.match(service.said(), /Certificate authority '.*': sha256:[0-9a-f]{64}\n/);
  assert.doesNotMatch(`${service.said()}${service.logged()}`, /clientSecret|"password"|password {2}/);
  // As the page says: words for a person on standard output, the log on standard error, in JSON and without a complaint.
  assert.doesNotMatch(service.said(), /^\{/m);
  for (const line of service.logged().trimEnd().split('\n')) assert.ok(JSON.parse(line).level <= 30, line);
  assert.match(outputOf(' whoami'), /service principal/);
  assert.match(outputOf(' trust --data-dir'), /BEGIN CERTIFICATE/);
  assert.match(outputOf(' audit verify'), /verified/i);
  const about = (path: string) => statSync(join(root, path));
  assert.equal(about('/var/lib/strongroom').mode & 0o777, 0o700);
  assert.equal(about('/etc/strongroom/keys/root.key').mode & 0o777, 0o600);
  assert.ok(!existsSync(join(root, '/var/lib/strongroom/first-start.json')));
  assert.ok(existsSync(join(root, '/var/log/strongroom/checkpoints.jsonl')));
  if (isRoot) assert.notEqual(about('/var/lib/strongroom/data').uid, 0, 'the service is not root');
});

test('every configuration on the page is one', () => {
  const [whole, ...parts] = blocks('yaml').map((text) => parse(text) as Readonly<Record<string, unknown>>);
  for (const flags of [whole, ...parts])
    assert.doesNotThrow(() => readConfig({ flags: { ...flags }, environment: {} }));
  assert.deepEqual(
    Object.keys(whole ?? {}).sort(),
    Object.keys(readConfig({ environment: {} })).sort(),
    'every section is shown',
  );
});

test('systemd understands every line of the unit', (t) => {
  const verify = spawnSync('systemd-analyze', ['--version']);
  if (verify.status !== 0) {
    // Not on every machine; what it would say of names and values is then held by the keys that are known to it.
    const known =
      /^(Description|After|Wants|User|StateDirectory|StateDirectoryMode|LogsDirectory|ExecStart|Environment|Restart|TimeoutStopSec|UMask|ProtectSystem|ReadWritePaths|ProtectHome|PrivateTmp|WantedBy)$/;
    for (const key of readUnit(blocks('ini')[0] ?? '').keys()) assert.match(key, known);
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-unit-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'strongroom.service');
  writeFileSync(file, (blocks('ini')[0] ?? '').replace('/opt/strongroom/', checkout));
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.doesNotMatch(stderr, /strongroom\.service/, 'nor is there a warning');
});
