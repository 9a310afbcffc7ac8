// What keys and secrets have in common: whose they are, how their vault is spoken to, and how their identifiers are read.

import { vaultAudience, vaultVersion } from '@strongroom/contract/client.paths';
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import type { Given } from '../given.ts';
import { at } from '../output.ts';

export const inVault = (command: Command): Command => command.option('--vault <name>', 'the vault');
export const vaultCall = (context: Context) => ({ audience: vaultAudience(context.url), apiVersion: vaultVersion });
export const collection = (context: Context, given: Given, plural: 'keys' | 'secrets'): string =>
  `${context.vault(given.needed('vault', '--vault NAME'))}/${plural}`;
export const target = (context: Context, given: Given, plural: 'keys' | 'secrets', noun: string): string =>
  `${collection(context, given, plural)}/${encodeURIComponent(given.name(noun))}`;

/** The nth part of an identifier's path: `/keys/NAME/VERSION`. */
export const partOf =
  (field: string, index: number) =>
  (row: object): string | undefined => {
    const id = at(field)(row);
    return typeof id === 'string' && URL.canParse(id) ? new URL(id).pathname.split('/')[index] : undefined;
  };

/** Key vaults count in seconds. */
export const timeOf =
  (path: string) =>
  (row: object): string | undefined => {
    const seconds = at(path)(row);
    return typeof seconds === 'number' ? new Date(seconds * 1000).toISOString() : undefined;
  };
