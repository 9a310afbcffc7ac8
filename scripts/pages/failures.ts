// The page of what is answered when something is not done: every row of every table of failures.

import type { FailureTable } from '../../server/src/kernel/errors/failures.ts';
import { cell } from './cell.ts';

/** docs/errors.md */
export function failuresPage(all: readonly FailureTable[]): string {
  const rooms = [...new Set(all.map(({ room }) => room))];
  const sections = rooms.flatMap((room) => {
    const rows = all.filter((table) => table.room === room).flatMap((table) => table.rows);
    const sorted = [...rows].sort((one, other) =>
      `${one.code} ${one.meaning}` < `${other.code} ${other.meaning}` ? -1 : 1,
    );
    return [
      `## ${room}`,
      '',
      '| code | status | when | what to do |',
      '|---|---|---|---|',
      ...sorted.map((row) => `| \`${row.code}\` | ${row.status} | ${cell(row.meaning)} | ${cell(row.remedy)} |`),
      '',
    ];
  });
  return [
    '# What Strongroom answers when it does not do what was asked',
    '',
    'Printed from the code by `npm run pages`; `npm run check` compares it. The code is the word that stands in',
    'the envelope of the protocol that was spoken; the message beside it names what it is about.',
    '',
    ...sections,
  ]
    .join('\n')
    .trimEnd()
    .concat('\n');
}
