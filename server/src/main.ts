// Starts and stops the server: read the configuration, open the keys, open the databases, compose, listen, say so; on a
// signal, finish what runs and close everything in the opposite order. Importing it does nothing.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { openAnchors } from '#audit';
import { systemClock } from '#kernel/clock/clock';
import { closeScanPool } from '#kernel/database/database';
import { createFiles } from '#kernel/files/files';
import { createRoom } from '#kernel/files/room';
import {
  type CertificateFiles,
  keepReloaded,
  type OutsideLeaf,
  readCertificateFiles,
} from '#kernel/http/certificate-files';
import { issueLeaf, type Leaf, namesOf, originHere } from '#kernel/http/certificates';
import { keepRenewed } from '#kernel/http/renewal';
import { freePort, listen } from '#kernel/http/server';
import { createTrust, type Trust } from '#kernel/http/trust';
import { createLog, type Log, silentLog } from '#kernel/log/log';
import { type Close, closeAll } from './closing.ts';
import { type Composed, compose } from './compose.ts';
import { byteStoresOf, databasesOf } from './data-folder.ts';
import { refuseToTellAJournal, tellHowToSignIn } from './first-start.ts';
import {
  admitKeyring,
  auditSignerOf,
  authorityOf,
  lockInstallation,
  openAudit,
  openControl,
  openKeys,
} from './installation.ts';
import { type Config, readConfig } from './settings.ts';

export type RunningServer = {
  readonly url: string;
  readonly caFile: string;
  readonly trust: Trust;
  readonly composed: Composed;
  /** Lets running requests finish, then closes everything. Within five seconds. */
  stop(): Promise<void>;
};

export const version: string = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

const caName = 'ca.pem';

export async function startServer(options: {
  readonly config: Config;
  readonly bootstrapFile?: string | undefined;
  /** Stores whose older copy an operator put there on purpose; `all` for every one. */
  readonly acceptRollback?: readonly string[];
  readonly log?: Log;
  /** Absent: standard output, where nothing secret is printed unless a person reads along. */
  readonly print?: (line: string) => void;
}): Promise<RunningServer> {
  const { config } = options;
  const print = options.print ?? ((line: string) => process.stdout.write(`${line}\n`));
  const log = options.log ?? (config.log.level === 'silent' ? silentLog : createLog({ level: config.log.level }));
  const dataDir = resolve(config.dataDir);
  const closing: Close[] = [];
  try {
    await createFiles().ensureFolder(dataDir);
    const lock = await lockInstallation(dataDir);
    closing.push(() => lock.release());
    const room = createRoom({ folder: dataDir, keepFreeBytes: config.disk.keepFreeBytes });
    await room.makeWay();
    const onFull = () => void room.release();
    const { files, rootKey, keyring } = await openKeys(config, { room });
    closing.push(
      () => rootKey.close(),
      () => keyring.close(),
    );
    await files.sweepTemporary(dataDir);
    if (options.bootstrapFile === undefined && options.print === undefined && !process.stdout.isTTY)
      await refuseToTellAJournal(keyring);

    const port = config.http.port === 0 ? await freePort(config.http.host) : config.http.port;
    const domain = port === 443 ? config.http.domain : `${config.http.domain}:${port}`;
    // Before anything is served from another store: the log says how far each of them has come.
    const stopped = new Set<string>();
    const databases = databasesOf(dataDir, files, (owner, error) => {
      log.error(
        { module: 'database', subject: owner, error },
        'the disk failed under a database, which takes no more changes until it is opened again',
      );
      // Those of workspaces, accounts and registries are opened again by the next call; these two with the server.
      if (owner === 'audit' || owner === 'control') stopped.add(owner);
    });
    const auditDatabase = await openAudit(databases, keyring, { onFull });
    closing.push(closeScanPool, () => auditDatabase.close());
    const anchors = await openAnchors({
      database: auditDatabase,
      clock: systemClock,
      log,
      accept: options.acceptRollback ?? [],
    });
    await admitKeyring(keyring, anchors);
    const control = await openControl(databases, keyring, { onFull, anchors });
    closing.push(() => control.close());
    anchors.keepWitness('control', control);

    const authority = await authorityOf(keyring, `Strongroom at ${domain}`);
    const readOutside = outsideReader(config.http, port);
    let outside = await readOutside?.();
    const trust = createTrust(authority.certificatePem, () => outside);
    const caFile = join(dataDir, caName);
    // Only where it differs: a start must need no room.
    const present = await files.readFileBounded(caFile, 1_048_576).catch(() => undefined);
    if (present?.toString() !== trust.pem) await files.writeDurably(caFile, Buffer.from(trust.pem), { mode: 0o644 });
    const { names, addresses } = namesOf(config.http.domain, config.http.host, config.http.aliases);
    const leafNow = () => issueLeaf(authority, names, addresses, new Date());
    let leaf = await leafNow();

    const composed = await compose({
      config: { ...config, dataDir, http: { ...config.http, port } },
      version,
      clock: systemClock,
      log,
      files,
      room,
      stopped,
      rootKey,
      keyring,
      databases,
      byteStores: byteStoresOf(dataDir, files),
      control,
      auditDatabase,
      anchors,
      auditSigner: await auditSignerOf(keyring),
      trust,
      certificates: () => ({ own: leaf.notAfter, ...(outside ? { files: outside.notAfter } : {}) }),
      domain,
    });
    closing.push(() => composed.stop());
    const url = `https://${domain}`;
    const telling = { url, caFile, location: config.location, bootstrapFile: options.bootstrapFile, print, files };
    await tellHowToSignIn({ keyring, identity: composed.identity }, composed.bootstrapped, telling);
    await composed.start();
    const listener = await listen({ door: composed.door, host: config.http.host, port, leaf, outside, log });
    closing.push(() => listener.close());
    const stopping = new AbortController();
    closing.push(() => stopping.abort());
    const until = { clock: systemClock, log, signal: stopping.signal };
    const show = (renewed: Leaf) => {
      listener.replaceCertificate(renewed);
      leaf = renewed;
    };
    void keepRenewed({ leaf, issue: leafNow, use: show, ...until });
    if (readOutside && outside) {
      const use = async (found: OutsideLeaf) => {
        listener.replaceOutside(found);
        outside = found;
        await files.writeDurably(caFile, Buffer.from(trust.pem), { mode: 0o644 });
      };
      void keepReloaded({ present: outside, read: readOutside, use, ...until });
    }
    await composed.listening();
    closing.push(() => composed.leaving());
    composed.setReady(true);
    const reserving = room.reserve().catch((error: unknown) => log.warn({ error }, 'no reserve could be made'));
    closing.push(() => reserving);
    closing.push(() => composed.setReady(false));
    return { url, caFile, trust, composed, stop: () => closeAll(closing) };
  } catch (thrown) {
    await closeAll(closing).catch((error: unknown) => log.error({ error }, 'closing after a failed start'));
    throw thrown;
  }
}

/** Reads the certificate files that are configured, if any are. */
function outsideReader(http: Config['http'], port: number): (() => Promise<OutsideLeaf>) | undefined {
  if (http.tls.certificateFile === '') return undefined;
  const files: CertificateFiles = http.tls;
  const names = {
    domain: http.domain,
    agentHost: new URL(originHere(http.host, port)).hostname.replace(/^\[|\]$/g, ''),
  };
  return () => readCertificateFiles(files, names, systemClock.now());
}

/** `strongroom server start`: runs until a signal. Answers the exit code. */
export async function runServer(options: {
  readonly configFile?: string | undefined;
  readonly flags: Parameters<typeof readConfig>[0]['flags'];
  readonly bootstrapFile?: string | undefined;
  readonly acceptRollback?: readonly string[];
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
  const server = await startServer({
    config,
    bootstrapFile: options.bootstrapFile,
    acceptRollback: options.acceptRollback ?? [],
  });
  for (const { name, fingerprint } of server.trust.anchors)
    process.stdout.write(`Certificate authority '${name}': ${fingerprint}\n`);
  process.stdout.write(`Strongroom ${version} is ready at ${server.url}\n`);
  const cut = await signalled;
  await server.stop();
  clearTimeout(cut);
  process.stdout.write('stopped\n');
  return 0;
}
