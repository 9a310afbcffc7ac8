// How a command is declared: what it is like, its options, its example, and what it does with a context. One way for all, so that
// every command has help with an example, takes what it reads and nothing else, and answers mistakes in the same words.

import { ServiceError } from '@strongroom/contract/client';
import type { Command } from 'commander';
import { type Context, openContext } from './context.ts';
import { UsageError } from './exit.ts';
import { describeTraits, type Options, readerOf, type Traits } from './options.ts';
import type { Shell } from './shell.ts';

export type Given = {
  /** As it stands on the line; what is remembered beside it, the context knows. */
  text(name: string): string | undefined;
  /** `flag` is how the option is written, for the message. */
  needed(name: string, flag: string): string;
  texts(name: string): readonly string[];
  flag(name: string): boolean;
  whole(name: string, flag: string): number | undefined;
  /** The positional name, or `--name`. */
  name(what: string): string;
  /** The same, where there may be none. */
  readonly nameIfAny: string | undefined;
  readonly argument: string | undefined;
  readonly arguments: readonly string[];
};
/** A handler answers the exit code where it is not 0. */
export type Act = (handler: (context: Context, given: Given) => unknown) => (...parameters: unknown[]) => Promise<void>;

/** How often something that is watched is looked at. */
const watchMs = 2000;

/**
 * Turns a handler into what commander calls: the last parameter is the command.
 * @param over is told the exit code, and which options were looked at
 */
export function actIn(shell: Shell, over: (code: number, options: Options) => void): Act {
  return (handler) =>
    async (...parameters) => {
      const options = readerOf(parameters.at(-1) as Command); // commander's calling convention
      let code = 0;
      try {
        const context = await openContext(options, shell);
        try {
          for (;;) {
            const answered = await handler(context, givenBy(options));
            code = typeof answered === 'number' ? answered : 0;
            if (!context.watches) break;
            await shell.sleep(watchMs);
          }
        } catch (thrown) {
          throw thrown instanceof ServiceError
            ? await (await import('./missing.ts')).explained(context, thrown)
            : thrown;
        } finally {
          context.close();
        }
      } finally {
        over(code, options);
      }
    };
}

function givenBy(options: Options): Given {
  const { text, path } = options;
  const [argument] = options.arguments;
  const nameIfAny = (): string | undefined => {
    const name = text('name');
    if (argument !== undefined && name !== undefined && argument !== name)
      throw new UsageError(`Two names are given: '${argument}' and '${name}'.`);
    return argument ?? name;
  };
  return {
    text,
    needed(name, flag) {
      const value = text(name);
      if (value === undefined) throw new UsageError(`Give ${flag}. 'strongroom ${path} --help' shows an example.`);
      return value;
    },
    texts(name) {
      const value = options.read(name);
      return Array.isArray(value) ? (value as string[]) : []; // `repeated` collects strings
    },
    flag: options.flag,
    whole(name, flag) {
      const value = text(name);
      if (value === undefined) return undefined;
      if (!/^\d{1,9}$/.test(value)) throw new UsageError(`${flag} takes a whole number, not '${value}'.`);
      return Number(value);
    },
    name(what) {
      const value = nameIfAny();
      if (value === undefined || value === '') throw new UsageError(`Which ${what}? 'strongroom ${path} NAME'.`);
      return value;
    },
    get nameIfAny() {
      return nameIfAny();
    },
    argument,
    arguments: options.arguments,
  };
}

/** A command with its example, which is what people read first. */
export function leaf(parent: Command, name: string, traits: Traits, description: string, example: string): Command {
  const command = parent
    .command(name)
    .description(description)
    .addHelpText('after', `\nExample:\n  strongroom ${example}`);
  describeTraits(command, traits);
  return command;
}

/** The same, for one named thing. */
export const namedLeaf = (
  parent: Command,
  name: string,
  traits: Traits,
  description: string,
  example: string,
): Command =>
  leaf(parent, name, traits, description, example)
    .argument('[name]', 'its name')
    .option('-n, --name <name>', 'its name');

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
