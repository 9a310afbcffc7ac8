// What an operation of the registry protocol is, and of what Azure's registries say beside it: the shape of its path, and what a
// token must list for it. The surface reads requests by this table and the OpenAPI document is written by it, so that neither can
// say what the other does not.

/** What a token must list: nothing, the catalog, or an action on the repository that the method decides. */
export type Listing = 'nothing' | 'catalog' | 'content' | 'upload' | 'description';

type Row = {
  /** First segment of the canonical path; the routes say which methods it has. */
  readonly name: string;
  /** As clients write it. `{name}` is `{registry}/{repository}`, of any number of segments; other parameters are one. */
  readonly wire: string;
  readonly lists: Listing;
  /** Where passwords are given, and where a token of ours is worth nothing: it would live for ever. */
  readonly givesTokens?: true;
};

/** In the order in which they are tried: an upload's path is that of a blob, too. */
export const ociOperations = [
  { name: 'base', wire: '/v2/', lists: 'nothing' },
  { name: 'token', wire: '/v2/token', lists: 'nothing', givesTokens: true },
  { name: '_catalog', wire: '/v2/_catalog', lists: 'catalog' },
  { name: 'uploads', wire: '/v2/{name}/blobs/uploads/{upload}', lists: 'upload' },
  { name: 'uploads', wire: '/v2/{name}/blobs/uploads/', lists: 'upload' },
  { name: 'tags', wire: '/v2/{name}/tags/list', lists: 'content' },
  { name: 'blobs', wire: '/v2/{name}/blobs/{digest}', lists: 'content' },
  { name: 'manifests', wire: '/v2/{name}/manifests/{reference}', lists: 'content' },
  { name: 'referrers', wire: '/v2/{name}/referrers/{digest}', lists: 'content' },
  { name: 'oauth2-exchange', wire: '/oauth2/exchange', lists: 'nothing', givesTokens: true },
  { name: 'oauth2-token', wire: '/oauth2/token', lists: 'nothing', givesTokens: true },
  { name: 'acr-catalog', wire: '/acr/v1/_catalog', lists: 'catalog' },
  { name: 'acr-tags', wire: '/acr/v1/{name}/_tags', lists: 'description' },
  { name: 'acr-tags', wire: '/acr/v1/{name}/_tags/{reference}', lists: 'description' },
  { name: 'acr-manifests', wire: '/acr/v1/{name}/_manifests', lists: 'description' },
  { name: 'acr-manifests', wire: '/acr/v1/{name}/_manifests/{reference}', lists: 'description' },
  { name: 'acr', wire: '/acr/v1/{name}', lists: 'description' },
] as const satisfies readonly Row[];

const rows: readonly Row[] = ociOperations;

export type OciOperation = {
  readonly row: Row;
  /** Segments of `{registry}/{repository}`, whether or not they are a name; undefined where the path has none. */
  readonly name: readonly string[] | undefined;
  /** Values of the parameters behind the name. */
  readonly tail: readonly string[];
};

type Shape = {
  readonly row: Row;
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly isNamed: boolean;
};

const shapes: readonly Shape[] = rows.map((row) => {
  const segments = row.wire.split('/').filter((segment) => segment !== '');
  const at = segments.indexOf('{name}');
  return at < 0
    ? { row, before: segments, after: [], isNamed: false }
    : { row, before: segments.slice(0, at), after: segments.slice(at + 1), isNamed: true };
});

const isParameter = (segment: string) => segment.startsWith('{');

/** Undefined where no operation has the path. @param segments without empty ones */
export function operationOf(segments: readonly string[]): OciOperation | undefined {
  for (const { row, before, after, isNamed } of shapes) {
    if (isNamed ? segments.length < before.length + after.length : segments.length !== before.length) continue;
    if (before.some((word, index) => segments[index] !== word)) continue;
    const name = segments.slice(before.length, segments.length - after.length);
    const rest = segments.slice(segments.length - after.length);
    if (after.some((word, index) => !isParameter(word) && rest[index] !== word)) continue;
    // Below /acr/v1 a word that begins with an underscore is in no name, and ends it.
    if (row.lists === 'description' && (name.length === 0 || name.some((word) => word.startsWith('_')))) continue;
    const tail = rest.filter((_, index) => isParameter(after[index] ?? ''));
    return { row, name: isNamed ? name : undefined, tail };
  }
  return undefined;
}

/** How clients write the template of a canonical path: from the root of the origin. */
export function ociWireOf(template: string): {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
} {
  const [, name = '', registry, , ...tail] = template.split('/');
  const found = shapes.find(({ row, after }) => row.name === name && after.filter(isParameter).length === tail.length);
  if (found === undefined) return { path: `/v2/${name}`, query: {} };
  // The routes' own names of the parameters; a repository's name has as many segments as its owner likes.
  const own = [...tail];
  const after = found.after.map((segment) => (isParameter(segment) ? (own.shift() ?? segment) : segment));
  const named = found.isNamed ? [registry, '{repository+}'] : [];
  const last = found.row.wire.endsWith('/') ? [''] : [];
  const path = ['', ...found.before, ...named, ...after, ...last].join('/');
  return { path, query: {} };
}
