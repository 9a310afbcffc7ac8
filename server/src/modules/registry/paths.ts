// Reads a path of the registry protocol and of what Azure's registries say beside it (`/acr/v1`, `/oauth2`), once. The same reading is dispatched on, decided on and compared with what a token
// lists. A repository becomes one segment (see scopes.ts), so that no template has to guess where its name ends.

import type { Target } from '#kernel/http/target';
import { isName } from './names.ts';
import { segmentOf } from './scopes.ts';
import type { RepositoryAction } from './tokens.ts';

export type OciPath = {
  /** What the surface dispatches: the kind of thing, then registry and repository, then what follows. */
  readonly canonical: readonly string[];
  /** `{registry}/{repository}` where the path names one. */
  readonly name: string | undefined;
  /** The path names a repository by a name that none can have. */
  readonly isMisnamed: boolean;
};

/**
 * Undefined when the path is not below `/v2`, `/acr/v1` or `/oauth2`. Empty segments do not count. Azure's clients send a
 * repository's name as one segment, with its slashes encoded.
 */
export function readPath(target: Target): OciPath | undefined {
  const [first, ...below] = target.segments
    .flatMap((segment) => segment.split('/'))
    .filter((segment) => segment !== '');
  if (first === 'oauth2') {
    const [last = '', ...more] = below;
    return plain(more.length === 0 && (last === 'exchange' || last === 'token') ? `oauth2-${last}` : 'unserved');
  }
  if (first === 'acr') return below[0] === 'v1' ? readDescribed(below.slice(1)) : undefined;
  if (first !== 'v2') return undefined;
  if (below.length === 0) return plain('base');
  if (below.length === 1) return plain(below[0] === 'token' || below[0] === '_catalog' ? below[0] : 'unserved');
  return named(split(below));
}

/** Below `/acr/v1`: a word that begins with an underscore is in no name, and ends it. */
function readDescribed(segments: readonly string[]): OciPath {
  if (segments.length === 1 && segments[0] === '_catalog') return plain('acr-catalog');
  const end = segments.findIndex((segment) => segment.startsWith('_'));
  const name = end < 0 ? segments : segments.slice(0, end);
  const [word = '', ...tail] = end < 0 ? [] : segments.slice(end);
  const kind = { '': 'acr', _tags: 'acr-tags', _manifests: 'acr-manifests' }[word];
  return named(kind === undefined || name.length === 0 || tail.length > 1 ? undefined : { name, kind, tail });
}

type Found = { readonly name: readonly string[]; readonly kind: string; readonly tail: readonly string[] };

function named(found: Found | undefined): OciPath {
  if (found === undefined) return plain('unserved');
  const { name, kind, tail } = found;
  // A name that none can have is never put into an id.
  if (!isName(name)) return { canonical: [kind, '_', '_', ...tail], name: undefined, isMisnamed: true };
  const [registry = '', ...repository] = name;
  const canonical = [kind, registry, segmentOf(repository.join('/')), ...tail];
  return { canonical, name: name.join('/'), isMisnamed: false };
}

const plain = (kind: string): OciPath => ({ canonical: [kind], name: undefined, isMisnamed: false });

/** The last word of the protocol ends the name: a repository may be called `team/blobs`. */
function split(segments: readonly string[]): Found | undefined {
  const [third, second, last = ''] = segments.slice(-3).length === 3 ? segments.slice(-3) : ['', ...segments.slice(-2)];
  const before = (count: number) => segments.slice(0, -count);
  if (third === 'blobs' && second === 'uploads') return { name: before(3), kind: 'uploads', tail: [last] };
  if (second === 'blobs' && last === 'uploads') return { name: before(2), kind: 'uploads', tail: [] };
  if (second === 'tags' && last === 'list') return { name: before(2), kind: 'tags', tail: [] };
  if (second === 'blobs' || second === 'manifests' || second === 'referrers')
    return { name: before(2), kind: second, tail: [last] };
  return undefined;
}

/** What a token must list for a request, by its method. Source: Docker registry token scope documentation, and OCI's verbs. */
export function actionOf({ canonical }: OciPath, method: string): RepositoryAction {
  const [kind] = canonical;
  if (kind === 'uploads') return 'push';
  if (kind === 'acr' || kind === 'acr-tags' || kind === 'acr-manifests') {
    if (method === 'DELETE') return 'delete';
    return method === 'GET' || method === 'HEAD' ? 'metadata_read' : 'metadata_write';
  }
  if (method === 'GET' || method === 'HEAD') return 'pull';
  return method === 'DELETE' ? 'delete' : 'push';
}

export const isCatalog = ({ canonical: [kind] }: OciPath): boolean => kind === '_catalog' || kind === 'acr-catalog';

/** Where passwords are given, and where a token of ours is worth nothing: it would live for ever. */
export const givesTokens = ({ canonical: [kind] }: OciPath): boolean =>
  kind === 'token' || kind === 'oauth2-token' || kind === 'oauth2-exchange';
