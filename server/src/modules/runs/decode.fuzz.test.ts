// Any JSON at all, as a message: it is read, or refused as invalid. What is read fits the schema.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as wire from '@strongroom/contract/runs';
import { Compile } from '@strongroom/contract/schema';
import fc from 'fast-check';
import { Failure } from '#kernel/errors/failure';
import { decodeBody, decodeQuery } from './decode.rules.ts';

const messages = [
  wire.createRun,
  wire.updateRun,
  wire.logMetric,
  wire.logBatch,
  wire.logInputs,
  wire.searchRuns,
] as const;
const fields = [
  ...[
    'run_id',
    'experiment_id',
    'key',
    'value',
    'timestamp',
    'step',
    'status',
    'metrics',
    'params',
    'tags',
    'datasets',
  ],
  ...['dataset', 'name', 'digest', 'order_by', 'max_results', '__proto__', 'constructor'],
];
const field = fc.constantFrom(...fields);
const leaf = fc.oneof(
  fc.constantFrom<unknown>('NaN', 'Infinity', '1', '-1', '9007199254740993', '1e5', '', 'RUNNING', 5, null, true),
  fc.double(),
  fc.string(),
);
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof({ maxDepth: 4 }, leaf, fc.array(tie('json'), { maxLength: 3 }), fc.dictionary(field, tie('json'))),
}));

test('a message of any shape is read into its schema or refused as invalid', () => {
  for (const message of messages) {
    const validator = Compile(message);
    fc.assert(
      fc.property(fc.oneof(json, fc.dictionary(field, json)), (body) => {
        for (const read of [
          () => decodeBody(message, body),
          () => decodeQuery(message, (typeof body === 'object' && body !== null ? body : {}) as never),
        ]) {
          try {
            const decoded = read() as Record<string, unknown>;
            // A NaN or an infinity is a number to us and none to JSON Schema.
            const finite = JSON.parse(
              JSON.stringify(decoded, (_, value) => (typeof value === 'number' && !Number.isFinite(value) ? 0 : value)),
            );
            assert.ok(validator.Check(finite), JSON.stringify(decoded));
          } catch (thrown) {
            assert.ok(thrown instanceof Failure && thrown.kind === 'invalid', String(thrown));
          }
        }
      }),
      { numRuns: 500 },
    );
  }
});
