// A process that records as fast as it can until somebody kills it: for the test that does. Reads where and with what
// keys from standard input, writes the sequence of each acknowledged record to standard output.

import { text } from 'node:stream/consumers';
import { sql } from 'kysely';
import { systemClock } from '#kernel/clock/clock';
import { importSigningKey } from '#kernel/crypto/signing';
import { silentLog } from '#kernel/log/log';
import { silentTelemetry } from '#kernel/telemetry/telemetry';
import { testDatabases } from '#kernel/testing/databases';
import { auditMigrations, createAudit, openAnchors } from '../index.ts';
import { intentOf } from './fixture.ts';

const given = JSON.parse(await text(process.stdin)) as { folder: string; key: number[]; signer: string };
const key = Uint8Array.from(given.key);
const databases = testDatabases(given.folder);
const database = await databases.open('audit', [auditMigrations], { key });
const anchors = await openAnchors({ database, clock: systemClock, log: silentLog });
// Stores beside the log that are written all the time, one of them the keeper of the witness.
const stores = await Promise.all(
  ['control', 'workspace/w'].map((store) =>
    databases.open(
      store,
      [{ module: 'load', migrations: [{ name: 'rows', up: 'create table rows (id integer primary key) strict' }] }],
      { key, anchors },
    ),
  ),
);
const [control] = stores;
if (control) anchors.keepWitness('control', control);
const audit = createAudit({
  database,
  anchors,
  clock: systemClock,
  log: silentLog,
  telemetry: silentTelemetry,
  signer: importSigningKey(Buffer.from(given.signer, 'base64')),
  installationId: 'test',
});
await audit.start?.();

let acknowledged = 0;
for (let worker = 0; worker < 20; worker++) {
  void (async () => {
    for (;;) {
      const mark = await audit.trail.begin('activity', intentOf());
      process.stdout.write(`${acknowledged++}\n`);
      await mark.conclude({ status: 200, code: undefined });
      process.stdout.write(`${acknowledged++}\n`);
      for (const store of stores)
        await store.write(async (tx) => void (await sql`insert into rows default values`.execute(tx)));
      if (acknowledged % 40 === 0) await audit.checkpointNow();
    }
  })();
}
