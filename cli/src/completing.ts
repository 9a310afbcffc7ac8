// Completion for the shells that people have: one script each, made from the tree of commands, which needs no program to run while
// somebody types. It knows commands, options, choices, and where a file belongs.

import type { Command, Option } from 'commander';
import { UsageError } from './exit.ts';

export const shells = ['bash', 'zsh', 'fish'] as const;

type Node = {
  readonly path: string;
  readonly description: string;
  readonly words: readonly (readonly [word: string, description: string])[];
  readonly options: readonly Option[];
};

const helpOption = ['--help', 'show what there is'] as const;

function nodesOf(command: Command, path = ''): readonly Node[] {
  const below = command.commands.filter((each) => each.name() !== 'help');
  return [
    {
      path,
      description: command.description(),
      words: below.map((each) => [each.name(), each.description()] as const),
      options: command.options,
    },
    ...below.flatMap((each) => nodesOf(each, `${path} ${each.name()}`.trim())),
  ];
}

const takesValue = (option: Option) => option.required || option.optional;
const takesFile = (option: Option) => /<(file|folder)>/.test(option.flags) || option.long === '--path';
const flagsOf = (option: Option) => [option.long, option.short].filter((flag) => flag !== undefined);

/** @throws UsageError for a shell that is not known */
export function completionScript(program: Command, shell: string): string {
  const known = shells.find((each) => each === shell);
  if (known === undefined)
    throw new UsageError(`'${shell}' is no shell that is known. There are: ${shells.join(', ')}.`);
  const nodes = nodesOf(program);
  return { bash, zsh, fish }[known](nodes);
}

// Bash and zsh share what is decided: the path of words so far, then the words that may follow it, or the values of the option before.

/** `path) words="…" ;;` for each command. */
function cases(nodes: readonly Node[], wordsOf: (node: Node) => string): string {
  return nodes.map((node) => `    '${node.path}') ${wordsOf(node)} ;;`).join('\n');
}

const isNode = (nodes: readonly Node[]) =>
  nodes
    .filter(({ path }) => path !== '')
    .map(({ path }) => `'${path}'`)
    .join('|');

/** What stands behind an option, by the option alone: the same option means the same everywhere, or takes no completion. */
function values(nodes: readonly Node[]) {
  const options = nodes.flatMap((node) => node.options);
  const flags = (chosen: readonly Option[]) => [...new Set(chosen.flatMap(flagsOf))].sort();
  const choices = new Map<string, readonly string[]>();
  for (const option of options)
    if (option.argChoices) for (const flag of flagsOf(option)) choices.set(flag, option.argChoices);
  const files = flags(options.filter(takesFile)).filter((flag) => !choices.has(flag));
  const others = flags(options.filter(takesValue)).filter((flag) => !choices.has(flag) && !files.includes(flag));
  return { choices: [...choices], files, others };
}

const optionWords = ({ options }: Node) => [...options.flatMap((option) => option.long ?? []), helpOption[0]];

function bash(nodes: readonly Node[]): string {
  const { choices, files, others } = values(nodes);
  return `# Completion of strongroom for bash: source <(strongroom completion bash)
_strongroom() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} path='' word words=''
  local index
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${path:+$path }\${COMP_WORDS[index]}"
    case "$word" in
    ${isNode(nodes)}) path=$word ;;
    *) break ;;
    esac
  done
  case "$previous" in
${choices.map(([flag, chosen]) => `    ${flag}) COMPREPLY=($(compgen -W '${chosen.join(' ')}' -- "$current")); return ;;`).join('\n')}
    ${files.join('|')}) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return ;;
    ${others.join('|')}) return ;;
  esac
  case "$path" in
${cases(nodes, (node) => `words='${(node.words.length > 0 ? node.words.map(([word]) => word) : optionWords(node)).join(' ')}'`)}
  esac
  if [[ $current == -* ]]; then
    case "$path" in
${cases(nodes, (node) => `words='${optionWords(node).join(' ')}'`)}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _strongroom strongroom
`;
}

/** For a word of zsh's _describe or of fish, where a colon and a quote mean something. */
const quoted = (text: string) => text.replaceAll("'", '’').replaceAll(':', '\\:');

function zsh(nodes: readonly Node[]): string {
  const { choices, files, others } = values(nodes);
  const described = (node: Node) =>
    node.words.map(([word, description]) => `'${word}:${quoted(description)}'`).join(' ');
  const options = (node: Node) =>
    [
      ...node.options.flatMap((option) =>
        option.long === undefined ? [] : [[option.long, option.description] as const],
      ),
      helpOption,
    ]
      .map(([word, description]) => `'${word}:${quoted(description)}'`)
      .join(' ');
  return `#compdef strongroom
# Completion of strongroom for zsh: source <(strongroom completion zsh)
_strongroom() {
  local current=\${words[CURRENT]} previous=\${words[CURRENT-1]} at='' word
  local -a found
  local index
  for ((index = 2; index < CURRENT; index++)); do
    word="\${at:+$at }\${words[index]}"
    case "$word" in
    ${isNode(nodes)}) at=$word ;;
    *) break ;;
    esac
  done
  case "$previous" in
${choices.map(([flag, chosen]) => `    ${flag}) compadd -- ${chosen.join(' ')}; return ;;`).join('\n')}
    ${files.join('|')}) _files; return ;;
    ${others.join('|')}) return ;;
  esac
  if [[ $current != -* ]]; then
    case "$at" in
${cases(
  nodes.filter(({ words }) => words.length > 0),
  (node) => `found=(${described(node)})`,
)}
    esac
  fi
  if (( \${#found} == 0 )); then
    case "$at" in
${cases(nodes, (node) => `found=(${options(node)})`)}
    esac
  fi
  _describe 'strongroom' found
}
compdef _strongroom strongroom
`;
}

function fish(nodes: readonly Node[]): string {
  const text = (value: string) => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = nodes.flatMap(({ path, words, options }) => {
    const when = `-n ${text(`__strongroom_at ${path === '' ? "''" : `'${path}'`}`)}`;
    return [
      ...words.map(
        ([word, description]) => `complete -c strongroom -f ${when} -a ${text(word)} -d ${text(description)}`,
      ),
      ...options.flatMap((option) => {
        if (option.long === undefined) return [];
        const short = option.short === undefined ? '' : ` -s ${option.short.slice(1)}`;
        const value = option.argChoices
          ? ` -x -a ${text(option.argChoices.join(' '))}`
          : takesFile(option)
            ? ' -r -F'
            : takesValue(option)
              ? ' -x'
              : '';
        return [
          `complete -c strongroom${takesFile(option) ? '' : ' -f'} ${when} -l ${option.long.slice(2)}${short}${value} -d ${text(option.description)}`,
        ];
      }),
    ];
  });
  return `# Completion of strongroom for fish: strongroom completion fish | source
function __strongroom_at
    set -l at
    for word in (commandline -opc)[2..-1]
        if contains -- (string join ' ' -- $at $word) ${nodes
          .filter(({ path }) => path !== '')
          .map(({ path }) => text(path))
          .join(' ')}
            set at $at $word
        else
            break
        end
    end
    test "$at" = "$argv[1]"
end
complete -c strongroom -f
${lines.join('\n')}
`;
}
