// The options that many commands share. A command says what it is like (where it works, whether it prints, asks, waits), and
// from that gets the options that it reads, and no others: an option that is shown and not read is a promise that nobody keeps.
// Reading one that was not declared is a defect and throws; that each declared one is read is what the sweep in
// `options.test.ts` shows.

import { type Command, Option } from 'commander';
import { UsageError } from './exit.ts';
import { formats } from './presenting.ts';

/** How far down the paths of a command reach, which decides what it has to be told. */
export type Place = 'nowhere' | 'server' | 'subscription' | 'group' | 'workspace';
export type Traits = {
  readonly at: Place;
  /** Prints a result: `--output`, `--query`. */
  readonly prints?: true;
  /** Asks before something is lost: `--yes`. */
  readonly asks?: true;
  /** Follows an operation to its end: `--no-wait`. */
  readonly waits?: true;
  /** Prints a table: `--wide`. */
  readonly lists?: true;
  /** Can be run again whenever something has changed: `--watch`. */
  readonly watches?: true;
};

/** Looks and changes nothing. */
export const looking = (at: Place): Traits => ({ at, prints: true, watches: true });
export const listing = (at: Place): Traits => ({ ...looking(at), lists: true });
/** Answers what it made or changed. */
export const changing = (at: Place): Traits => ({ at, prints: true });
/** The same, where the service takes its time. */
export const making = (at: Place): Traits => ({ at, prints: true, waits: true });
export const removing = (at: Place): Traits => ({ at, asks: true, waits: true });

const heading = 'Common options:';
const places: readonly Place[] = ['nowhere', 'server', 'subscription', 'group', 'workspace'];

function commonOptions({ at, prints, asks, waits, lists, watches }: Traits): readonly Option[] {
  const reaches = (place: Place) => places.indexOf(at) >= places.indexOf(place);
  return [
    ...(reaches('workspace') ? [new Option('-w, --workspace <name>', 'the workspace')] : []),
    ...(reaches('group') ? [new Option('-g, --resource-group <name>', 'the resource group')] : []),
    ...(reaches('subscription') ? [new Option('--subscription <id>', 'the subscription')] : []),
    ...(reaches('server')
      ? [
          new Option('--url <address>', 'the server (https://localhost:8443)'),
          new Option('--ca-file <file>', 'the certificate authority of the server, in PEM'),
        ]
      : []),
    ...(prints
      ? [
          new Option('-o, --output <format>', 'how the result is printed (table)').choices([...formats]),
          new Option('--query <expression>', 'print only this part of the result, in JMESPath'),
        ]
      : []),
    ...(lists ? [new Option('--wide', 'nothing cut, and all columns')] : []),
    ...(watches ? [new Option('--watch', 'print it again whenever it has changed, until interrupted')] : []),
    ...(waits ? [new Option('--no-wait', 'do not wait for its end')] : []),
    ...(asks ? [new Option('-y, --yes', 'do not ask before something is lost')] : []),
    new Option('--verbose', 'say what is sent, and where a failure came from'),
  ];
}

const traitsOf = new WeakMap<Command, Traits>();

/** Remembers what a command is like; its own options come first, so the shared ones are added once it is declared. */
export function describeTraits(command: Command, traits: Traits): void {
  traitsOf.set(command, traits);
}

/** Adds the shared options. @throws Error for a command that does something and has not said what it is like */
export function addCommonOptions(command: Command): void {
  if (command.commands.length > 0 || command.parent === null) return;
  const traits = traitsOf.get(command);
  if (traits === undefined) throw new Error(`defect: ${pathOf(command)} has not said where it works`);
  for (const option of commonOptions(traits)) command.addOption(option.helpGroup(heading));
}

/** The options of one run of a command: what was given on its line, and which of them were looked at. */
export type Options = ReturnType<typeof readerOf>;

export function readerOf(command: Command) {
  const values = command.opts<Record<string, unknown>>();
  const declared = new Map(command.options.map((option) => [option.attributeName(), option]));
  const looked = new Set<string>();
  const peek = (name: string): unknown => {
    if (!declared.has(name)) throw new Error(`defect: ${pathOf(command)} reads '${name}', which it does not declare`);
    return values[name];
  };
  const read = (name: string): unknown => {
    const value = peek(name);
    looked.add(name);
    return value;
  };
  return {
    path: pathOf(command),
    looked: looked as ReadonlySet<string>,
    has: (name: string) => declared.has(name),
    /** Before it is known whether it matters: does not count as having been looked at. */
    peek: (name: string): unknown => (declared.has(name) ? peek(name) : undefined),
    read,
    text(name: string): string | undefined {
      const value = read(name);
      if (value === '') throw new UsageError(`${declared.get(name)?.long} is given without a value.`);
      return typeof value === 'string' ? value : undefined;
    },
    flag: (name: string) => read(name) === true,
    arguments: command.args as readonly string[],
  };
}

export function pathOf(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at?.parent; at = at.parent) names.unshift(at.name());
  return names.join(' ');
}
