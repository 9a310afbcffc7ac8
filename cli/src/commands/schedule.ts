// Schedules: jobs that are made when it is time, from files in Azure ML's v2 schema.

import type { Command } from 'commander';
import { isObject, readDocument } from '../document.reader.ts';
import { scheduleBody } from '../documents/schedule.ts';
import { UsageError } from '../exit.ts';
import { type Act, leaf, namedLeaf, repeated } from '../given.ts';
import { changing, listing, looking, removing } from '../options.ts';
import { at } from '../output.ts';
import { showNamed } from '../principals.ts';
import { sourcesOf } from '../work.ts';

export function scheduleCommands(schedule: Command, act: Act): void {
  leaf(
    schedule,
    'create',
    changing('workspace'),
    'make or replace a schedule from a YAML file',
    'schedule create -f schedule.yml --set trigger.time_zone=Europe/Berlin',
  )
    .requiredOption('-f, --file <file>', 'the schedule, in the schema of schedules')
    .option('-n, --name <name>', 'its name')
    .option('--set <path=value>', 'change a field of the file (several times)', repeated)
    .option('--allow-credentials', 'send the code although something in it looks like a credential')
    .action(
      act(async (context, given) => {
        const { client, workspace } = context;
        const allowCredentials = given.flag('allowCredentials');
        const document = await readDocument(given.needed('file', '-f FILE'), given.texts('set'));
        const made = await context.progress('scheduling', async (told) => {
          const sources = sourcesOf(client, workspace, { allowCredentials, told });
          const { name, properties } = await scheduleBody({ document, paths: workspace, sources });
          const chosen = given.text('name') ?? name;
          if (chosen === undefined) throw new UsageError(`${document.file} has no 'name': give one there, or -n NAME.`);
          return (await client.settle('PUT', workspace.schedule(chosen), { body: { properties } })).value;
        });
        context.done(`schedule '${String(made['name'])}'`, 'made', made, nextOf(made));
      }),
    );
  namedLeaf(schedule, 'show', looking('workspace'), 'show a schedule', 'schedule show nightly').action(
    act(async (context, given) =>
      showNamed(context, await context.client.get(context.workspace.schedule(given.name('schedule')))),
    ),
  );
  leaf(schedule, 'list', listing('workspace'), 'list the schedules of a workspace', 'schedule list --all')
    .option('--all', 'those that are disabled, too')
    .action(
      act(async (context, given) => {
        const listViewType = given.flag('all') ? 'All' : 'EnabledOnly';
        context.list(
          await context.client.list(context.workspace.schedules, { query: { listViewType } }),
          {
            name: at('name'),
            enabled: at('properties.isEnabled'),
            next: (row) => toldIn(row, 'schedule.next'),
            last: (row) => toldIn(row, 'schedule.last'),
            job: (row) => toldIn(row, 'schedule.lastJob'),
            error: (row) => toldIn(row, 'schedule.error'),
          },
          { more: { 'display name': at('properties.displayName'), id: at('id') } },
        );
      }),
    );
  for (const [word, isEnabled, description, done] of [
    ['enable', true, 'let a schedule fire again, from now on', 'enabled'],
    ['disable', false, 'keep a schedule from firing', 'disabled'],
  ] as const)
    namedLeaf(schedule, word, changing('workspace'), description, `schedule ${word} nightly`).action(
      act(async (context, given) => {
        const name = given.name('schedule');
        const path = context.workspace.schedule(name);
        const changed = await context.settle('changing', 'PATCH', path, { properties: { isEnabled } });
        context.done(`schedule '${name}'`, done, changed, nextOf(changed));
      }),
    );
  namedLeaf(
    schedule,
    'trigger',
    changing('workspace'),
    'make the job of a schedule now, in your name',
    'schedule trigger nightly',
  ).action(
    act(async (context, given) => {
      const name = given.name('schedule');
      const fired = await context.settle('firing', 'POST', `${context.workspace.schedule(name)}/trigger`, {});
      const job = String(fired['submissionId']);
      context.done(`job '${job}'`, 'submitted', fired, `'strongroom job stream ${job}' follows it`);
    }),
  );
  namedLeaf(
    schedule,
    'delete',
    removing('workspace'),
    'remove a schedule; the jobs that it made stay',
    'schedule delete nightly --yes',
  ).action(
    act(async (context, given) => {
      const name = given.name('schedule');
      await context.confirm(`Delete the schedule '${name}'?`);
      await context.settle(`deleting ${name}`, 'DELETE', context.workspace.schedule(name));
      context.over(`schedule '${name}'`, 'deleted');
    }),
  );
}

/** What the service tells of it among its properties; empty where it tells nothing. */
function toldIn(schedule: object, name: string): string {
  const told = at('properties.properties')(schedule);
  return isObject(told) ? String(told[name] ?? '') : '';
}

function nextOf(schedule: object): string | undefined {
  const next = toldIn(schedule, 'schedule.next');
  return next === '' ? undefined : `it is due at ${next}`;
}
