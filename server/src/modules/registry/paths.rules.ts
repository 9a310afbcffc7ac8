// Reads a path of the registry protocol and of what Azure's registries say beside it (`/acr/v1`, `/oauth2`), once. The same
// reading is dispatched on, decided on and compared with what a token lists. A repository becomes one segment (see scopes.rules.ts), so
// that no template has to guess where its name ends.

import type { Target } from '#kernel/http/target';
import { isName } from './names.rules.ts';
import { type Listing, operationOf } from './operations.rules.ts';
import { segmentOf } from './scopes.rules.ts';
import type { RepositoryAction } from './tokens.service.ts';

export type OciPath = {
  /** What the surface dispatches: the kind of thing, then registry and repository, then what follows. */
  readonly canonical: readonly string[];
  /** `{registry}/{repository}` where the path names one. */
  readonly name: string | undefined;
  /** The path names a repository by a name that none can have. */
  readonly isMisnamed: boolean;
  readonly lists: Listing;
  readonly givesTokens: boolean;
};

const roots: ReadonlySet<string> = new Set(['v2', 'oauth2', 'acr']);

/**
 * Undefined when the path is not below `/v2`, `/acr/v1` or `/oauth2`. Empty segments do not count. Azure's clients send a
 * repository's name as one segment, with its slashes encoded.
 */
export function readPath(target: Target): OciPath | undefined {
  const [root = ''] = target.named;
  // Asked with every request of every protocol: what cannot be one of ours is let go without taking it apart.
  if (!root.includes('/') && !roots.has(root)) return undefined;
  const segments = target.segments.flatMap((segment) => segment.split('/')).filter((segment) => segment !== '');
  const [first, second] = segments;
  if (first !== 'v2' && first !== 'oauth2' && !(first === 'acr' && second === 'v1')) return undefined;
  const found = operationOf(segments);
  if (found === undefined)
    return { canonical: ['unserved'], name: undefined, isMisnamed: false, lists: 'nothing', givesTokens: false };
  const { row, name, tail } = found;
  const says = { lists: row.lists, givesTokens: row.givesTokens === true };
  if (name === undefined) return { canonical: [row.name], name: undefined, isMisnamed: false, ...says };
  // A name that none can have is never put into an id.
  if (!isName(name)) return { canonical: [row.name, '_', '_', ...tail], name: undefined, isMisnamed: true, ...says };
  const [registry = '', ...repository] = name;
  const canonical = [row.name, registry, segmentOf(repository.join('/')), ...tail];
  return { canonical, name: name.join('/'), isMisnamed: false, ...says };
}

/** What a token must list for a request, by its method. Source: Docker registry token scope documentation, and OCI's verbs. */
export function actionOf({ lists }: Pick<OciPath, 'lists'>, method: string): RepositoryAction {
  const isRead = method === 'GET' || method === 'HEAD';
  if (lists === 'upload') return 'push';
  if (method === 'DELETE') return 'delete';
  if (lists === 'description') return isRead ? 'metadata_read' : 'metadata_write';
  return isRead ? 'pull' : 'push';
}
