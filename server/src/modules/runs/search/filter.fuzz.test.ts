// The filter language against an oracle: random runs, random filters, and what a few lines of plain code say must match.
// And the reader against noise: it answers or refuses, and quickly.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '#kernel/clock/clock';
import { closeScanPool } from '#kernel/database/database';
import { Failure } from '#kernel/errors/failure';
import { testDatabases } from '#kernel/testing/databases';
import { createLogging } from '../logging.service.ts';
import { trackingTables } from '../migrations/0001-tracking.ts';
import { createRunsService } from '../runs.service.ts';
import { grant, workspaceId } from '../testing.ts';
import { type Comparison, type Operator, parseFilter, parseOrderings } from './filter.rules.ts';
import { runGrammar } from './grammars.rules.ts';
import { createSearch } from './search.service.ts';

after(() => closeScanPool());

type OracleRun = {
  readonly name: string;
  readonly metrics: ReadonlyMap<string, number>;
  readonly params: ReadonlyMap<string, string>;
};

const keys = ['a', 'b.c', 'd e'] as const;
const texts = ['', 'x', 'X', 'xy', 'a%b', 'a_b', 'aXb', '[x]*', 'é', 'É', '?'] as const;
const numbers = [-1, 0, 0.5, 1, 1e300] as const;
const key = fc.constantFrom(...keys);
const text = fc.constantFrom(...texts);
const number = fc.constantFrom(...numbers);

const runs = fc.array(
  fc.record({
    metrics: fc.dictionary(key, fc.oneof(number, fc.constant(Number.NaN))),
    params: fc.dictionary(key, text),
  }),
  { minLength: 1, maxLength: 6 },
);
const comparison = fc.oneof(
  fc.record({
    entity: fc.constant('metric'),
    key,
    operator: fc.constantFrom<Operator[]>('=', '!=', '<', '<=', '>', '>='),
    value: number,
  }),
  fc.record({
    entity: fc.constant('param'),
    key,
    operator: fc.constantFrom<Operator[]>('=', '!=', 'LIKE', 'ILIKE', 'IS NULL', 'IS NOT NULL'),
    value: text,
  }),
);

/** SQL's LIKE in its own words: no engine, no regular expression of ours. */
function like(value: string, pattern: string): boolean {
  const [v, p] = [[...value], [...pattern]];
  const row = Array.from({ length: v.length + 1 }, (_, at) => at === 0);
  for (const wild of p) {
    let before = row[0] ?? false;
    row[0] = wild === '%' && before;
    for (let at = 1; at <= v.length; at++) {
      const here = row[at] ?? false;
      row[at] = wild === '%' ? (row[at - 1] ?? false) || here : before && (wild === '_' || wild === v[at - 1]);
      before = here;
    }
  }
  return row[v.length] ?? false;
}
const lowerAscii = (value: string) => value.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

function holds({ entity, key: name, operator, value }: Comparison, run: OracleRun): boolean {
  if (entity === 'metric') {
    const stored = run.metrics.get(name);
    if (stored === undefined) return false;
    const operand = Number(value);
    return (
      { '=': stored === operand, '!=': stored !== operand, '<': stored < operand, '<=': stored <= operand }[
        operator as string
      ] ?? (operator === '>' ? stored > operand : stored >= operand)
    );
  }
  const stored = run.params.get(name);
  if (operator === 'IS NULL') return stored === undefined;
  if (stored === undefined) return false;
  if (operator === 'IS NOT NULL') return true;
  const operand = String(value);
  if (operator === 'LIKE') return like(stored, operand);
  if (operator === 'ILIKE') return like(lowerAscii(stored), lowerAscii(operand));
  return operator === '=' ? stored === operand : stored !== operand;
}

const written = ({ entity, key: name, operator, value }: Comparison): string => {
  const field = `${entity}s.${/[ ]/.test(name) ? `\`${name}\`` : name}`;
  if (operator.startsWith('IS')) return `${field} ${operator}`;
  return `${field} ${operator} ${typeof value === 'number' ? value : `'${value}'`}`;
};

test('a search finds exactly what the oracle says', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-filter-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const database = await testDatabases(folder).open('w', [trackingTables], { key: new Uint8Array(32) });
  t.after(() => database.close());
  const workspaces = { database: async () => database };
  const service = createRunsService({ workspaces, clock: systemClock });
  const logging = createLogging({ workspaces });
  const search = createSearch({ workspaces });
  let round = 0;
  await fc.assert(
    fc.asyncProperty(
      runs,
      fc.array(fc.array(comparison, { maxLength: 3 }), { minLength: 1, maxLength: 8 }),
      async (made, filters) => {
        round++;
        const oracle: OracleRun[] = [];
        for (const [at, one] of made.entries()) {
          const name = `${round}-${at}`;
          const tags = [{ key: 'round', value: String(round) }];
          const { info } = await service.create(grant, workspaceId, { experimentId: '0', runName: name, tags });
          await logging.batch(grant, workspaceId, info.run_id, {
            metrics: Object.entries(one.metrics).map(([k, value]) => ({ key: k, value, timestamp: 1 })),
            params: Object.entries(one.params).map(([k, value]) => ({ key: k, value })),
          });
          oracle.push({
            name,
            metrics: new Map(Object.entries(one.metrics)),
            params: new Map(Object.entries(one.params)),
          });
        }
        for (const filter of filters) {
          const clauses = [...filter.map(written), `tags.round = '${round}'`];
          const { items } = await search.runs(grant, workspaceId, {
            experimentIds: ['0'],
            filter: clauses.join(' AND '),
          });
          const expected = oracle.filter((run) => filter.every((one) => holds(one, run))).map(({ name }) => name);
          assert.deepEqual(items.map(({ info }) => info.run_name).sort(), expected.sort(), clauses.join(' AND '));
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('what is written is what is read', () => {
  fc.assert(
    fc.property(fc.array(comparison, { maxLength: 10 }), (comparisons) => {
      const parsed = parseFilter(comparisons.map(written).join('  and\n'), runGrammar);
      assert.deepEqual(parsed.map(written), comparisons.map(written));
    }),
  );
});

test('noise is read or refused as invalid, never anything else', () => {
  const noise = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc
      .array(
        fc.constantFrom(
          'metrics',
          '.',
          'a',
          ' ',
          "'",
          '"',
          '`',
          '=',
          '!=',
          '<',
          '1',
          '-',
          'e',
          'AND',
          'IN',
          '(',
          ')',
          ',',
          'NOT',
          'IS',
          'NULL',
          'LIKE',
          'tags',
          'run_id',
        ),
      )
      .map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(noise, (noisy) => {
      for (const read of [() => parseFilter(noisy, runGrammar), () => parseOrderings([noisy], runGrammar)]) {
        try {
          read();
        } catch (thrown) {
          assert.ok(thrown instanceof Failure && thrown.kind === 'invalid', String(thrown));
        }
      }
    }),
    { numRuns: 3000 },
  );
});
