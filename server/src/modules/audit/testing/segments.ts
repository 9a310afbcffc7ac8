// Logs that are archived, aged and dropped, for the tests of segments and of drops.

import type { TestContext } from 'node:test';
import { CompiledQuery } from 'kysely';
import { createTestClock, type TestClock } from '#kernel/clock/test-clock';
import { type Databases, tables } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { testGrant } from '#kernel/testing/authority';
import type { AuditTables } from '../audit.store.ts';
import type { DropRequest } from '../drops.service.ts';
import type { GivenSegment } from '../given-segments.service.ts';
import { auditMigrations, verifyAudit } from '../index.ts';
import { databaseKey, intentOf, openAudit } from './fixture.ts';

export const dayMs = 86_400_000;

/** The configuration takes no less than 90: two make the same course in fewer steps. */
export const retentionDays = 2;

export const grant = testGrant({ action: 'Strongroom.Audit/segments/drop/action', scope: '/' });
export type Opened = Awaited<ReturnType<typeof openAudit>>;
export type Options = NonNullable<Parameters<typeof openAudit>[1]>;

/** Records with checkpoints in between, at sizes that are no edge of a tile. */
export async function grown(t: TestContext, options: Options & { readonly records?: number } = {}) {
  const { records = 600, clock = createTestClock(), ...rest } = options;
  const opened = await openAudit(t, { retentionDays, ...rest, clock });
  await fill(opened, records);
  return { ...opened, clock: clock as TestClock };
}

export async function fill({ audit }: Opened, records: number): Promise<void> {
  for (let at = 0; at < records; at += 100) {
    await Promise.all(
      Array.from({ length: Math.min(100, records - at) / 2 }, async () => {
        const mark = await audit.trail.begin('activity', intentOf());
        await mark.conclude({ status: 200, code: undefined });
      }),
    );
    await audit.checkpointNow();
  }
}

/** Days pass as they do: with records, and a checkpoint each. */
export async function age(
  { audit, clock }: Pick<Opened, 'audit'> & { readonly clock: TestClock },
  days = retentionDays,
) {
  for (let day = 0; day < days; day++) {
    clock.jump(dayMs);
    await audit.trail.begin('access', intentOf());
    await audit.checkpointNow();
  }
}

export async function collect(lines: AsyncIterable<string>): Promise<readonly string[]> {
  const collected: string[] = [];
  for await (const line of lines) collected.push(line);
  return collected;
}

export async function linesOf({ audit }: Pick<Opened, 'audit'>, from: number, to: number): Promise<readonly string[]> {
  return await collect(audit.archive({ from, to }));
}

export async function* bytesOf(lines: readonly string[], chunk = 1_000): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(lines.join(''));
  for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk);
}

export const request = (from: number, to: number, lines: readonly string[]): DropRequest => ({
  from,
  to,
  grant,
  correlationId: 'c',
  file: bytesOf(lines),
});

export const drop = (opened: Pick<Opened, 'audit'>, from: number, to: number, lines: readonly string[]) =>
  opened.audit.drop(request(from, to, lines));

export const given = (name: string, lines: readonly string[]): GivenSegment => ({
  name,
  lines: async function* () {
    yield* lines;
  },
});

export const verified = (opened: Pick<Opened, 'database' | 'audit'>, segments: readonly GivenSegment[] = []) =>
  verifyAudit({ database: opened.database, verifier: opened.audit.verifier, segments, isRunning: true });

export const codesOf = (findings: readonly { readonly code: string }[]) =>
  [...new Set(findings.map(({ code }) => code))].sort();

export const refused = (code: string) => (error: unknown) => error instanceof Failure && error.code === code;

export const rowsOf = async ({ database }: Pick<Opened, 'database'>): Promise<readonly number[]> =>
  (
    await tables<AuditTables>(database.read)
      .selectFrom('audit_records')
      .select('sequence')
      .orderBy('sequence')
      .execute()
  ).map(({ sequence }) => sequence);

/** Runs SQL over a connection of its own, as somebody with the key would. */
export async function tamper(
  databases: Databases,
  ...statements: readonly (readonly [string, ...unknown[]])[]
): Promise<void> {
  const database = await databases.open('audit', [auditMigrations], { key: databaseKey });
  try {
    await database.write(async (tx) => {
      for (const [text, ...parameters] of statements) await tx.executeQuery(CompiledQuery.raw(text, parameters));
    });
  } finally {
    await database.close();
  }
}

/** 512 of some 600 records archived, aged and dropped. */
export async function dropped(t: TestContext, options: Options = {}) {
  const opened = await grown(t, options);
  const leaves = (
    await tables<AuditTables>(opened.database.read)
      .selectFrom('audit_records')
      .select('leaf')
      .orderBy('sequence')
      .execute()
  ).map(({ leaf }) => leaf);
  const lines = await linesOf(opened, 0, 512);
  await age(opened);
  const act = await drop(opened, 0, 512, lines);
  return { ...opened, lines, leaves, act };
}
