// The page about every command, made from what the commands say of themselves: docs/cli.md.

import type { Command, Option } from 'commander';
import { exitCodesInWords } from './exit.ts';
import { pathOf } from './options.ts';
import { everyCommand } from './program.ts';

const introduction = `# The command line

\`bin/strongroom\` starts the server and is a client of it like any other. This page is printed from the commands themselves
by \`npm run pages\`; \`strongroom COMMAND --help\` says the same.

\`\`\`
strongroom login --bootstrap-file bootstrap.json        # or: login --url https://ml.example.org:8443 --ca-fingerprint sha256:…
strongroom config set resource-group team               # remembered, so that -g and -w need not be said
strongroom config set workspace research
source <(strongroom completion bash)                    # or zsh; fish: strongroom completion fish | source
\`\`\`

- **Results** are on standard output, all else on standard error. \`-o table|json|yaml|tsv|none\` prints them; \`--query\` takes a part of them, in
  [JMESPath](https://jmespath.org): \`job list --query "[?properties.status=='Failed'].name" -o tsv\`. Whatever makes something prints one line, and the whole of it with \`-o json\`.
- **Exit codes**: ${exitCodesInWords}.
- **Roles** are given, taken and explained where \`--scope\` says, or where \`-g\` and \`-w\` say, given or remembered. A group that is named stands for itself,
  whatever workspace is remembered. Nothing is done to the whole subscription before \`--subscription-wide\` says so.
- **Files** are in the schema of Azure ML's v2 command line. A field that is not known here is refused with its line, not left out. \`azureml:NAME@latest\`, and models and
  environments that are described in place, are read; what Azure has and Strongroom does not serve is refused by name ([divergences](compat/divergences.md)).
- A command shows the options that it reads, and takes no others.
- **Environment**: \`STRONGROOM_URL\`, \`STRONGROOM_CA_FILE\`, and \`STRONGROOM_HOME\` for the folder of the session and what is remembered.
`;

const escaped = (text: string) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
const optionLine = (option: Option) =>
  `| \`${option.flags.replaceAll('|', '\\|')}\` | ${escaped(option.description)}${option.argChoices ? `: ${option.argChoices.join(', ')}` : ''}${option.mandatory ? ' (needed)' : ''} |`;

/** Options that many commands share are told once, at the end; each command names which it takes. */
const isShared = (option: Option) => option.helpGroupHeading !== undefined;

export function referenceOf(program: Command): string {
  const leaves = everyCommand(program).filter((command) => command.parent !== null && command.commands.length === 0);
  const shared = new Map<string, Option>();
  const sections: string[] = [];
  let noun = '';
  for (const command of leaves) {
    const path = pathOf(command);
    const [first = ''] = path.split(' ');
    const top = program.commands.find((each) => each.name() === first);
    if (first !== noun && top !== undefined && top.commands.length > 0)
      sections.push(`## ${first}\n\n${sentence(top.description())}\n`);
    noun = first;
    const own = command.options.filter((option) => !isShared(option));
    for (const option of command.options.filter(isShared)) shared.set(option.flags, option);
    const also = command.options.filter(isShared).map((option) => `\`${option.short ?? option.long}\``);
    sections.push(
      [
        `### ${path}`,
        '',
        sentence(command.description()),
        '',
        ...(own.length === 0 ? [] : ['| option | |', '|---|---|', ...own.map(optionLine), '']),
        ...(also.length === 0 ? [] : [`Also: ${also.join(' ')}`, '']),
      ].join('\n'),
    );
  }
  const common = [
    '## Options that many share',
    '',
    '| option | |',
    '|---|---|',
    ...[...shared.values()].map(optionLine),
    '',
  ];
  return `${introduction}\n${sections.join('\n')}\n${common.join('\n')}`;
}

const sentence = (text: string) => escaped(`${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`);
