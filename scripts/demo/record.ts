// The audit trail, short enough to read in one go: repeated rows as one with a count, and reads counted where their reader
// says nothing new.

import type { TrailRow } from '../../cli/src/trail.ts';

const widths = { who: 28, subject: 44 } as const;

/** Without the provider, which the subject says again. */
const shortly = (operation: string) =>
  operation.replace(/^(MachineLearningServices_Workspaces|MachineLearningServices|Resources|KeyVault)_(?=\w+_)/, '');
const clipped = (text: string, width: number) => (text.length > width ? `${text.slice(0, width - 1)}…` : text);
const isRead = ({ what, outcome }: TrailRow) => outcome === 'allowed' && /_(Get|GetLog|List)\w*$/.test(what);

/** @param reader whose reads are only counted. Rows: who, what, on what, outcome. */
export function shortened(
  trail: readonly TrailRow[],
  reader: string,
): { readonly rows: readonly (readonly string[])[]; readonly reads: number } {
  const told = trail.filter((row) => !(row.who === reader && isRead(row)));
  const short: (TrailRow & { times: number })[] = [];
  for (const row of told) {
    const last = short.at(-1);
    if (last?.who === row.who && last.what === row.what && last.on === row.on && last.outcome === row.outcome)
      last.times++;
    else short.push({ ...row, times: 1 });
  }
  const rows = short.map(({ who, what, on, outcome, times }) => [
    clipped(who, widths.who),
    times > 1 ? `${shortly(what)} (${times} times)` : shortly(what),
    clipped(on, widths.subject),
    outcome,
  ]);
  return { rows, reads: trail.length - told.length };
}
