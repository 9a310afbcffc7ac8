// How a command is declared: its options, its example, and what it does with a context. One way for all, so that every command
// has help with an example and answers mistakes in the same words.

import type { Command } from 'commander';
import { type Context, openContext } from './context.ts';
import { UsageError } from './exit.ts';
import type { Shell } from './shell.ts';

export type Given = {
  text(name: string): string | undefined;
  /** `flag` is how the option is written, for the message. */
  needed(name: string, flag: string): string;
  texts(name: string): readonly string[];
  flag(name: string): boolean;
  /** Whether it stands on the line itself: of the options that every command has, which may be remembered as well. */
  isOnLine(name: string): boolean;
  whole(name: string, flag: string): number | undefined;
  /** The positional name, or `--name`. */
  name(what: string): string;
  readonly argument: string | undefined;
  readonly arguments: readonly string[];
};
/** A handler answers the exit code where it is not 0. */
export type Act = (handler: (context: Context, given: Given) => unknown) => (...parameters: unknown[]) => Promise<void>;

/** Turns a handler into what commander calls: the last parameter is the command. */
export function actIn(shell: Shell, ended: (code: number) => void): Act {
  return (handler) =>
    async (...parameters) => {
      const command = parameters.at(-1) as Command; // commander's calling convention
      const context = openContext(command, shell);
      try {
        const code = await handler(context, givenBy(command));
        ended(typeof code === 'number' ? code : 0);
      } finally {
        context.close();
      }
    };
}

function givenBy(command: Command): Given {
  const options = command.opts<Record<string, unknown>>();
  const text = (name: string) => (typeof options[name] === 'string' ? options[name] : undefined);
  const [argument] = command.args;
  return {
    text,
    needed(name, flag) {
      const value = text(name);
      if (value === undefined || value === '')
        throw new UsageError(`Give ${flag}. 'strongroom ${pathOf(command)} --help' shows an example.`);
      return value;
    },
    texts: (name) => (Array.isArray(options[name]) ? (options[name] as string[]) : []),
    flag: (name) => options[name] === true,
    isOnLine: (name) => command.getOptionValueSourceWithGlobals(name) === 'cli',
    whole(name, flag) {
      const value = text(name);
      if (value === undefined) return undefined;
      if (!/^\d{1,9}$/.test(value)) throw new UsageError(`${flag} takes a whole number, not '${value}'.`);
      return Number(value);
    },
    name(what) {
      const name = text('name');
      if (argument !== undefined && name !== undefined && argument !== name)
        throw new UsageError(`Two names are given: '${argument}' and '${name}'.`);
      const value = argument ?? name;
      if (value === undefined || value === '')
        throw new UsageError(`Which ${what}? 'strongroom ${pathOf(command)} NAME'.`);
      return value;
    },
    argument,
    arguments: command.args,
  };
}

function pathOf(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at?.parent; at = at.parent) names.unshift(at.name());
  return names.join(' ');
}

/** A command with its example, which is what people read first. */
export const leaf = (parent: Command, name: string, description: string, example: string): Command =>
  parent.command(name).description(description).addHelpText('after', `\nExample:\n  strongroom ${example}`);

/** The same, for one named thing. */
export const namedLeaf = (parent: Command, name: string, description: string, example: string): Command =>
  leaf(parent, name, description, example).argument('[name]', 'its name').option('-n, --name <name>', 'its name');

/** For options that may be given several times. */
export const repeated = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** `key=value` options as an object. */
export function pairs(texts: readonly string[], flag: string): Readonly<Record<string, string>> | undefined {
  if (texts.length === 0) return undefined;
  return Object.fromEntries(
    texts.map((text): [string, string] => {
      const at = text.indexOf('=');
      if (at < 1) throw new UsageError(`${flag} takes key=value, not '${text}'.`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}
