// Jobs, from files in Azure ML's v2 schema.

import { randomBytes } from 'node:crypto';
import type { JsonObject } from '@strongroom/contract/client';
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { readDocument } from '../document.reader.ts';
import { jobBody } from '../documents.ts';
import { exitCodes } from '../exit.ts';
import { type Act, leaf, namedLeaf, repeated } from '../given.ts';
import { at, plain } from '../output.ts';
import { followLog, propertiesOf, sourcesOf, waitForJob } from '../work.ts';

async function stream(context: Context, name: string): Promise<{ readonly job: JsonObject; readonly code: number }> {
  const { client, workspace, shell } = context;
  // Standard error: standard output is for the job's document, and stays parseable.
  await followLog(client, workspace, name, (text) => shell.err(plain(text)));
  const job = await waitForJob(client, workspace, name, shell.sleep);
  const { status, error } = propertiesOf(job);
  const why = (error as { readonly message?: string } | undefined)?.message;
  shell.err(`${name}: ${String(status)}${why === undefined ? '' : `: ${plain(why)}`}\n`);
  return { job, code: status === 'Completed' ? exitCodes.ok : exitCodes.failed };
}

export function jobCommands(program: Command, act: Act): void {
  const job = program.command('job').description('training jobs');
  leaf(job, 'create', 'submit a job from a YAML file', 'job create -f job.yml --set inputs.epochs=10 --stream')
    .requiredOption('-f, --file <file>', 'the job, in the schema of command jobs')
    .option('-n, --name <name>', 'its name; made up if it has none')
    .option('--set <path=value>', 'change a field of the file (several times)', repeated)
    .option('--stream', 'follow its log to the end; the exit code is 0 only if it completes')
    .option('--allow-credentials', 'send the code although something in it looks like a credential')
    .action(
      act(async (context, given) => {
        const { client, workspace } = context;
        const document = readDocument(given.needed('file', '-f FILE'), given.texts('set'));
        const made = await context.progress('submitting', async (told) => {
          const { name, body } = await jobBody(
            document,
            workspace,
            sourcesOf(client, workspace, { allowCredentials: given.flag('allowCredentials'), told }),
          );
          const chosen = given.text('name') ?? name ?? `job-${randomBytes(6).toString('hex')}`;
          return (await client.settle('PUT', workspace.job(chosen), { body })).value;
        });
        if (!given.flag('stream')) return context.show(made);
        context.note(`${String(made['name'])} is submitted.`);
        const { job: ended, code } = await stream(context, String(made['name']));
        // Its end was just said; the whole of it is for programs.
        if (context.asJson) context.show(ended);
        return code;
      }),
    );
  namedLeaf(job, 'show', 'show a job', 'job show job-1a2b3c').action(
    act(async (context, given) => context.show(await context.client.get(context.workspace.job(given.name('job'))))),
  );
  namedLeaf(
    job,
    'stream',
    "follow a job's log to the end; the exit code is 0 only if it completes",
    'job stream job-1a2b3c',
  ).action(act(async (context, given) => (await stream(context, given.name('job'))).code));
  leaf(job, 'list', 'list the jobs of a workspace', 'job list --max-results 20')
    .option('--max-results <count>', 'at most so many')
    .option('--tag <tag>', 'only those with this tag')
    .action(
      act(async (context, given) => {
        const max = given.whole('maxResults', '--max-results');
        const jobs = await context.client.list(context.workspace.jobs, {
          query: { tag: given.text('tag') },
          ...(max === undefined ? {} : { max }),
        });
        context.list(jobs, {
          name: at('name'),
          status: at('properties.status'),
          experiment: at('properties.experimentName'),
          'display name': at('properties.displayName'),
          created: at('systemData.createdAt'),
          by: at('systemData.createdBy'),
        });
      }),
    );
  namedLeaf(job, 'cancel', 'stop a job', 'job cancel job-1a2b3c').action(
    act(async (context, given) => {
      const name = given.name('job');
      await context.settle(`cancelling ${name}`, 'POST', `${context.workspace.job(name)}/cancel`);
      context.show(await context.client.get(context.workspace.job(name)));
    }),
  );
}
