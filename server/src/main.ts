// Starts and stops the server: read the configuration, open the keys, open the databases, compose, listen, say so; on a
// signal, finish what runs and close everything in the opposite order. Importing it does nothing.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { auditMigrations, auditOrigin, verifyAudit } from '#audit';
import { readBootstrapped } from '#identity';
import { systemClock } from '#kernel/clock/clock';
import { type Config, readConfig } from '#kernel/config/config';
import { randomBytes } from '#kernel/crypto/random';
import { generateSigningKey, importSigningKey, type SigningKey } from '#kernel/crypto/signing';
import { closeScanPool, openDatabase } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { createFiles, type Files } from '#kernel/files/files';
import { lockFolder } from '#kernel/files/lock';
import { type Authority, createAuthority, issueLeaf, leafDays, namesOf } from '#kernel/http/certificates';
import { freePort, listen } from '#kernel/http/server';
import { createLog, type Log, silentLog } from '#kernel/log/log';
import { type Keyring, openKeyring } from '#kernel/sealing/keyring';
import { openRootKeyFile, type RootKey } from '#kernel/sealing/root-key';
import { type Composed, compose, controlTables } from './compose.ts';

export type RunningServer = {
  readonly url: string;
  readonly caFile: string;
  readonly composed: Composed;
  /** Lets running requests finish, then closes everything. Within five seconds. */
  stop(): Promise<void>;
};

export const version: string = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

const lockName = 'server.lock';
const keyFolder = 'keys';
const caName = 'ca.pem';
/** In the keyring: that somebody was told how to sign in. */
const announced = 'first-start/announced';

type Opened = { readonly files: Files; readonly rootKey: RootKey; readonly keyring: Keyring };

async function openKeys(config: Config): Promise<Opened> {
  const files = createFiles();
  const dataDir = resolve(config.dataDir);
  await files.ensureFolder(join(dataDir, keyFolder));
  const rootKey = await openRootKeyFile({
    file: config.keys.rootKeyFile === '' ? join(dataDir, keyFolder, 'root.key') : config.keys.rootKeyFile,
    dataFolder: dataDir,
    files,
    besides: [lockName, keyFolder],
  });
  const keyring = await openKeyring({ file: join(dataDir, 'keyring.json'), rootKey, files });
  return { files, rootKey, keyring };
}

const databaseKey = (keyring: Keyring, name: string) => keyring.ensure(`database/${name}`, () => randomBytes(32));
const auditSignerOf = async (keyring: Keyring): Promise<SigningKey> =>
  importSigningKey(await keyring.ensure('audit/signing-key', () => generateSigningKey().exportPkcs8()));

/** Key and certificate are one secret, so that a crash leaves both or neither. */
async function authorityOf(keyring: Keyring, name: string): Promise<Authority> {
  const stored = await keyring.ensure('tls/authority', async () => {
    const { certificatePem, privateKey } = await createAuthority(name, new Date());
    return Buffer.from(JSON.stringify({ certificatePem, privateKey: Buffer.from(privateKey).toString('base64') }));
  });
  const { certificatePem, privateKey } = JSON.parse(Buffer.from(stored).toString('utf8')) as {
    certificatePem: string;
    privateKey: string;
  };
  return { certificatePem, privateKey: Buffer.from(privateKey, 'base64') };
}

export async function startServer(options: {
  readonly config: Config;
  readonly bootstrapFile?: string | undefined;
  readonly log?: Log;
  readonly print?: (line: string) => void;
}): Promise<RunningServer> {
  const { config } = options;
  const print = options.print ?? ((line: string) => process.stdout.write(`${line}\n`));
  const log = options.log ?? (config.log.level === 'silent' ? silentLog : createLog({ level: config.log.level }));
  const dataDir = resolve(config.dataDir);
  const closing: (() => Promise<void> | void)[] = [];
  const closeAll = async () => {
    for (const close of closing.splice(0).reverse()) await close();
  };
  try {
    await createFiles().ensureFolder(dataDir);
    const lock = await lockFolder(join(dataDir, lockName));
    closing.push(() => lock.release());
    const { files, rootKey, keyring } = await openKeys(config);
    closing.push(
      () => rootKey.close(),
      () => keyring.close(),
    );
    await files.sweepTemporary(dataDir);

    const port = config.http.port === 0 ? await freePort(config.http.host) : config.http.port;
    const domain = port === 443 ? config.http.domain : `${config.http.domain}:${port}`;
    const control = await openDatabase({
      path: join(dataDir, 'control.db'),
      key: await databaseKey(keyring, 'control'),
      migrations: controlTables,
    });
    closing.push(closeScanPool, () => control.close());
    const auditDatabase = await openDatabase({
      path: join(dataDir, 'audit.db'),
      key: await databaseKey(keyring, 'audit'),
      migrations: [auditMigrations],
    });
    closing.push(() => auditDatabase.close());

    const authority = await authorityOf(keyring, `Strongroom at ${domain}`);
    const caFile = join(dataDir, caName);
    await files.writeDurably(caFile, Buffer.from(authority.certificatePem), { mode: 0o644 });
    const { names, addresses } = namesOf(config.http.domain);
    const leafNow = () => issueLeaf(authority, names, addresses, new Date());
    const leaf = await leafNow();

    const composed = await compose({
      config: { ...config, dataDir, http: { ...config.http, port } },
      version,
      clock: systemClock,
      log,
      files,
      rootKey,
      keyring,
      control,
      auditDatabase,
      auditSigner: await auditSignerOf(keyring),
      authority,
      domain,
    });
    closing.push(() => composed.stop());
    const url = `https://${domain}`;
    if ((await keyring.get(announced)) === undefined) {
      // Nobody was told yet: the first start, or one that ended before it could tell.
      const credentials = composed.bootstrapped.credentials ?? (await composed.identity.renewCredentials());
      await announce(composed, credentials, {
        url,
        caFile,
        location: config.location,
        bootstrapFile: options.bootstrapFile,
        print,
        files,
      });
      await keyring.put(announced, Buffer.from('1'));
    }

    await composed.start();
    const listener = await listen({ door: composed.door, host: config.http.host, port, leaf, log });
    closing.push(() => listener.close());
    const renewal = setInterval(
      () =>
        void leafNow().then(listener.replaceCertificate, (error: unknown) =>
          log.error({ error }, 'the certificate could not be renewed'),
        ),
      (leafDays * 86_400_000 * 2) / 3,
    );
    renewal.unref();
    closing.push(() => clearInterval(renewal));
    await composed.listening();
    closing.push(() => composed.leaving());
    composed.setReady(true);
    closing.push(() => composed.setReady(false));
    return { url, caFile, composed, stop: closeAll };
  } catch (thrown) {
    await closeAll().catch((error: unknown) => log.error({ error }, 'closing after a failed start'));
    throw thrown;
  }
}

/** The first start tells, once, how to sign in: on standard output, and for programs in a file that only its owner reads. */
async function announce(
  composed: Composed,
  credentials: { readonly password: string; readonly clientSecret: string },
  to: {
    readonly url: string;
    readonly caFile: string;
    readonly location: string;
    readonly bootstrapFile: string | undefined;
    readonly print: (line: string) => void;
    readonly files: Files;
  },
): Promise<void> {
  const { bootstrapped } = composed;
  if (to.bootstrapFile === undefined) {
    to.print(`This is the first start. Keep what follows; it is not shown again.`);
    to.print(`  sign in as   ${bootstrapped.administrator.userName}`);
    to.print(`  password     ${credentials.password}`);
    to.print(`  application  ${bootstrapped.automation.clientId} (Owner of the subscription, for automation)`);
    to.print(`  secret       ${credentials.clientSecret}`);
    to.print(`  trust        ${to.caFile}`);
    return;
  }
  const content = {
    url: to.url,
    caFile: to.caFile,
    tenantId: bootstrapped.tenantId,
    subscriptionId: bootstrapped.subscriptionId,
    location: to.location,
    administrator: { userName: bootstrapped.administrator.userName, password: credentials.password },
    application: {
      clientId: bootstrapped.automation.clientId,
      clientSecret: credentials.clientSecret,
      objectId: bootstrapped.automation.objectId,
    },
  };
  await to.files.writeDurably(resolve(to.bootstrapFile), Buffer.from(`${JSON.stringify(content, null, 2)}\n`), {
    mode: 0o600,
  });
  to.print(`This is the first start. How to sign in is in ${to.bootstrapFile} (readable by you only).`);
}

/**
 * Verifies the audit log of a data folder whose server is stopped, from its files and the root key alone. They are where the
 * server's own configuration says, read as `runServer` reads it.
 */
export async function verifyOffline(options: {
  readonly configFile?: string | undefined;
  readonly flags: Parameters<typeof readConfig>[0]['flags'];
  readonly checkpoints?: readonly string[];
}): ReturnType<typeof verifyAudit> {
  const config = readConfig({ file: options.configFile, ...(options.flags ? { flags: options.flags } : {}) });
  const dataDir = resolve(config.dataDir);
  const lock = await lockFolder(join(dataDir, lockName));
  try {
    const { rootKey, keyring } = await openKeys(config);
    const database = await openDatabase({
      path: join(dataDir, 'audit.db'),
      key: await databaseKey(keyring, 'audit'),
      migrations: [auditMigrations],
      readonly: true,
    });
    const control = await openDatabase({
      path: join(dataDir, 'control.db'),
      key: await databaseKey(keyring, 'control'),
      migrations: controlTables,
      readonly: true,
    });
    try {
      const signer = await auditSignerOf(keyring);
      const installation = await readBootstrapped(control);
      if (!installation)
        throw new Failure({
          kind: 'notFound',
          code: 'NotStartedYet',
          message: 'This data folder has never been started, so there is nothing to verify.',
        });
      const verifier = { name: auditOrigin(installation.tenantId), publicKey: signer.publicKey };
      return await verifyAudit({
        database,
        verifier,
        ...(options.checkpoints ? { checkpoints: options.checkpoints } : {}),
      });
    } finally {
      await database.close();
      await control.close();
      await closeScanPool();
      keyring.close();
      rootKey.close();
    }
  } finally {
    await lock.release();
  }
}

/** `strongroom server start`: runs until a signal. Answers the exit code. */
export async function runServer(options: {
  readonly configFile?: string | undefined;
  readonly flags: Parameters<typeof readConfig>[0]['flags'];
  readonly bootstrapFile?: string | undefined;
}): Promise<number> {
  const config = readConfig({ file: options.configFile, ...(options.flags ? { flags: options.flags } : {}) });
  // Order matters: heard from before the start on, so that a signal that comes right behind the ready line, or during the
  // start, stops the server in order. A second signal ends the process at once.
  const signalled = new Promise<string>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => resolve(name));
  }).then((signal) => {
    process.stdout.write(`${signal}: stopping\n`);
    // What does not stop in time is cut off: everything acknowledged is durable already.
    return setTimeout(() => process.exit(0), 4_500).unref();
  });
  const server = await startServer({ config, bootstrapFile: options.bootstrapFile });
  process.stdout.write(`Strongroom ${version} is ready at ${server.url}\n`);
  const cut = await signalled;
  await server.stop();
  clearTimeout(cut);
  process.stdout.write('stopped\n');
  return 0;
}
