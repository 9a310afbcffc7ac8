// Words between `${{` and `}}` in the text of jobs, sweeps, components and schedules. What a word means, whoever reads it knows.
// Neither brace stands in one, so reading is linear, however hostile the text.

const placeholder = /\$\{\{([^{}]*)\}\}/g;

/** What stands in each, without the space around it. */
export const placeholdersIn = (text: string): readonly string[] =>
  [...text.matchAll(placeholder)].map(([, inner = '']) => inner.trim());

/** @param fill what stands there instead; undefined leaves the placeholder as it is */
export const fillPlaceholders = (text: string, fill: (inner: string) => string | undefined): string =>
  text.replace(placeholder, (whole, inner: string) => fill(inner.trim()) ?? whole);

/** What comes after the first point is one name, whatever stands in it: an output may be called `a.b`. */
export function collectionAndName(inner: string): { readonly collection: string; readonly name: string } {
  const [collection = '', name = ''] = inner.split(/\.(.*)/s);
  return { collection, name };
}
