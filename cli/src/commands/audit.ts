// The audit log: reading it, and checking that it was not changed; through the server, or from its files when it is stopped.

import { open, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { AuditEntry, AuditVerification } from '@strongroom/contract/audit';
import { auditPath } from '@strongroom/contract/client.paths';
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { exitCodes, UsageError } from '../exit.ts';
import { readGiven } from '../files.ts';
import { type Act, type Given, leaf, repeated } from '../given.ts';
import { changing, listing } from '../options.ts';
import { at } from '../output.ts';
import { readTrail } from '../trail.ts';

export function auditCommands(audit: Command, act: Act): void {
  leaf(
    audit,
    'list',
    listing('subscription'),
    'list the records of the audit log, newest first',
    'audit list --max-results 50 --from 2031-01-31T08:00:00Z',
  )
    .option('--max-results <count>', 'at most so many (100)')
    .option('--from <time>', 'not before')
    .option('--to <time>', 'not after')
    .option('--scope <id>', 'only what was done to this resource or below it')
    .option('--caller <id>', 'only what this object id did')
    .option('--operation <name>', 'only this operation')
    .option('--correlation-id <id>', 'only what belongs to this')
    .action(
      act(async (context, given) => {
        const max = given.whole('maxResults', '--max-results') ?? 100;
        const query = Object.fromEntries(
          ['from', 'to', 'scope', 'caller', 'operation', 'correlationId'].map((name) => [name, given.text(name)]),
        );
        const path = auditPath(context.subscription, 'records');
        const $top = Math.min(Math.max(max, 1), 1000);
        if (!context.printsColumns)
          return context.show(await context.client.list<AuditEntry>(path, { query: { ...query, $top }, max }));
        // What was begun and how it ended are two records and one line: lines are what was asked for.
        const linesIn = (entries: readonly AuditEntry[]) =>
          entries.filter(({ record }) => record.kind !== 'outcome').length;
        const entries = await context.client.list<AuditEntry>(path, {
          query: { ...query, $top },
          enough: (all) => linesIn(all) >= max,
        });
        context.list(
          readTrail(entries).toReversed().slice(0, max),
          {
            '#': at('sequence'),
            time: at('time'),
            who: at('who'),
            'did what': at('what'),
            to: at('on'),
            outcome: at('outcome'),
          },
          { more: { scope: at('scope') } },
        );
      }),
    );
  leaf(
    audit,
    'checkpoints',
    listing('subscription'),
    'list the signed checkpoints, newest first',
    'audit checkpoints --max-results 5',
  )
    .option('--max-results <count>', 'at most so many (20)')
    .action(
      act(async (context, given) => {
        const max = given.whole('maxResults', '--max-results') ?? 20;
        const found = await context.client.list(auditPath(context.subscription, 'checkpoints'), {
          query: { $top: Math.min(Math.max(max, 1), 1000) },
          max,
        });
        context.list(found, { records: at('size'), time: at('time'), note: at('note') });
      }),
    );
  leaf(
    audit,
    'verify',
    changing('subscription'),
    'recompute the audit log and report whatever does not fit (exit code 1), or what nothing proves (7)',
    'audit verify --data-dir ./strongroom-data',
  )
    .option('--data-dir <folder>', 'verify the files of a server that is stopped, with nothing but the root key')
    .option('--config <file>', 'the same, where the configuration file of the stopped server says')
    .option(
      '--root-key-file <file>',
      'where the root key is, if neither in the data folder nor where the configuration says',
    )
    .option(
      '--checkpoints <file>',
      'checkpoints that you kept elsewhere: only they show that the end was cut off (several times)',
      repeated,
    )
    .action(
      act(async (context, given) => {
        const checkpoints = given.texts('checkpoints').flatMap(readCheckpoints);
        const isOffline = ['dataDir', 'config', 'rootKeyFile'].map(given.text).some((value) => value !== undefined);
        if (isOffline && ['url', 'caFile', 'subscription'].map(given.text).some((value) => value !== undefined))
          throw new UsageError(
            '--data-dir, --config and --root-key-file read files, and ask no server: leave out --url, --ca-file and --subscription.',
          );
        const verification = !isOffline
          ? await context.progress('verifying', () =>
              context.client.post<AuditVerification>(auditPath(context.subscription, 'verify'), {
                body: { checkpoints },
              }),
            )
          : await offline(context, given, checkpoints);
        if (context.forProgram) context.show(verification);
        else context.shell.out(told(verification));
        if (!verification.verified) return exitCodes.failed;
        return verification.unproved.length === 0 ? exitCodes.ok : exitCodes.unproved;
      }),
    );
  leaf(
    audit,
    'export',
    { at: 'nowhere' },
    'write the log of a stopped server as JSON Lines that anybody can verify: a signed checkpoint with its proofs, then the records',
    'audit export --data-dir ./strongroom-data --to-file audit.jsonl',
  )
    .requiredOption('--to-file <file>', 'written anew; must not exist yet')
    .option('--data-dir <folder>', 'the data folder')
    .option('--config <file>', 'where the configuration file of the stopped server says')
    .option(
      '--root-key-file <file>',
      'where the root key is, if neither in the data folder nor where the configuration says',
    )
    .option('--from-record <sequence>', 'not before this record (0)')
    .option('--to-record <sequence>', 'up to this record, not included (all that is signed)')
    .action(
      act(async (context, given) => {
        if (['dataDir', 'config'].every((name) => given.text(name) === undefined))
          throw new UsageError(
            'Which data folder? Give --data-dir or --config. A running server answers the same at GET /providers/Strongroom.Audit/export.',
          );
        const { exportOffline } = await import('../../../server/src/offline.ts');
        const from = given.whole('fromRecord', '--from-record');
        const to = given.whole('toRecord', '--to-record');
        // Never over something that is there: an export is evidence.
        const path = resolve(given.text('toFile') ?? '');
        const file = await open(path, 'wx', 0o600);
        try {
          const exported = await context.progress('exporting', () =>
            exportOffline({
              ...placeOf(given),
              ...(from === undefined ? {} : { from }),
              ...(to === undefined ? {} : { to }),
              write: async (line) => void (await file.write(line)),
            }),
          );
          await file.sync();
          // The signer is to be kept elsewhere than the file: whoever could change one must not be able to change the other.
          context.shell.out(`${exported.records} records. Their signer: ${exported.verifier}\n`);
        } catch (error) {
          // Half of a log is none.
          await rm(path, { force: true });
          throw error;
        } finally {
          await file.close();
        }
      }),
    );
}

/** What was proved, in words that say no more than that. */
function told(verification: AuditVerification): string {
  const { verified, entries, checkpoints, provedElsewhere, findings, findingCount, unproved } = verification;
  const signed = `${checkpoints} signed ${checkpoints === 1 ? 'checkpoint' : 'checkpoints'}`;
  const lines = !verified
    ? [`NOT verified: ${findingCount} findings in ${entries} entries.`]
    : unproved.length > 0
      ? [`${entries} entries fit together, and ${signed}. Not proved:`]
      : [
          `Verified: ${entries} entries and ${signed}; nothing was changed, cut or reordered.`,
          `A checkpoint that was kept elsewhere signs the first ${provedElsewhere}.`,
        ];
  for (const { code, sequence, message } of [...findings, ...unproved])
    lines.push(`  ${code}${sequence === undefined ? '' : ` at ${sequence}`}: ${message}`);
  return lines.map((line) => `${line}\n`).join('');
}

async function offline(context: Context, given: Given, checkpoints: readonly string[]): Promise<AuditVerification> {
  const { verifyOffline } = await import('../../../server/src/offline.ts');
  return await context.progress('verifying', () => verifyOffline({ ...placeOf(given), checkpoints }));
}

/** Where the stopped server's files are, by what was given. */
function placeOf(given: Given) {
  const dataDir = given.text('dataDir');
  const rootKeyFile = given.text('rootKeyFile');
  return {
    configFile: given.text('config'),
    flags: {
      ...(dataDir === undefined ? {} : { dataDir: resolve(dataDir) }),
      ...(rootKeyFile === undefined ? {} : { keys: { rootKeyFile: resolve(rootKeyFile) } }),
    },
  };
}

/** A file of checkpoints as the server appends them (a JSON line each), or one signed note. */
function readCheckpoints(file: string): readonly string[] {
  const text = readGiven(file).toString('utf8');
  if (!text.trimStart().startsWith('{')) return [text];
  const notes = text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .flatMap((line) => {
      try {
        const { checkpoint } = JSON.parse(line) as { readonly checkpoint?: unknown }; // codec: checked on the next line
        return typeof checkpoint === 'string' ? [checkpoint] : [];
      } catch {
        return []; // a line that a crash cut short
      }
    });
  if (notes.length === 0) throw new UsageError(`${file} holds no checkpoints.`);
  // The service takes a hundred; the last ones cover the most.
  return notes.slice(-100);
}
