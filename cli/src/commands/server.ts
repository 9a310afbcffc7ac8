// The server and the agent as commands, and the certificate that clients trust. The server's code is loaded only here, and only
// by these commands: everything else speaks to it over the network.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { UsageError } from '../exit.ts';
import { type Act, leaf, repeated } from '../given.ts';

const systems: Readonly<Record<string, (file: string) => readonly string[]>> = {
  debian: (file) => [`sudo cp ${file} /usr/local/share/ca-certificates/strongroom.crt`, 'sudo update-ca-certificates'],
  fedora: (file) => [`sudo cp ${file} /etc/pki/ca-trust/source/anchors/strongroom.pem`, 'sudo update-ca-trust'],
  macos: (file) => [`sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain ${file}`],
  windows: (file) => [`certutil -addstore -f Root ${file}`],
  python: (file) => [`export REQUESTS_CA_BUNDLE=${file}`, `export SSL_CERT_FILE=${file}`],
  node: (file) => [`export NODE_EXTRA_CA_CERTS=${file}`],
};

export function serverCommands(program: Command, act: Act): void {
  const server = program.command('server').description('run the server');
  leaf(
    server,
    'start',
    { at: 'nowhere' },
    'start the server, and run until it is told to stop (SIGTERM)',
    'server start --data-dir ./strongroom-data',
  )
    .option('--data-dir <folder>', 'where everything is kept; made if it is not there')
    .option('--host <address>', 'address to listen on (127.0.0.1)')
    .option('--port <number>', 'port to listen on (8443); 0 takes a free one')
    .option('--config <file>', 'configuration file; its settings stand in docs/operations/settings.md')
    .option(
      '--accept-rollback <store>',
      'start although this store is an older copy than the audit log knows: you restored it on purpose; recorded (several times)',
      repeated,
    )
    .option(
      '--bootstrap-file <file>',
      'on the first start, write how to sign in to this file (0600) instead of printing it',
    )
    .action(
      act(async (_context, given) => {
        const port = given.whole('port', '--port');
        const host = given.text('host');
        const dataDir = given.text('dataDir');
        const { runServer } = await import('../../../server/src/main.ts');
        return await runServer({
          configFile: given.text('config'),
          bootstrapFile: given.text('bootstrapFile'),
          acceptRollback: given.texts('acceptRollback'),
          flags: {
            ...(dataDir === undefined ? {} : { dataDir }),
            ...(host === undefined && port === undefined
              ? {}
              : { http: { ...(host === undefined ? {} : { host }), ...(port === undefined ? {} : { port }) } }),
          },
        });
      }),
    );

  const agent = program.command('agent').description('run a compute agent');
  leaf(
    agent,
    'start',
    { at: 'nowhere' },
    'take work from a server; the enrolment is the first line of standard input',
    'agent start < enrolment.json',
  ).action(
    act(async () => {
      await import('../../../agent/src/main.ts');
    }),
  );

  leaf(
    program,
    'trust',
    { at: 'server' },
    'print the certificate authority that clients of this server trust',
    'trust --data-dir ./strongroom-data > ca.pem',
  )
    .option('--data-dir <folder>', "the server's data folder; otherwise the CA file that you use is printed")
    .option('--ca-fingerprint <sha256>', 'with --url: keep what the server hands out, if this is its fingerprint')
    .option('--install', 'print how to make this machine trust it, for its system and for programs')
    .action(
      act(async (context, given) => {
        const dataDir = given.text('dataDir');
        const fingerprint = given.text('caFingerprint');
        const [url, caFile, install] = [given.text('url'), given.text('caFile'), given.flag('install')];
        if (dataDir !== undefined && [url, caFile, fingerprint].some((value) => value !== undefined))
          throw new UsageError("--data-dir is the server's own: leave out --url, --ca-file and --ca-fingerprint.");
        if (caFile !== undefined && [url, fingerprint].some((value) => value !== undefined))
          throw new UsageError(
            '--ca-file is what is trusted already: leave out --url and --ca-fingerprint, or leave out it.',
          );
        const { comparedAuthority, keepAuthority, offeredAuthorities } = await import('../authority.ts');
        // Of a server that is only named, over the network: what it hands out, compared or for comparing.
        const isAsked = dataDir === undefined && (fingerprint ?? url) !== undefined;
        if (isAsked && fingerprint === undefined) {
          if (install)
            throw new UsageError(
              'Nothing is installed that nobody compared. Give --ca-fingerprint; the server prints it when it starts.',
            );
          for (const { name, fingerprint: offered, pem } of await offeredAuthorities(
            context.url,
            context.shell.environment,
          )) {
            context.shell.out(pem);
            context.shell.err(
              `'${name}' has the fingerprint ${offered}. Nothing proves yet that it is the server's: compare it with what the server printed when it started.\n`,
            );
          }
          return;
        }
        const file = isAsked
          ? keepAuthority(
              context.home.folder,
              context.url,
              comparedAuthority(
                await offeredAuthorities(context.url, context.shell.environment),
                fingerprint ?? '',
                context.url,
              ).pem,
            )
          : dataDir === undefined
            ? context.caFile
            : join(resolve(dataDir), 'ca.pem');
        if (file === undefined)
          throw new UsageError("Which server? Give --url, --data-dir on the server's machine, or --ca-file.");
        let pem: string;
        try {
          pem = readFileSync(file, 'utf8');
        } catch {
          throw new UsageError(`${file} cannot be read. Has the server been started there?`);
        }
        if (!install) return context.shell.out(pem);
        for (const [system, lines] of Object.entries(systems))
          context.shell.out(
            `${system}:\n${lines(file)
              .map((line) => `  ${line}\n`)
              .join('')}`,
          );
      }),
    );
}
