// Reads a path of the registry protocol, once. The same reading is dispatched on, decided on and compared with what a token
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

/** Undefined when the path is not below `/v2`. Empty segments do not count. */
export function readPath(target: Target): OciPath | undefined {
  const [version, ...rest] = target.segments.filter((segment) => segment !== '');
  if (version !== 'v2') return undefined;
  if (rest.length === 0) return plain('base');
  if (rest.length === 1) return plain(rest[0] === 'token' || rest[0] === '_catalog' ? rest[0] : 'unserved');
  const found = split(rest);
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
function split(segments: readonly string[]) {
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
  if (method === 'GET' || method === 'HEAD') return 'pull';
  return method === 'DELETE' ? 'delete' : 'push';
}
