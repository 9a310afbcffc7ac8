// Reads the settings that it is given from a file, the environment and the command line: every mistake at once, each with what to
// write instead, unknown names refused. The only reader of the environment. Which settings there are is their rooms' to say.

import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { configFailures } from './config.errors.ts';
import { accepts, fromText, type Setting, type SettingList, type Value, variableOf, wantedOf } from './setting.ts';

export type Tree = { readonly [name: string]: unknown };
const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value);

export type ConfigSources = {
  /** Path of a YAML file. */
  readonly file?: string | undefined;
  /** From the command line; they win over the environment, which wins over the file. */
  readonly flags?: Tree;
  readonly environment?: Readonly<Record<string, string | undefined>>;
};

/** Read by the command line, not by the server. */
const reservedVariables = new Set([
  'STRONGROOM_CONFIG',
  'STRONGROOM_HOME',
  'STRONGROOM_URL',
  'STRONGROOM_CA_FILE',
  'STRONGROOM_RUNTIME',
]);

/**
 * @returns a tree with every setting of the lists, and nothing else
 * @throws Failure `invalid` that names every mistake
 */
export function readSettings(lists: readonly SettingList[], sources: ConfigSources): Tree {
  const known = knownOf(lists);
  const mistakes: string[] = [];
  const values = new Map<string, unknown>([...known].map(([path, setting]) => [path, setting.standard]));
  take(readFile(sources.file, mistakes), '');
  for (const [path, value] of fromEnvironment(known, sources.environment ?? process.env, mistakes))
    values.set(path, value);
  take(sources.flags ?? {}, '');

  for (const [path, setting] of known) {
    const value = values.get(path);
    if (!accepts(setting, value)) mistakes.push(`${path} is ${shown(setting, value)}; write ${wantedOf(setting)}`);
  }
  // What belongs together is judged where each is right by itself.
  if (mistakes.length === 0)
    for (const { together } of lists) mistakes.push(...(together?.((path) => values.get(path) as Value) ?? [])); // accepted above
  if (mistakes.length > 0) throw configFailures.InvalidConfiguration(mistakes);
  return treeOf(values);

  function take(tree: Tree, at: string): void {
    for (const [name, value] of Object.entries(tree)) {
      const path = at === '' ? name : `${at}.${name}`;
      const inside = [...known.keys()].filter((one) => one.startsWith(`${path}.`));
      if (known.has(path)) values.set(path, value);
      else if (inside.length > 0 && isTree(value)) take(value, path);
      else if (inside.length > 0)
        mistakes.push(`${path} is a section; write its settings below it: ${inside.join(', ')}`);
      else mistakes.push(`'${name}'${at === '' ? '' : ` in ${at}`} is no setting; the settings are ${beside(at)}`);
    }
  }

  function beside(at: string): string {
    const depth = at === '' ? 1 : at.split('.').length + 1;
    const near = [...known.keys()].filter((path) => at === '' || path.startsWith(`${at}.`));
    return [...new Set(near.map((path) => path.split('.').slice(0, depth).join('.')))].join(', ');
  }
}

/** @throws Error when two rooms declare the same place, or one stands below another */
function knownOf(lists: readonly SettingList[]): ReadonlyMap<string, Setting> {
  const known = new Map<string, Setting>();
  const variables = new Set<string>();
  for (const { settings } of lists)
    for (const [path, setting] of Object.entries(settings)) {
      const variable = variableOf(path);
      if (variables.has(variable) || reservedVariables.has(variable))
        throw new Error(`the setting ${path} is declared twice`);
      variables.add(variable);
      known.set(path, setting);
    }
  for (const path of known.keys())
    for (const other of known.keys())
      if (other.startsWith(`${path}.`)) throw new Error(`the setting ${other} stands below the setting ${path}`);
  return known;
}

function readFile(file: string | undefined, mistakes: string[]): Tree {
  if (file === undefined) return {};
  try {
    const parsed: unknown = parse(readFileSync(file, 'utf8'), { maxAliasCount: 0 });
    if (isTree(parsed)) return parsed;
    if (parsed !== null) mistakes.push(`${file} does not hold a mapping; write settings as 'name: value'`);
  } catch (thrown) {
    mistakes.push(
      `${file} cannot be read: ${thrown instanceof Error ? thrown.message.split('\n')[0] : 'unknown reason'}`,
    );
  }
  return {};
}

function fromEnvironment(
  known: ReadonlyMap<string, Setting>,
  environment: Readonly<Record<string, string | undefined>>,
  mistakes: string[],
): ReadonlyMap<string, unknown> {
  const byVariable = new Map([...known].map(([path, setting]) => [variableOf(path), { path, setting }]));
  const found = new Map<string, unknown>();
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith('STRONGROOM_') || text === undefined || reservedVariables.has(variable)) continue;
    const one = byVariable.get(variable);
    if (one) found.set(one.path, fromText(one.setting, text));
    else mistakes.push(`${variable} is no setting; the settings are ${[...byVariable.keys()].join(', ')}`);
  }
  return found;
}

const shownMax = 64;

/** What was written, short, on one line; of what names a file with a secret nothing, because the secret itself may stand there. */
function shown(setting: Setting, value: unknown): string {
  if (setting.kind === 'file' && setting.holdsSecret) return 'no path';
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > shownMax ? `${text.slice(0, shownMax)}…` : text;
}

/** Of known places only, so that no name from outside becomes one of an object. */
function treeOf(values: ReadonlyMap<string, unknown>): Tree {
  const root: Record<string, unknown> = {};
  for (const [path, value] of values) {
    const steps = path.split('.');
    let at = root;
    for (const step of steps.slice(0, -1)) {
      at[step] ??= {};
      at = at[step] as Record<string, unknown>; // made a line above: no setting stands below another
    }
    at[steps.at(-1) ?? ''] = value;
  }
  return root;
}
