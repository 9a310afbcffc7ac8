// Finds the route of a request among one surface's templates. Our own because the protocols served here defeat a radix
// router: ARM scopes of any length before a fixed tail, OCI names with slashes, case that does not count, optional last
// segments. It backtracks over a trie: literals first, then one segment, then many, so the most literal template wins.
// It does nothing else: no decoding (target.ts did it once), no redirects, no guessing.

import type { Params, Route } from '#kernel/http/route';
import type { Surface } from '#kernel/http/surface';
import { httpFailures } from './http.errors.ts';

type Node = {
  readonly literals: Map<string, Node>;
  one: { readonly name: string; readonly node: Node } | undefined;
  many: { readonly name: string; readonly node: Node } | undefined;
  readonly routes: Map<string, Route>;
};

export type Matched = { readonly route: Route; readonly params: Params };
export type Router = { match(method: string, segments: readonly string[]): Matched };

const createNode = (): Node => ({ literals: new Map(), one: undefined, many: undefined, routes: new Map() });

/** Names of a template's parameters, in order. */
export function paramsOf(path: string): readonly string[] {
  return [...path.matchAll(/\{([A-Za-z]\w*)[+?]?\}/g)].map((found) => found[1] ?? '');
}

function add(root: Node, path: string, route: Route, ignoresCase: boolean): void {
  let at = root;
  for (const part of path.split('/').slice(1)) {
    const parameter = /^\{([A-Za-z]\w*)(\+?)\}$/.exec(part);
    if (parameter === null) {
      const key = ignoresCase ? part.toLowerCase() : part;
      let next = at.literals.get(key);
      if (!next) {
        next = createNode();
        at.literals.set(key, next);
      }
      at = next;
      continue;
    }
    const [, name = '', plus] = parameter;
    const slot = plus === '+' ? 'many' : 'one';
    const present = at[slot];
    if (present && present.name !== name) {
      throw new Error(
        `${route.operation}: '${path}' names a segment {${name}} that another route names {${present.name}}`,
      );
    }
    const child = present ?? { name, node: createNode() };
    at[slot] = child;
    at = child.node;
  }
  const taken = at.routes.get(route.method);
  if (taken) throw new Error(`${route.operation} and ${taken.operation} both serve ${route.method} ${path}`);
  at.routes.set(route.method, route);
}

export function createRouter(
  surface: Pick<Surface, 'name' | 'ignoresCase' | 'nothing'>,
  routes: readonly Route[],
): Router {
  const root = createNode();
  for (const route of routes) {
    const optional = /^(.*)\/\{([A-Za-z]\w*)\?\}$/.exec(route.path);
    if (optional) {
      add(root, optional[1] ?? '', route, surface.ignoresCase);
      add(root, `${optional[1]}/{${optional[2]}}`, route, surface.ignoresCase);
    } else add(root, route.path, route, surface.ignoresCase);
  }

  /** Every node that the path reaches, best first; stops at the first that has the method. */
  function find(segments: readonly string[], method: string): { route?: Route; params: Params; others: Set<string> } {
    const others = new Set<string>();
    let budget = 10_000; // a hostile path cannot make the backtracking long
    const walk = (at: Node, index: number, params: Params): { route: Route; params: Params } | undefined => {
      if (--budget < 0) return undefined;
      const segment = segments[index];
      if (segment === undefined) {
        const route = at.routes.get(method) ?? (method === 'HEAD' ? at.routes.get('GET') : undefined);
        if (route) return { route, params };
        for (const present of at.routes.keys()) others.add(present);
        return undefined;
      }
      const literal = at.literals.get(surface.ignoresCase ? segment.toLowerCase() : segment);
      const byLiteral = literal && walk(literal, index + 1, params);
      if (byLiteral) return byLiteral;
      // A decoded slash in one segment would make the id decided on differ from the id meant.
      if (at.one && segment !== '' && !/[/\\]/.test(segment)) {
        const byOne = walk(at.one.node, index + 1, { ...params, [at.one.name]: segment });
        if (byOne) return byOne;
      }
      if (at.many) {
        for (let end = segments.length; end > index; end--) {
          const value = segments.slice(index, end).join('/');
          const byMany = walk(at.many.node, end, { ...params, [at.many.name]: value });
          if (byMany) return byMany;
        }
      }
      return undefined;
    };
    const reached = walk(root, 0, {});
    return reached ? { ...reached, others } : { params: {}, others };
  }

  /** What a list led to before; whoever reads a path answers the same list for the same path, as long as it is kept. */
  const found = new WeakMap<readonly string[], Map<string, Matched>>();

  return {
    match(method, segments) {
      const present = found.get(segments)?.get(method);
      if (present) return present;
      const { route, params, others } = find(segments, method);
      if (route) {
        const matched = { route, params: Object.freeze(params) };
        const byMethod = found.get(segments) ?? new Map<string, Matched>();
        found.set(segments, byMethod.set(method, matched));
        return matched;
      }
      if (others.size > 0) throw httpFailures.MethodNotAllowed(method, others);
      throw surface.nothing?.(method, segments) ?? httpFailures.NotFound(surface.name);
    },
  };
}
