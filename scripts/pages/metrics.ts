// The page of what `/metrics` tells: every meter that the kernel and the modules declare.

import type { Label, Meter } from '../../server/src/kernel/telemetry/meter.ts';
import { cell } from './cell.ts';

export type Rooms = readonly { readonly name: string; readonly meters: readonly Meter[] }[];

const valuesOf = (rule: Label): string =>
  'open' in rule ? rule.open : [...rule].map((value) => `\`${value}\``).join(', ');

/** docs/operations/metrics.md */
export function metricsPage(all: Rooms): string {
  const rowOf = ({ name, kind, help, labels }: Meter) =>
    `| \`${name}\` | ${kind} | ${cell(help)} | ${Object.entries(labels)
      .map(([label, rule]) => `\`${label}\`: ${cell(valuesOf(rule))}`)
      .join('; ')} |`;
  return [
    '# What `/metrics` tells',
    '',
    'Printed from the code by `npm run pages`; `npm run check` compares it. Beside these stands what the library',
    'tells of the process (`process_…`, `nodejs_…`).',
    '',
    'Labels hold words of the lists here, never the name of a person, a tenant or a resource; only the series of scoring name endpoints and',
    'deployments, and never those of a workspace of high business impact. What no list holds counts as `other`, and so does what comes after a',
    'metric has as many series as it may. Counters begin at 0 with each start. A duration is a histogram in seconds.',
    '',
    ...all.flatMap(({ name, meters }) => [
      `## ${name}`,
      '',
      '| metric | kind | what it is | labels |',
      '|---|---|---|---|',
      ...[...meters].sort((one, other) => (one.name < other.name ? -1 : 1)).map(rowOf),
      '',
    ]),
  ]
    .join('\n')
    .trimEnd()
    .concat('\n');
}
