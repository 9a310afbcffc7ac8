// The filter of the activity log: what clients really send, what is refused, and that no input does anything else.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '#kernel/errors/failure';
import { parseActivityFilter, parseInstant } from './filter.rules.ts';

const at = Date.parse('2026-11-23T05:51:00.123Z');

test('the filters of the JavaScript client and of azure-cli are understood', () => {
  const read = [
    "eventTimestamp ge '2026-11-23T05:51:00.123Z' and eventTimestamp le '2026-11-23T05:51:00.123Z'",
    "eventTimestamp ge 2026-11-23T05:51:00.123456 and eventTimestamp le 2026-11-23T05:51:00.1239999 and eventChannels eq 'Admin, Operation'",
    " EVENTTIMESTAMP  GE '2026-11-23T06:51:00.123+01:00'  AND eventtimestamp le 2026-11-23T05:51:00.123z ",
  ].map(parseActivityFilter);
  for (const filter of read)
    assert.deepEqual(filter, { fromMs: at, toMs: at, narrow: undefined, caller: undefined, status: undefined });
});

test('one narrowing condition is taken, quoted or bare, with doubled quotes as one', () => {
  const narrowed = (text: string) => parseActivityFilter(`eventTimestamp ge 2026-01-01 and ${text}`).narrow;
  assert.deepEqual(narrowed("resourceGroupName eq 'Team'"), { by: 'resourceGroupName', value: 'Team' });
  assert.deepEqual(narrowed('resourceUri eq /subscriptions/s/x'), { by: 'resourceUri', value: '/subscriptions/s/x' });
  assert.deepEqual(narrowed("resourceprovider EQ 'Microsoft.KeyVault'"), {
    by: 'resourceProvider',
    value: 'Microsoft.KeyVault',
  });
  assert.deepEqual(narrowed("correlationId eq 'it''s and'"), { by: 'correlationId', value: "it's and" });
});

test('caller and status narrow further, beside one of the others', () => {
  const { caller, status, narrow } = parseActivityFilter(
    "eventTimestamp ge 2026-01-01 and resourceId eq '/subscriptions/s/x' and caller eq 'ada@example.org' and status eq 'failed'",
  );
  assert.deepEqual([caller, status, narrow?.by], ['ada@example.org', 'Failed', 'resourceId']);
});

test('anything else is refused with a sentence that says what', () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ['', /condition was expected/],
    ['   ', /condition was expected/],
    ["resourceGroupName eq 'x'", /needs a beginning/],
    ["eventTimestamp le '2026-01-01'", /needs a beginning/],
    ["eventTimestamp eq '2026-01-01'", /'ge' and 'le'/],
    ["eventTimestamp ge 'yesterday'", /not a time/],
    ["eventTimestamp ge '2026-02-30'", /not a time/],
    ["eventTimestamp ge '2026-01-01' or eventTimestamp le '2026-01-02'", /'and' was expected/],
    ["eventTimestamp ge '2026-01-01' and", /'and' was expected/],
    ["eventTimestamp ge '2026-01-01", /condition was expected/],
    ["eventTimestamp ge '2026-01-01' and level eq 'x'", /cannot be filtered by/],
    ["eventTimestamp ge '2026-01-01' and caller eq 'x' and caller eq 'y'", /once each/],
    ["eventTimestamp ge '2026-01-01' and status eq 'Perhaps'", /no status/],
    ["eventTimestamp ge '2026-01-01' and resourceUri ne 'x'", /takes 'eq'/],
    ["eventTimestamp ge '2026-01-01' and resourceUri eq ''", /compared with nothing/],
    ["eventTimestamp ge '2026-01-01' and resourceUri eq 'x' and correlationId eq 'y'", /Only one/],
    [`eventTimestamp ge '2026-01-01'${" and eventChannels eq 'x'".repeat(16)}`, /more than 16/],
    [`eventTimestamp ge '${'9'.repeat(5_000)}'`, /longer than 4096/],
  ];
  for (const [text, message] of refused) assert.throws(() => parseActivityFilter(text), message, text.slice(0, 80));
});

test('no input does anything but parse or be refused as invalid, and quickly', () => {
  const piece = fc.constantFrom(
    "'",
    ' ',
    'and',
    'eq',
    'ge',
    'eventTimestamp',
    'resourceUri',
    '2026-01-01',
    "''",
    '\t',
    'x',
  );
  const texts = fc.oneof(
    fc.string({ maxLength: 300 }),
    fc.array(piece, { maxLength: 400 }).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(texts, (text) => {
      try {
        assert.ok(Number.isInteger(parseActivityFilter(text).fromMs));
      } catch (error) {
        assert.ok(error instanceof Failure && error.kind === 'invalid', String(error));
      }
    }),
    { numRuns: 2_000 },
  );
  const started = performance.now();
  for (const hostile of [`${' '.repeat(4_000)}x`, "eventTimestamp ge '".padEnd(4_096, "'"), 'a '.repeat(2_000)])
    assert.throws(() => parseActivityFilter(hostile), Failure);
  assert.ok(performance.now() - started < 1_000);
});

test('a value survives quoting, whatever it holds', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 200 }), (value) => {
      const text = `eventTimestamp ge '2026-01-01' and correlationId eq '${value.replaceAll("'", "''")}'`;
      assert.equal(parseActivityFilter(text).narrow?.value, value);
    }),
  );
});

test('times are read to the millisecond, in UTC unless they say otherwise', () => {
  fc.assert(
    fc.property(fc.date({ min: new Date(0), max: new Date('9999-01-01'), noInvalidDate: true }), (date) => {
      assert.equal(parseInstant(date.toISOString()), date.getTime());
      assert.equal(parseInstant(date.toISOString().replace('Z', '')), date.getTime());
    }),
  );
  assert.equal(parseInstant('2026-01-01T00:00:00-02:30'), Date.parse('2026-01-01T02:30:00Z'));
  for (const wrong of [
    '',
    '2026',
    '2026-13-01',
    '2026-01-01T25:00',
    '2026-01-01 00:00',
    '2026-01-01T00:00:00+15:00',
    '１',
  ])
    assert.equal(parseInstant(wrong), undefined, wrong);
});
