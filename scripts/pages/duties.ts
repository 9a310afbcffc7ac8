// The page of what the house does by itself: every duty that a module declares.

import type { Duty } from '../../server/src/kernel/authority/duty.ts';

const recordOf = ({ record }: Duty): string => {
  if (record.level === 'activity') return 'intent and outcome';
  return record.level === 'part' ? `part of ${record.of}` : `none: ${record.reason}`;
};

/** docs/duties.md */
export function dutiesPage(all: readonly Duty[]): string {
  const rows = [...all].sort((one, other) => (one.name < other.name ? -1 : 1));
  const lines = rows.flatMap((duty) => [
    `## ${duty.name}`,
    '',
    duty.why,
    '',
    `- may: ${duty.actions.map(({ name }) => `\`${name}\``).join(', ')}`,
    `- at or below: ${duty.under === '/' ? 'the whole installation' : `one \`${duty.under}\``}`,
    `- record: ${recordOf(duty)}`,
    '',
  ]);
  return [
    '# What Strongroom does by itself',
    '',
    'Printed from the code by `npm run pages`; `npm run check` compares it. There is no other way for',
    'the server to act without a caller: a grant of a duty is exactly these actions, at or below one scope, and whatever it asks beyond',
    'them is refused. In the log the caller of a duty is `Strongroom`, and the reason names the duty. `{type}` stands for each type of',
    'resource, one at a time.',
    '',
    ...lines,
  ]
    .join('\n')
    .trimEnd()
    .concat('\n');
}
