// Components: commands, functions over parts of an input and pipelines with named inputs and outputs, from files in Azure ML's v2
// schema.

import type { Command } from 'commander';
import { readDocument } from '../document.reader.ts';
import { componentOfFile } from '../documents/pipeline.ts';
import { defined } from '../documents/references.ts';
import { type Act, namedLeaf, repeated } from '../given.ts';
import { changing } from '../options.ts';
import { nextVersion, sourcesOf } from '../work.ts';
import { versionCommands } from './assets.ts';

export function componentCommands(component: Command, act: Act): void {
  namedLeaf(
    component,
    'create',
    changing('workspace'),
    'register a component from a YAML file',
    'component create -f train.yml',
  )
    .requiredOption('-f, --file <file>', 'the component, in the schema of command, parallel and pipeline components')
    .option('--set <path=value>', 'change a field of the file (several times)', repeated)
    .option('-v, --version <version>', 'its version (that of the file, or the next one)')
    .option('--allow-credentials', 'send the code although something in it looks like a credential')
    .action(
      act(async (context, given) => {
        const { client, workspace: paths } = context;
        const document = await readDocument(given.needed('file', '-f FILE'), given.texts('set'));
        const options = { allowCredentials: given.flag('allowCredentials') };
        const sources = sourcesOf(client, paths, options);
        const specOf = await componentOfFile({ document, paths, sources });
        const textOf = (field: string) =>
          document.fields[field] === undefined ? undefined : String(document.fields[field]);
        const name = given.nameIfAny ?? textOf('name') ?? given.name('component');
        const version =
          given.text('version') ?? textOf('version') ?? (await nextVersion(client, paths, 'components', name));
        const made = await context.progress(`registering ${name}:${version}`, async (told) => {
          const componentSpec = { ...(await specOf(sourcesOf(client, paths, { ...options, told }))), name, version };
          const { description, tags } = componentSpec as { readonly description?: string; readonly tags?: object };
          const body = { properties: { componentSpec, ...defined({ description, tags }) } };
          return (await client.settle('PUT', paths.assetVersion('components', name, version), { body })).value;
        });
        context.done(`component '${name}:${version}'`, 'registered', made);
      }),
    );
  versionCommands(component, act, {
    plural: 'components',
    noun: 'component',
    called: 'a component',
    what: { type: 'properties.componentSpec.type' },
  });
}
