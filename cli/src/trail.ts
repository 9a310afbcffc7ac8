// The audit log as a person reads it: what was begun and how it ended on one line.

import type { AuditEntry, AuditRecord } from '@strongroom/contract/audit';

export type TrailRow = {
  readonly sequence: number;
  readonly time: string;
  readonly who: string;
  readonly what: string;
  readonly on: string;
  readonly outcome: string;
  /** The whole id of `on`. */
  readonly scope: string;
};

/** Oldest first. `entries` as the service answers them: newest first, with outcomes apart from what they conclude. */
export function readTrail(entries: readonly AuditEntry[]): readonly TrailRow[] {
  const outcomes = new Map<number, string>();
  for (const { record } of entries) if (record.kind === 'outcome') outcomes.set(record.intent, wordOf(record.outcome));
  return entries.toReversed().flatMap(({ sequence, record }) => {
    if (record.kind === 'outcome') return [];
    const said = record.kind === 'entry' && record.outcome !== undefined ? wordOf(record.outcome) : undefined;
    const outcome = outcomes.get(sequence) ?? said ?? (record.kind === 'intent' ? 'under way' : record.decision);
    return [
      {
        sequence,
        time: record.time,
        who: nameOf(record),
        what: record.operation,
        on: subjectOf(record.scope),
        outcome,
        scope: record.scope,
      },
    ];
  });
}

function wordOf(outcome: { readonly result: string; readonly status?: number; readonly code?: string }): string {
  if (outcome.result === 'succeeded') return 'succeeded';
  return [outcome.result, outcome.status, outcome.code].filter((part) => part !== undefined).join(' ');
}

const nameOf = ({ caller }: AuditRecord) => (caller.name === '' ? caller.type : caller.name);

/** The last two words of an id, `workspaces/demo`; of a version also whose it is, `models/iris:3`. */
function subjectOf(scope: string): string {
  const parts = scope.split('/').filter((part) => part !== '');
  const [plural, name, noun, version] = parts.slice(-4);
  const short =
    noun === 'versions' ? `${plural}/${name}:${version}` : parts.length === 0 ? '/' : parts.slice(-2).join('/');
  return short.length > 44 ? `${short.slice(0, 43)}…` : short;
}
