// Environments: images that jobs and deployments run in, and packages that are put on the node's own Python.

import type { Command } from 'commander';
import { curatedSets } from '../curated.data.ts';
import { defined, environmentFields } from '../documents/references.ts';
import { exitCodes, UsageError } from '../exit.ts';
import { type Act, leaf, repeated } from '../given.ts';
import { changing } from '../options.ts';
import { environmentContent, sendSnapshot } from '../work.ts';
import { assetCommands } from './assets.ts';

export function environmentCommands(environment: Command, act: Act): void {
  assetCommands(environment, act, {
    plural: 'environments',
    noun: 'environment',
    called: 'an environment',
    what: { image: 'properties.image' },
    create: {
      example: 'environment create scoring --image scoring-base:1',
      options: (command) =>
        command.option('--image <image>', "repository and tag or digest in the workspace's registry"),
      fields: environmentFields,
      properties(given, file) {
        const image = given.text('image');
        if (image !== undefined && file?.context !== undefined)
          throw new UsageError('--image stands beside a file that says build. An environment is made of one of them.');
        return async ({ client, workspace }) => ({
          osType: 'Linux',
          ...(await environmentContent(
            file?.properties ?? {},
            file?.context,
            async (place) => (await sendSnapshot(client, workspace, place)).uri,
          )),
          ...defined({ image }),
        });
      },
    },
  });

  leaf(
    environment,
    'curate',
    changing('workspace'),
    "build what stands for Azure's curated environments, and print the setting that lets it",
    'environment curate -w curated --only sklearn-1.5',
  )
    .option('--only <set>', `of ${curatedSets.map(({ name }) => name).join(', ')} (several times; all)`, repeated)
    .option('--python <version>', 'of the Pythons that the nodes have (several times; all)', repeated)
    .option('--config <file>', 'put it into this configuration file of the server; what else stands there stays')
    .action(
      act(async (context, given) => {
        const { curate, mapOf, writeMap } = await import('../curating.ts');
        const [only, asked, file] = [given.texts('only'), given.texts('python'), given.text('config')];
        const unknown = only.find((name) => !curatedSets.some((set) => set.name === name));
        if (unknown !== undefined)
          throw new UsageError(`--only is one of ${curatedSets.map(({ name }) => name).join(', ')}, not '${unknown}'.`);
        const offered = (await context.client.list(context.workspace.pythons)).map((row) => String(row['version']));
        const missing = asked.find((version) => !offered.includes(version));
        if (missing !== undefined)
          throw new UsageError(
            `--python is one of those that the nodes have, ${offered.join(', ')}, not '${missing}'.`,
          );
        const pythons = offered.filter((version) => asked.length === 0 || asked.includes(version));
        const sets = curatedSets.filter(({ name }) => only.length === 0 || only.includes(name));
        const wanted = sets.flatMap((set) => {
          const known = pythons.filter((version) => set.pythons[version] !== undefined);
          if (known.length === 0)
            context.note(
              `${set.name} is for Python ${Object.keys(set.pythons).join(', ')}, and of those there is none.`,
            );
          return known.map((python) => ({ set, python }));
        });
        const done = await context.progress('building', async (update) =>
          curate(context, wanted, (line) => {
            update(line);
            context.note(line);
          }),
        );
        const images = mapOf(done);
        for (const { needs, name } of sets)
          if (needs !== undefined && done.some(({ set, error }) => set.name === name && error !== undefined))
            context.note(
              `${name}: ${needs.because}. Set ${needs.setting} to [${needs.values.join(', ')}], restart the server, and run this again.`,
            );
        const rows = done.map(({ set, python, environment, id, job, error }) => ({
          set: set.name,
          python,
          environment,
          id,
          job,
          error: error ?? null,
        }));
        if (context.forProgram) context.show({ environments: rows, images });
        else if (file === undefined)
          context.shell.out(
            `environments:\n  images:\n${images.map((line) => `    - ${JSON.stringify(line)}\n`).join('')}`,
          );
        if (file !== undefined) {
          for (const line of writeMap(file, images)) context.note(`left as it stands in ${file}: ${line}`);
          context.note(`The map is in ${file}. It counts when the server is started again.`);
        }
        return done.length > 0 && done.every(({ error }) => error === undefined) ? exitCodes.ok : exitCodes.failed;
      }),
    );
}
