// YAML that strangers have written, as a plain value: no aliases, no tags, bounded in what comes of it. Pure; how long a text may take
// is held where it is read (yaml.service.ts), because a small one can be made to take seconds.

import { parse } from 'yaml';

export type YamlHow = {
  /** Every scalar is a text: `3.10` stays that, and `null` is the word. */
  readonly texts?: boolean;
  /** Of a mapping only these keys, so that what is large and not needed does not count. */
  readonly only?: readonly string[];
};
export type YamlRead = { readonly value: unknown } | { readonly error: string };

/** Far beyond what a conda file of 64 KiB comes to. */
const jsonMax = 256 * 1024;

/** What `readYaml` reads, as JSON: it goes from one thread to another as one text. */
export function yamlToJson(text: string, { texts = false, only }: YamlHow): string {
  try {
    const value: unknown = parse(text, {
      maxAliasCount: 0,
      logLevel: 'silent',
      schema: texts ? 'failsafe' : 'core',
      stringKeys: true,
    });
    const isPicked = only !== undefined && typeof value === 'object' && value !== null && !Array.isArray(value);
    const picked = isPicked ? Object.fromEntries(Object.entries(value).filter(([key]) => only.includes(key))) : value;
    const json = JSON.stringify({ value: picked ?? null } satisfies YamlRead);
    return json.length > jsonMax ? JSON.stringify({ error: 'holds too much' } satisfies YamlRead) : json;
  } catch (thrown) {
    const said = thrown instanceof Error ? (thrown.message.split('\n')[0] ?? '') : '';
    return JSON.stringify({ error: said.slice(0, 300) || 'is not YAML' } satisfies YamlRead);
  }
}

export const yamlFrom = (json: string): YamlRead => JSON.parse(json) as YamlRead; // written above
