// Quotas: how much storage accounts, registries and workspaces may hold. Set at the subscription, for resources by their ids.

import { quotasPath } from '@strongroom/contract/quotas';
import type { Command } from 'commander';
import { UsageError } from '../exit.ts';
import { type Act, leaf } from '../given.ts';
import { changing, listing } from '../options.ts';
import { at } from '../output.ts';

type Row = { readonly id: string; readonly limit: number };

export function quotaCommands(quota: Command, act: Act): void {
  leaf(
    quota,
    'list',
    listing('subscription'),
    'list the quotas that were set; whatever is not among them has the default of the installation',
    'quota list',
  ).action(
    act(async (context) =>
      context.list(await context.client.list(`${quotasPath(context.subscription)}/quotas`), {
        // The end of the id says which it is, and would be what a narrow terminal cuts off.
        of: (row) => (row as Row).id.split('/').slice(-2).join('/'),
        bytes: at('limit'),
      }),
    ),
  );
  leaf(
    quota,
    'set',
    changing('subscription'),
    'set how many bytes a storage account, a registry or a workspace may hold',
    'quota set --id /subscriptions/…/workspaces/research --bytes 20000000000',
  )
    .requiredOption('--id <id>', 'the resource id of the storage account, registry or workspace')
    .option('--bytes <count>', 'how much it may hold')
    .option('--default', 'the default of the installation again')
    .action(
      act(async (context, given) => {
        const text = given.text('bytes');
        // More digits than a count of lines has.
        if (text !== undefined && !/^\d{1,15}$/.test(text))
          throw new UsageError('--bytes takes a whole number of bytes.');
        const bytes = text === undefined ? undefined : Number(text);
        if ((bytes === undefined) !== given.flag('default')) throw new UsageError('Give --bytes or --default.');
        const id = given.needed('id', '--id');
        const { value } = await context.client.post<{ readonly value: readonly Row[] }>(
          `${quotasPath(context.subscription)}/updateQuotas`,
          { body: { value: [{ id, limit: bytes ?? null }] } },
        );
        context.done(`quota of ${id}`, 'set', { ...value[0] });
      }),
    );
}
