// What resources of Azure have and ours do not serve, as a page for users: out of the kinds' own lists, so that it is true.

import {
  envelopeRefusals,
  keptSkuBecause,
  type Refusal,
  type ResourceKind,
} from '../../server/src/modules/resources/index.ts';

export const propertiesFile = 'properties.md';

const head = `# Properties that are not served

Written by \`npm run pages\` out of the resource kinds. What Azure's resources have and Strongroom's do not serve goes one of three ways:

- **refused**: 400 \`PropertyNotServed\` with the reason. What asks for nothing (null, an empty text, list or object) and the values named here pass.
- **kept**: stored and shown as it was sent, without effect; the answer says so in \`strongroom.withoutEffect\`.
- **ignored**: taken and forgotten.

A property that is neither served nor named here is refused as unknown, with the name that was probably meant.

## Every resource

`;

const cell = (text: string) => text.replaceAll('|', '\\|');
const code = (value: unknown) => `\`${JSON.stringify(value)}\``;

function refusalRow(name: string, rule: Refusal): string {
  const passes = [...('always' in rule ? [rule.always] : []), ...(rule.harmless ?? [])];
  const shown = 'always' in rule ? ` Always ${code(rule.always)}.` : '';
  const passing = passes.length === 0 ? '' : ` Passes: ${passes.map(code).join(', ')}.`;
  return `| \`${name}\` | refused | ${cell(`${rule.because} ${rule.instead}${shown}${passing}`)} |`;
}

const table = (rows: readonly string[]) => ['| property | | |', '|---|---|---|', ...rows].join('\n');

function rowsOf({ unserved, envelope = {} }: ResourceKind): readonly string[] {
  const row = (name: string, way: string, why: string) => `| \`${name}\` | ${way} | ${cell(why)} |`;
  return [
    ...Object.entries(envelope).map(([name, rule]) => refusalRow(name, rule)),
    ...Object.entries(unserved.refused).map(([name, rule]) => refusalRow(`properties.${name}`, rule)),
    ...Object.entries(unserved.kept).map(([name, { because }]) => row(`properties.${name}`, 'kept', because)),
    ...Object.entries(unserved.ignored).map(([name, why]) => row(`properties.${name}`, 'ignored', why)),
  ];
}

export function propertiesOf(kinds: readonly ResourceKind[]): string {
  const common = Object.entries(envelopeRefusals).map(([name, rule]) => refusalRow(name, rule));
  const sections = kinds.flatMap((kind) => {
    const rows = rowsOf(kind);
    return rows.length === 0 ? [] : [`\n## ${kind.type}\n\n${table(rows)}\n`];
  });
  return `${head}${table([...common, `| \`sku\` | kept | ${keptSkuBecause} Where a type has one of its own, it is served. |`])}\n${sections.join('')}`;
}
