// The `$filter` of lists: equality on a few properties, joined by `and`, which is what public clients send. Anything else is
// refused rather than ignored: a filter that is not applied shows too much.

import { resourcesFailures } from './resources.errors.ts';

/** Names of tags are compared without regard to case, values with it. */
export type TagFilter = { readonly tagName: string | undefined; readonly tagValue: string | undefined };

export type Filter = TagFilter & {
  readonly type: string | undefined;
  readonly group: string | undefined;
  /** Lower case. */
  readonly name: string | undefined;
  readonly location: string | undefined;
};

const fields = ['resourcetype', 'resourcegroup', 'name', 'location', 'tagname', 'tagvalue'] as const;
type Field = (typeof fields)[number];
const inTagFilter: readonly Field[] = ['tagname', 'tagvalue'];

/** The filter of the list of all resources. */
export function readFilter(filter: string | undefined): Filter {
  const terms = readTerms(filter, fields, 'resourceType, resourceGroup, name, location, tagName and tagValue');
  return {
    type: terms.get('resourcetype'),
    group: terms.get('resourcegroup'),
    name: terms.get('name')?.toLowerCase(),
    location: terms.get('location')?.replaceAll(' ', '').toLowerCase(),
    tagName: terms.get('tagname'),
    tagValue: terms.get('tagvalue'),
  };
}

/** The filter of the list of resource groups. */
export function readTagFilter(filter: unknown): TagFilter {
  const terms = readTerms(typeof filter === 'string' ? filter : undefined, inTagFilter, 'tagName and tagValue');
  return { tagName: terms.get('tagname'), tagValue: terms.get('tagvalue') };
}

export function hasTag(tags: Readonly<Record<string, string>>, { tagName, tagValue }: TagFilter): boolean {
  if (tagName === undefined) return true;
  const name = tagName.toLowerCase();
  return Object.entries(tags).some(
    ([each, value]) => each.toLowerCase() === name && (tagValue === undefined || value === tagValue),
  );
}

const term = /\s*(\w{1,32})\s+eq\s+'((?:[^']|'')*)'\s*/iy;
const and = /and\b/iy;

function readTerms(filter: string | undefined, served: readonly Field[], names: string): ReadonlyMap<Field, string> {
  const found = new Map<Field, string>();
  if (filter === undefined || filter.trim() === '') return found;
  const refused = () => resourcesFailures.InvalidFilterInQueryString(names);
  if (filter.length > 1024) throw refused();
  for (let at = 0; ; ) {
    term.lastIndex = at;
    const [whole, name, value] = term.exec(filter) ?? [];
    const field = served.find((each) => each === name?.toLowerCase());
    if (whole === undefined || field === undefined || value === undefined || found.has(field)) throw refused();
    found.set(field, value.replaceAll("''", "'"));
    at += whole.length;
    if (at === filter.length) break;
    and.lastIndex = at;
    if (!and.test(filter)) throw refused();
    at = and.lastIndex;
  }
  if (found.has('tagvalue') && !found.has('tagname')) throw refused();
  return found;
}
