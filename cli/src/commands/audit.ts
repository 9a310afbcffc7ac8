// The audit log: reading it, and checking that it was not changed; through the server, or from its files when it is stopped.

import { open, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import type {
  AuditArchived,
  AuditDropped,
  AuditEntry,
  AuditSegments,
  AuditVerification,
} from '@strongroom/contract/audit';
import { auditPath } from '@strongroom/contract/client.paths';
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { exitCodes, UsageError } from '../exit.ts';
import { readGiven } from '../files.ts';
import { type Act, type Given, leaf, repeated } from '../given.ts';
import { changing, listing, looking } from '../options.ts';
import { at } from '../output.ts';
import { segmentFiles, storeSegment } from '../segments.ts';
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
        // Whoever reads a list takes it for the whole.
        const onPage = ({ archived }: { readonly archived?: unknown }) => {
          if (archived === undefined) return;
          const { past, until } = archived as AuditArchived; // codec: the server's own shape
          context.shell.err(
            `Records 0 to ${past - 1}, up to ${until}, are archived and were dropped: the files of their segments hold them ('strongroom audit segments').\n`,
          );
        };
        if (!context.printsColumns)
          return context.show(await context.client.list<AuditEntry>(path, { query: { ...query, $top }, max, onPage }));
        // What was begun and how it ended are two records and one line: lines are what was asked for.
        const linesIn = (entries: readonly AuditEntry[]) =>
          entries.filter(({ record }) => record.kind !== 'outcome').length;
        const entries = await context.client.list<AuditEntry>(path, {
          query: { ...query, $top },
          onPage,
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
    .option(
      '--segment <path>',
      'files of archived segments, or a folder of them: what was dropped is verified too (several times)',
      repeated,
    )
    .action(
      act(async (context, given) => {
        const checkpoints = given.texts('checkpoints').flatMap(readCheckpoints);
        const segments = segmentFiles(given.texts('segment'));
        const isOffline = ['dataDir', 'config', 'rootKeyFile'].map(given.text).some((value) => value !== undefined);
        if (isOffline && ['url', 'caFile', 'subscription'].map(given.text).some((value) => value !== undefined))
          throw new UsageError(
            '--data-dir, --config and --root-key-file read files, and ask no server: leave out --url, --ca-file and --subscription.',
          );
        const verification = !isOffline
          ? await context.progress('verifying', () => online(context, checkpoints, segments))
          : await offline(context, given, checkpoints, segments);
        if (context.forProgram) context.show(verification);
        else context.shell.out(told(verification));
        if (!verification.verified) return exitCodes.failed;
        return verification.unproved.length === 0 ? exitCodes.ok : exitCodes.unproved;
      }),
    );
  leaf(
    audit,
    'segments',
    looking('subscription'),
    'list what of the log is archived and dropped, and which segments there are of what is here',
    'audit segments',
  ).action(
    act(async (context) => {
      const found = await context.client.get<AuditSegments>(auditPath(context.subscription, 'segments'));
      context.say(toldSegments(found), found);
    }),
  );
  leaf(
    audit,
    'archive',
    changing('subscription'),
    'write segments of the log to files that verify without the server; each range is the same bytes whenever it is written',
    'audit archive --before 2031-01-31 --to-folder archive --gzip',
  )
    .requiredOption('--to-folder <folder>', 'where they are written; what is there is verified and left as it is')
    .option('--before <time>', 'only what is older, in whole tiles of 256 records')
    .option('--until-record <sequence>', 'only up to this record, not included')
    .option('--gzip', 'compress the files')
    .option('--data-dir <folder>', 'of a server that is stopped, with nothing but the root key')
    .option('--config <file>', 'the same, where the configuration file of the stopped server says')
    .option(
      '--root-key-file <file>',
      'where the root key is, if neither in the data folder nor where the configuration says',
    )
    .action(
      act(async (context, given) => {
        const written = await context.progress('archiving', () => archive(context, given));
        const count = written.reduce((sum, { from, to }) => sum + to - from, 0);
        context.say(
          written.length === 0
            ? 'Nothing to archive: there is no whole tile of 256 signed records in that range.'
            : [
                ...written.map(({ file, sha256 }) => `${file}  sha256:${sha256}`),
                `${count} records in ${written.length} segments, each verified as it lies there.`,
              ].join('\n'),
          written,
        );
      }),
    );
  leaf(
    audit,
    'drop',
    { at: 'subscription', prints: true, asks: true },
    'drop from the log the records of segments that are archived and older than audit.retentionDays; the files are sent and compared',
    'audit drop --segment archive',
  )
    .requiredOption('--segment <path>', 'files of segments, or a folder of them (several times)', repeated)
    .action(
      act(async (context, given) => {
        const { checkSegmentFile, segmentBytes } = await import('../../../server/src/offline.ts');
        const files = segmentFiles(given.texts('segment'));
        const { verifier } = await context.client.get<AuditSegments>(auditPath(context.subscription, 'segments'));
        const checked = await context.progress('verifying the files', async () => {
          const all: (Written & { readonly bytes: number })[] = [];
          for (const file of files) all.push({ file, ...(await checkSegmentFile(file, verifier)) });
          return all.toSorted((a, b) => a.from - b.from);
        });
        const count = checked.reduce((sum, { from, to }) => sum + to - from, 0);
        await context.confirm(
          `Drop ${count} records from the audit log? From then on ${checked.length === 1 ? 'this file is' : 'these files are'} all that holds them.`,
        );
        const dropped: AuditDropped[] = [];
        for (const { file, from, to, bytes } of checked)
          dropped.push(
            await context.progress(`dropping ${file}`, () =>
              context.client.post<AuditDropped>(auditPath(context.subscription, `segments/${from}-${to}/drop`), {
                body: segmentBytes(file),
                // Told before, so that a refusal comes before the file goes.
                headers: { 'content-length': String(bytes) },
              }),
            ),
          );
        context.say(
          dropped
            .map(
              ({ from, to, act, sha256 }) =>
                `Records ${from} to ${to - 1} are dropped: record ${act}, sha256:${sha256}`,
            )
            .join('\n'),
          dropped,
        );
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
  const { verified, entries, checkpoints, provedElsewhere, findings, findingCount, unproved, archived } = verification;
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
  for (const { from, to, time, by, act, looked } of archived)
    lines.push(
      `Records ${from} to ${to - 1} were dropped ${time} by ${by} (record ${act}); ${looked ? 'their segment was verified.' : 'their segment was not looked at.'}`,
    );
  return lines.map((line) => `${line}\n`).join('');
}

async function offline(
  context: Context,
  given: Given,
  checkpoints: readonly string[],
  segments: readonly string[],
): Promise<AuditVerification> {
  const { verifyOffline } = await import('../../../server/src/offline.ts');
  return await context.progress('verifying', () => verifyOffline({ ...placeOf(given), checkpoints, segments }));
}

/** The server verifies what it holds; the files are verified here, against the digests in the acts that it proved. */
async function online(
  context: Context,
  checkpoints: readonly string[],
  segments: readonly string[],
): Promise<AuditVerification> {
  const verification = await context.client.post<AuditVerification>(auditPath(context.subscription, 'verify'), {
    body: { checkpoints },
  });
  if (segments.length === 0) return verification;
  const { checkSegmentFile } = await import('../../../server/src/offline.ts');
  const { verifier } = await context.client.get<AuditSegments>(auditPath(context.subscription, 'segments'));
  const findings = [...verification.findings];
  const looked = new Set<number>();
  for (const file of segments) {
    try {
      const { from, to, sha256 } = await checkSegmentFile(file, verifier);
      const act = verification.archived.find((one) => one.from === from && one.to === to);
      if (act === undefined) continue;
      if (act.sha256 === sha256) looked.add(from);
      else
        findings.push({
          code: 'SegmentMismatch',
          message: `${file} is not the file by which the records ${from} to ${to - 1} were dropped.`,
        });
    } catch (thrown) {
      findings.push({ code: 'SegmentBroken', message: `The segment ${file} does not hold: ${messageOf(thrown)}` });
    }
  }
  const archived = verification.archived.map((one) => ({ ...one, looked: looked.has(one.from) }));
  const missing = archived.filter((one) => !one.looked).map(({ from, to }) => `${from} to ${to - 1}`);
  const others = verification.unproved.filter(({ code }) => code !== 'ArchivedNotRead');
  const added = findings.length - verification.findings.length;
  return {
    ...verification,
    verified: verification.verified && added === 0,
    findings,
    findingCount: verification.findingCount + added,
    archived,
    unproved:
      missing.length === 0
        ? others
        : [
            ...others,
            {
              code: 'ArchivedNotRead',
              message: `Records ${missing.slice(0, 5).join(', ')}${missing.length > 5 ? ', …' : ''} are archived and were dropped. Their hashes fit the tree; what they say was not looked at. Give their segments with --segment.`,
            },
          ],
  };
}

const messageOf = (thrown: unknown) => (thrown instanceof Error ? thrown.message : String(thrown));

type Written = { readonly from: number; readonly to: number; readonly file: string; readonly sha256: string };

/** Writes what is asked for, and believes no file before it has read it again. */
async function archive(context: Context, given: Given): Promise<readonly Written[]> {
  const { archiveOffline, checkSegmentFile } = await import('../../../server/src/offline.ts');
  const folder = resolve(given.needed('toFolder', '--to-folder FOLDER'));
  const before = given.text('before');
  const until = given.whole('untilRecord', '--until-record');
  const compressed = given.flag('gzip');
  const place = placeOf(given);
  const isOffline = ['dataDir', 'config', 'rootKeyFile'].map(given.text).some((value) => value !== undefined);
  const asked = ['url', 'caFile', 'subscription'].map(given.text).some((value) => value !== undefined);
  if (isOffline && asked)
    throw new UsageError(
      '--data-dir, --config and --root-key-file read files, and ask no server: leave out --url, --ca-file and --subscription.',
    );
  const written: Written[] = [];
  const store = async (
    range: { readonly from: number; readonly to: number },
    lines: AsyncIterable<string | Uint8Array>,
    verifier: string,
  ) => {
    const file = await storeSegment(folder, range, lines, compressed);
    const found = await checkSegmentFile(file, verifier);
    if (found.from !== range.from || found.to !== range.to)
      throw new UsageError(`${file} holds other records than its name says. Move it away.`);
    written.push({ file, from: found.from, to: found.to, sha256: found.sha256 });
  };
  if (isOffline) {
    const limit = { ...(before === undefined ? {} : { before }), ...(until === undefined ? {} : { until }) };
    await archiveOffline({ ...place, ...limit, store });
    return written;
  }
  const { verifier, segments } = await context.client.get<AuditSegments>(auditPath(context.subscription, 'segments'), {
    query: { before, until },
  });
  for (const range of segments) {
    const path = auditPath(context.subscription, `segments/${range.from}-${range.to}/archive`);
    const answer = await context.client.send('POST', path);
    await store(range, answer.body, verifier);
  }
  return written;
}

function toldSegments({ retentionDays, dropped, segments }: AuditSegments): string {
  const lines = [
    ...dropped.map(
      ({ from, to, time, by, act, sha256 }) =>
        `${from} to ${to - 1}: dropped ${time} by ${by} (record ${act}), sha256:${sha256}`,
    ),
    ...segments.map(({ from, to }) => `${from} to ${to - 1}: here`),
    retentionDays === 0
      ? 'Records are kept for ever: audit.retentionDays is 0.'
      : `Archived records may be dropped after ${retentionDays} days.`,
  ];
  return lines.join('\n');
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
