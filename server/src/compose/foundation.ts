// What every module is made from: what main has opened before anything is composed, the tasks in it, and the tables of the control database.

import { accessMigrations } from '#access';
import type { LogAnchors } from '#audit';
import { computeTables } from '#compute';
import { builtImageTables } from '#environments';
import { flowTables } from '#flows';
import { identityMigrations } from '#identity';
import type { ByteStores } from '#kernel/bytes/byte-store';
import type { Clock } from '#kernel/clock/clock';
import type { SigningKey } from '#kernel/crypto/signing';
import type { Database, Databases, MigrationSet } from '#kernel/database/database';
import type { Files } from '#kernel/files/files';
import type { Room } from '#kernel/files/room';
import type { CertificateEnds } from '#kernel/http/http.meters';
import type { Trust } from '#kernel/http/trust';
import type { Log } from '#kernel/log/log';
import { dataKeyMigrations } from '#kernel/sealing/data-keys.service';
import type { Keyring } from '#kernel/sealing/keyring';
import type { RootKey } from '#kernel/sealing/root-key';
import { type Tasks, taskMigrations } from '#kernel/tasks/tasks';
import type { MetricsRegistry } from '#monitoring';
import { quotaTables } from '#quotas';
import { resourceTables } from '#resources';
import { scheduleTables } from '#schedules';
import { vaultMigrations } from '#vault';
import type { Config } from '../settings.ts';

/** In the order in which modules stand on each other. */
export const controlTables: readonly MigrationSet[] = [
  taskMigrations,
  dataKeyMigrations,
  identityMigrations,
  accessMigrations,
  resourceTables,
  vaultMigrations,
  computeTables,
  quotaTables,
  flowTables,
  scheduleTables,
  builtImageTables,
];

/** What main has opened. */
export type Opened = {
  readonly config: Config;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly files: Files;
  readonly room: Room;
  /** Databases that take no more changes until the server is started again, because the disk failed under them. */
  readonly stopped: ReadonlySet<string>;
  readonly rootKey: RootKey;
  readonly keyring: Keyring;
  readonly databases: Databases;
  readonly byteStores: ByteStores;
  readonly control: Database;
  readonly auditDatabase: Database;
  readonly anchors: LogAnchors;
  readonly auditSigner: SigningKey;
  /** Whom clients have to trust, for those who hand it on. */
  readonly trust: Trust;
  /** When what is shown to clients ends, at this moment. */
  readonly certificates: () => CertificateEnds;
  /** `localhost:8443`, the port already known. */
  readonly domain: string;
};

export type Foundation = Opened & { readonly tasks: Tasks; readonly metrics: MetricsRegistry };
