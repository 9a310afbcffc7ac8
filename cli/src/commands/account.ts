// Who is signed in where, and what is remembered. A secret is read from a file or typed without echo; on the command line it
// works too, with a word about who else can see it there.

import { resolve } from 'node:path';
import { createClient } from '@strongroom/contract/client';
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { UsageError } from '../exit.ts';
import { readGiven, readSecretFile } from '../files.ts';
import { type Act, type Given, leaf } from '../given.ts';
import { type SettingName, settingNames } from '../home.ts';
import { changing } from '../options.ts';
import { formats, isFormat } from '../presenting.ts';
import { createSessions, readClaims } from '../session.ts';
import { clientName } from '../version.ts';

type Bootstrap = {
  readonly url: string;
  readonly caFile: string;
  readonly tenantId: string;
  readonly location: string;
  readonly application: { readonly clientId: string; readonly clientSecret: string };
};

export function accountCommands(program: Command, act: Act): void {
  leaf(
    program,
    'login',
    changing('server'),
    'sign in: with a code in a browser, or as a service principal',
    'login --url https://ml.example.org:8443 --ca-fingerprint sha256:…',
  )
    .option('--tenant <id>', "the tenant (the server's own)")
    .option('--service-principal', 'sign in as an application')
    .option('-u, --username <id>', 'the client id of the application')
    .option('-p, --password <secret>', 'its secret; others on this machine can see it, --password-file is better')
    .option('--password-file <file>', 'a file with its secret')
    .option('--bootstrap-file <file>', 'the file that the first start of a server wrote')
    .option(
      '--ca-fingerprint <sha256>',
      'trust the authority that the server hands out, if this is its fingerprint (the server prints it when it starts)',
    )
    .action(
      act(async (context, given) => {
        const { shell, home } = context;
        const way = wayIn(given);
        const bootstrap = way.bootstrapFile === undefined ? undefined : readBootstrap(way.bootstrapFile);
        const url = bootstrap?.url ?? context.url;
        const caFile = bootstrap?.caFile ?? (await authorityOf(context, way.fingerprint));
        const tenant = bootstrap?.tenantId ?? way.tenant ?? 'organizations';
        const transport = shell.connect({ caFile, environment: shell.environment });
        try {
          const sessions = createSessions({ home, transport: transport.send, shell });
          if (bootstrap !== undefined) await sessions.signInWithSecret({ url, tenant, ...bootstrap.application });
          else if (way.isApplication) {
            const clientId = given.needed('username', '-u CLIENT_ID');
            const { password: onLine, passwordFile } = way;
            if (onLine !== undefined)
              shell.err(
                'warning: a secret on the command line can be seen by others on this machine; --password-file keeps it to you\n',
              );
            const clientSecret =
              onLine ??
              (passwordFile === undefined ? await shell.askSecret('Client secret: ') : readSecretFile(passwordFile));
            await sessions.signInWithSecret({ url, tenant, clientId, clientSecret });
          } else await sessions.signInWithDevice({ url, tenant, show: (message) => shell.err(`${message}\n`) });
          const client = createClient({
            origin: url,
            transport: transport.send,
            token: (audience) => sessions.token(url, audience),
            userAgent: clientName,
          });
          const [subscription] = await client.list('/subscriptions');
          const before = context.settings;
          const subscriptionId = subscription?.['subscriptionId'];
          const tenantId = subscription?.['tenantId'];
          home.saveSettings({
            // Defaults of another server name nothing here.
            ...(before.url === url ? before : before.output === undefined ? {} : { output: before.output }),
            url,
            ...(caFile === undefined ? {} : { 'ca-file': caFile }),
            ...(typeof tenantId === 'string' ? { tenant: tenantId } : {}),
            ...(typeof subscriptionId === 'string' ? { subscription: subscriptionId } : {}),
            ...(bootstrap === undefined ? {} : { location: bootstrap.location }),
          });
          const claims = readClaims(await sessions.token(url, url));
          context.show({
            signedInAs: nameIn(claims),
            at: url,
            subscription: subscriptionId ?? 'none: you have no role yet',
          });
        } finally {
          transport.close();
        }
      }),
    );

  leaf(program, 'logout', { at: 'nowhere' }, 'forget the session of this machine', 'logout').action(
    act((context) => {
      context.note(context.home.forgetSession() ? 'Signed out.' : 'Nobody was signed in.');
    }),
  );

  leaf(program, 'whoami', changing('server'), 'show who is signed in, and where', 'whoami').action(
    act(async (context) => {
      const claims = readClaims(await context.sessions.token(context.url, context.url));
      context.show({
        name: nameIn(claims),
        type: claims['idtyp'] === 'user' ? 'user' : 'service principal',
        objectId: claims['oid'],
        tenantId: claims['tid'],
        at: context.url,
        subscription: context.settings.subscription,
      });
    }),
  );

  leaf(
    program,
    'token',
    { at: 'server' },
    'print an access token, for clients that take one (MLFLOW_TRACKING_TOKEN)',
    'token',
  )
    .option('--audience <address>', 'what it is for (the server)')
    .action(
      act(async (context, given) => {
        // Asked for in so many words, and nothing else on the line, so that a shell can take it.
        context.shell.out(`${await context.sessions.token(context.url, given.text('audience') ?? context.url)}\n`);
      }),
    );

  const config = program.command('config').description('defaults that are remembered');
  leaf(config, 'set', { at: 'nowhere' }, `remember a default: ${settingNames.join(', ')}`, 'config set workspace demo')
    .argument('<setting>', 'which')
    .argument('<value>', 'what')
    .action(
      act((context, given) => {
        const [setting, value] = given.arguments;
        const name = settingOf(setting);
        if (name === 'output' && !isFormat(value ?? ''))
          throw new UsageError(`The output is one of ${formats.join(', ')}.`);
        context.home.saveSettings({ ...context.settings, [name]: name === 'ca-file' ? resolve(value ?? '') : value });
      }),
    );
  leaf(config, 'unset', { at: 'nowhere' }, 'forget a default', 'config unset workspace')
    .argument('<setting>', 'which')
    .action(
      act((context, given) => {
        const name = settingOf(given.argument);
        context.home.saveSettings(
          Object.fromEntries(Object.entries(context.settings).filter(([each]) => each !== name)),
        );
      }),
    );
  leaf(config, 'show', changing('nowhere'), 'show what is remembered', 'config show').action(
    act((context) => context.show(context.settings)),
  );
}

function settingOf(name: string | undefined): SettingName {
  const known = settingNames.find((each) => each === name);
  if (known === undefined)
    throw new UsageError(`'${name ?? ''}' is no setting. There are: ${settingNames.join(', ')}.`);
  return known;
}

/** How somebody signs in. What belongs to another way is refused: it would change nothing, and be taken for more than that. */
function wayIn(given: Given) {
  const [bootstrapFile, tenant] = [given.text('bootstrapFile'), given.text('tenant')];
  const isApplication = given.flag('servicePrincipal');
  const [username, password, passwordFile] = [
    given.text('username'),
    given.text('password'),
    given.text('passwordFile'),
  ];
  const ofApplication = [username, password, passwordFile].some((value) => value !== undefined);
  const [fingerprint, caFile] = [given.text('caFingerprint'), given.text('caFile')];
  const ofServer = [given.text('url'), caFile, fingerprint, tenant].some((value) => value !== undefined);
  if (bootstrapFile !== undefined && (isApplication || ofApplication || ofServer))
    throw new UsageError(
      '--bootstrap-file says where to sign in and as whom: leave out --url, --ca-file, --ca-fingerprint, --tenant, --service-principal, -u, -p and --password-file.',
    );
  if (fingerprint !== undefined && caFile !== undefined)
    throw new UsageError('--ca-file and --ca-fingerprint both say whom to trust: give one of them.');
  if (ofApplication && !isApplication)
    throw new UsageError('-u, -p and --password-file sign in an application: give --service-principal, too.');
  if (password !== undefined && passwordFile !== undefined)
    throw new UsageError('-p and --password-file both give the secret: give one of them.');
  return { bootstrapFile, tenant, fingerprint, isApplication, password, passwordFile };
}

/** The file with the authority to trust: what the fingerprint is of, kept; or the one that is given or remembered. */
async function authorityOf(context: Context, fingerprint: string | undefined): Promise<string | undefined> {
  const { home, url, caFile, shell } = context;
  if (fingerprint === undefined) return caFile === undefined ? undefined : resolve(caFile);
  const { comparedAuthority, keepAuthority, offeredAuthorities } = await import('../authority.ts');
  return keepAuthority(
    home.folder,
    url,
    comparedAuthority(await offeredAuthorities(url, shell.environment), fingerprint, url).pem,
  );
}

function readBootstrap(file: string): Bootstrap {
  const text = readGiven(file).toString('utf8');
  try {
    const found = JSON.parse(text) as Bootstrap; // codec: checked on the next line
    if (typeof found.url === 'string' && typeof found.application?.clientSecret === 'string') return found;
  } catch {} // said below
  throw new UsageError(
    `${file} is no bootstrap file. 'strongroom server start --bootstrap-file FILE' writes one at the first start.`,
  );
}

const nameIn = (claims: Readonly<Record<string, unknown>>) =>
  claims['preferred_username'] ?? claims['upn'] ?? claims['app_displayname'] ?? claims['oid'];
