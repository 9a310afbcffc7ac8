// For MLflow's own client beside this one: where it finds a workspace, with a token; and what its garbage collection cannot do
// here, because that one works on a database: purging what was deleted.

import { resolve } from 'node:path';
import { ServiceError } from '@strongroom/contract/client';
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { UsageError } from '../exit.ts';
import { type Act, leaf } from '../given.ts';
import { changing } from '../options.ts';
import { at } from '../output.ts';

type Deleted = {
  readonly kind: 'experiment' | 'run' | 'model';
  readonly id: string;
  readonly experiment_id: string;
  readonly name: string;
  readonly deleted_time: number;
};

const purges = {
  run: ['runs/purge', 'run_id'],
  model: ['logged-models/purge', 'model_id'],
  experiment: ['experiments/purge', 'experiment_id'],
} as const;
const unitsMs = { h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 } as const;
/** Pages of a thousand; a purge that goes on longer is begun again. */
const roundsMax = 1000;

export function mlflowCommands(mlflow: Command, act: Act): void {
  leaf(
    mlflow,
    'env',
    changing('workspace'),
    'print the variables of MLflow for a workspace, with a token that lasts an hour',
    'mlflow env -g research -w demo\n  eval "$(strongroom mlflow env -g research -w demo)"',
  ).action(
    act(async (context) => {
      const variables = {
        MLFLOW_TRACKING_URI: trackingUri(context),
        MLFLOW_TRACKING_TOKEN: await context.sessions.token(context.url, context.url),
        ...(context.caFile === undefined ? {} : { MLFLOW_TRACKING_SERVER_CERT_PATH: resolve(context.caFile) }),
      };
      if (context.forProgram) context.show(variables);
      else
        for (const [name, value] of Object.entries(variables)) context.shell.out(`export ${name}=${quoted(value)}\n`);
    }),
  );

  leaf(
    mlflow,
    'gc',
    { ...changing('workspace'), asks: true },
    'remove deleted runs, logged models and experiments for good, with their artifacts',
    'mlflow gc --older-than 30d\n  strongroom mlflow gc --dry-run',
  )
    .option('--older-than <age>', 'only what was deleted so long ago: 12h, 30d, 4w (everything that is deleted)')
    .option('--experiment <id>', 'only this experiment, and what is in it')
    .option('--dry-run', 'say what would go, and remove nothing')
    .action(
      act(async (context, given) => {
        const olderThanMs = ageOf(given.text('olderThan'));
        const experiment = given.text('experiment');
        const isWanted = ({ experiment_id }: Deleted) => experiment === undefined || experiment_id === experiment;
        const first = (await listed(context, olderThanMs)).filter(isWanted);
        if (given.flag('dryRun')) return context.list(first, columns);
        if (first.length > 0)
          await context.confirm(
            `Remove ${first.length === 1 ? `the ${first[0]?.kind} '${first[0]?.name}'` : `${first.length} or more deleted runs, models and experiments`} for good?`,
          );
        const done: (Deleted & { readonly result: string })[] = [];
        const tried = new Set<string>();
        for (let round = 0, left = first; left.length > 0 && round < roundsMax; round++) {
          for (const one of left) {
            tried.add(`${one.kind}/${one.id}`);
            done.push({ ...one, result: await purge(context, one) });
          }
          left = (await listed(context, olderThanMs)).filter(
            (one) => isWanted(one) && !tried.has(`${one.kind}/${one.id}`),
          );
        }
        context.list(done, { ...columns, result: at('result') });
        return done.some(({ result }) => !result.startsWith('removed')) ? 1 : 0;
      }),
    );
}

const columns = {
  kind: at('kind'),
  id: at('id'),
  name: at('name'),
  experiment: at('experiment_id'),
  deleted: (row: unknown) => new Date((row as Deleted).deleted_time).toISOString(),
};

const trackingUri = ({ url, workspace }: Context): string => `${url}/mlflow/v1.0${workspace.id}`;

async function listed(context: Context, olderThanMs: number): Promise<readonly Deleted[]> {
  const answer = await context.client.get(`/mlflow/v1.0${context.workspace.id}/api/2.0/mlflow/deleted/list`, {
    apiVersion: null,
    query: { older_than_ms: olderThanMs },
  });
  return answer['deleted'] as readonly Deleted[]; // the shape is that of the contract
}

/** What became of it. That one stays does not keep the others. */
async function purge(context: Context, { kind, id }: Deleted): Promise<string> {
  const [path, name] = purges[kind];
  try {
    const { artifacts } = await context.client.post(`/mlflow/v1.0${context.workspace.id}/api/2.0/mlflow/${path}`, {
      apiVersion: null,
      body: { [name]: id },
    });
    return `removed, ${artifacts} files`;
  } catch (thrown) {
    // A refusal of this one thing; whoever may not, or has no server, may nothing of the rest either.
    if (!(thrown instanceof ServiceError) || thrown.status < 400 || [401, 403, 429].includes(thrown.status))
      throw thrown;
    return thrown.message;
  }
}

function ageOf(text: string | undefined): number {
  if (text === undefined) return 0;
  const [, count, unit] = /^(\d{1,5})([hdw])$/.exec(text) ?? [];
  if (count === undefined || unit === undefined)
    throw new UsageError(`--older-than takes an age such as 12h, 30d or 4w, not '${text}'.`);
  return Number(count) * unitsMs[unit as keyof typeof unitsMs];
}

/** For a POSIX shell: nothing in it means anything. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
