// Jobs, from files in Azure ML's v2 schema.

import { randomBytes } from 'node:crypto';
import type { JsonObject } from '@strongroom/contract/client';
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { readDocument } from '../document.reader.ts';
import { jobBody } from '../documents/job.ts';
import { downloadArtifacts } from '../downloading.ts';
import { exitCodes } from '../exit.ts';
import { type Act, leaf, namedLeaf, repeated } from '../given.ts';
import { changing, listing, looking, making } from '../options.ts';
import { at, plain } from '../output.ts';
import { nameOf, readPrincipals, showNamed } from '../principals.ts';
import { finalStatuses, followLog, propertiesOf, sourcesOf, waitForJob } from '../work.ts';

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

export function jobCommands(job: Command, act: Act): void {
  leaf(
    job,
    'create',
    changing('workspace'),
    'submit a job from a YAML file',
    'job create -f job.yml --set inputs.epochs=10 --stream',
  )
    .requiredOption('-f, --file <file>', 'the job, in the schema of command, sweep and pipeline jobs')
    .option('-n, --name <name>', 'its name; made up if it has none')
    .option('--set <path=value>', 'change a field of the file (several times)', repeated)
    .option('--stream', 'follow its log to the end; the exit code is 0 only if it completes')
    .option('--allow-credentials', 'send the code although something in it looks like a credential')
    .action(
      act(async (context, given) => {
        const { client, workspace } = context;
        const allowCredentials = given.flag('allowCredentials');
        const document = await readDocument(given.needed('file', '-f FILE'), given.texts('set'));
        const made = await context.progress('submitting', async (told) => {
          const { name, body } = await jobBody(
            document,
            workspace,
            sourcesOf(client, workspace, { allowCredentials, told }),
          );
          const chosen = given.text('name') ?? name ?? `job-${randomBytes(6).toString('hex')}`;
          return (await client.settle('PUT', workspace.job(chosen), { body })).value;
        });
        const name = String(made['name']);
        if (!given.flag('stream'))
          return context.done(`job '${name}'`, 'submitted', made, `'strongroom job stream ${name}' follows it`);
        context.note(`The job '${name}' is submitted.`);
        const { job: ended, code } = await stream(context, name);
        // Its end was just said; the whole of it is for programs.
        if (context.forProgram) context.show(ended);
        return code;
      }),
    );
  namedLeaf(job, 'show', looking('workspace'), 'show a job', 'job show job-1a2b3c --watch').action(
    act(async (context, given) => {
      const found = await context.client.get(context.workspace.job(given.name('job')));
      await showNamed(context, found);
      // What has ended changes no more.
      if (finalStatuses.has(String(propertiesOf(found)['status']))) context.stopWatching();
    }),
  );
  namedLeaf(
    job,
    'stream',
    { at: 'workspace' },
    "follow a job's log to the end; the exit code is 0 only if it completes",
    'job stream job-1a2b3c',
  ).action(act(async (context, given) => (await stream(context, given.name('job'))).code));
  leaf(job, 'list', listing('workspace'), 'list the jobs of a workspace', 'job list --max-results 20')
    .option('--max-results <count>', 'at most so many')
    .option('--tag <tag>', 'only those with this tag')
    .option('--parent <job>', 'those that belong to this job, which are not listed otherwise')
    .action(
      act(async (context, given) => {
        const max = given.whole('maxResults', '--max-results');
        const jobs = await context.client.list(context.workspace.jobs, {
          query: { tag: given.text('tag'), parentJobName: given.text('parent') },
          ...(max === undefined ? {} : { max }),
        });
        const by = at('systemData.createdBy');
        const people = await readPrincipals(context, context.printsColumns ? jobs.map(by) : []);
        context.list(
          jobs,
          {
            name: at('name'),
            status: at('properties.status'),
            experiment: at('properties.experimentName'),
            'display name': at('properties.displayName'),
            created: at('systemData.createdAt'),
            by: (row) => nameOf(people, by(row)),
          },
          { more: { compute: at('properties.computeId'), id: at('id') } },
        );
      }),
    );
  namedLeaf(
    job,
    'download',
    changing('workspace'),
    'fetch the files that a job left, or one of its outputs',
    'job download job-1a2b3c --output-name result --download-path ./result',
  )
    .option('--output-name <name>', 'only the files of this output (all files of the job)')
    .option('-p, --download-path <folder>', "where to put them (a folder of the job's name); nothing is written over")
    .action(
      act(async (context, given) => {
        const name = given.name('job');
        const outputName = given.text('outputName');
        const folder = given.text('downloadPath') ?? name;
        const fetched = await context.progress(`fetching ${name}`, (told) =>
          downloadArtifacts(context.client, context.workspace, { job: name, outputName, folder, told }),
        );
        context.say(`${fetched.files} files of the job '${name}' are in ${folder}.`, fetched);
      }),
    );
  namedLeaf(job, 'cancel', making('workspace'), 'stop a job', 'job cancel job-1a2b3c').action(
    act(async (context, given) => {
      const name = given.name('job');
      const path = context.workspace.job(name);
      await context.settle(`stopping ${name}`, 'POST', `${path}/cancel`);
      context.done(`job '${name}'`, 'stopped', await context.client.get(path));
    }),
  );
}
