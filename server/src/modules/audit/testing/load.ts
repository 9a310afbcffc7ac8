// A process that records as fast as it can until somebody kills it: for the test that does. Reads where and with what
// keys from standard input, writes the sequence of each acknowledged record to standard output.

import { text } from 'node:stream/consumers';
import { systemClock } from '#kernel/clock/clock';
import { importSigningKey } from '#kernel/crypto/signing';
import { openDatabase } from '#kernel/database/database';
import { silentLog } from '#kernel/log/log';
import { auditMigrations, createAudit } from '../index.ts';
import { intentOf } from './fixture.ts';

const given = JSON.parse(await text(process.stdin)) as { path: string; key: number[]; signer: string };
const database = await openDatabase({
  path: given.path,
  key: Uint8Array.from(given.key),
  migrations: [auditMigrations],
});
const audit = createAudit({
  database,
  clock: systemClock,
  log: silentLog,
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
      if (acknowledged % 100 === 0) await audit.checkpointNow();
    }
  })();
}
