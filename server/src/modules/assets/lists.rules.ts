// What lists of assets may be asked for, as Azure's clients ask: which view (archived or not), filters, and the order in which
// `@latest` is looked for. Pure.

import { type TSchema, Type } from '@strongroom/contract/schema';
import type { Resource, ResourceKind } from '#resources';

export const digits = Type.Optional(Type.String({ pattern: '^[0-9]{1,6}$' }));
export const viewed = {
  listViewType: Type.Optional(
    Type.Union([Type.Literal('ActiveOnly'), Type.Literal('ArchivedOnly'), Type.Literal('All')]),
  ),
} as const;

/** When it was made; of what was made in the same millisecond, the higher number is the later one. */
export const createdOrder = ({ systemData, name }: Resource): string =>
  `${systemData.createdAt} ${/^\d{1,15}$/.test(name) ? name.padStart(15, '0') : name}`;

/** `a,b=1`: has each of the names, with the value where one is given. */
function hasAll(kept: unknown, asked: string): boolean {
  const texts = (kept ?? {}) as Readonly<Record<string, unknown>>; // of the contract's schema
  return asked
    .split(',')
    .map((term) => term.trim())
    .filter((term) => term !== '')
    .every((term) => {
      const [name = '', value] = term.split(/=(.*)/s);
      return Object.hasOwn(texts, name) && (value === undefined || String(texts[name]) === value);
    });
}

/** A kind's list with these parameters: every one that the schema lets in is applied. */
export const listed = (listQuery: TSchema): Pick<ResourceKind, 'listQuery' | 'matches'> => ({
  listQuery,
  matches({ name, properties }, query) {
    // Strings, by the schema; a list does not repeat a parameter.
    const asked = query as Readonly<Record<string, string | undefined>>;
    const view = asked['listViewType'] ?? 'ActiveOnly';
    if (view !== 'All' && (properties['isArchived'] === true) !== (view === 'ArchivedOnly')) return false;
    const { version, description, stage, tags, properties: labels } = asked;
    return (
      (version === undefined || version === name) &&
      (description === undefined || description === properties['description']) &&
      (stage === undefined || stage === (properties['stage'] ?? '')) &&
      (tags === undefined || hasAll(properties['tags'], tags)) &&
      (labels === undefined || hasAll(properties['properties'], labels))
    );
  },
});
