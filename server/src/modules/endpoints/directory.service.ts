// The endpoints that are served, in memory: what a scoring request needs to know without reading a database. Filled at start
// and kept by the kinds. Holds no key, only their keyed digests, and drops those when the workspace's key is closed.

import { idKey, isWithin } from '#kernel/ids/ids';
import type { KeyDigests } from './keys.service.ts';

export type ServedEndpoint = {
  readonly id: string;
  readonly name: string;
  readonly uniqueId: string;
  readonly workspaceId: string;
  readonly workspaceUniqueId: string;
  readonly hbi: boolean;
  /** Per cent by name of the deployment, in lower case. */
  traffic: ReadonlyMap<string, number>;
  /** Undefined: to be read again before anybody is let in. */
  keys: KeyDigests | undefined;
  /** As they were when the workspace's key was closed: whoever shows one is told why he is not let in, and nobody else. */
  closed: KeyDigests | undefined;
  /** Counts how often they were closed. */
  epoch: number;
  /** Deployments that are being removed, in lower case: from here on no traffic goes there. */
  readonly leaving: Set<string>;
  /** What each deployment is owed by the weighted choice. */
  readonly credit: Map<string, number>;
};

export type Directory = {
  put(endpoint: Omit<ServedEndpoint, 'closed' | 'credit' | 'epoch' | 'leaving'>): ServedEndpoint;
  find(workspaceUniqueId: string, name: string): ServedEndpoint | undefined;
  byId(id: string): ServedEndpoint | undefined;
  /** The endpoint, or every one below this id. */
  remove(id: string): void;
  /** A workspace's key may not be used any more: nobody is let in until it opens again. */
  forgetKeys(workspaceUniqueId: string): void;
  /** They were replaced: whoever shows an old one is nobody. */
  forgetKeysOf(endpoint: ServedEndpoint): void;
};

/** @param gone told of each that is removed */
export function createDirectory(gone: (endpoint: ServedEndpoint) => void = () => {}): Directory {
  const byAddress = new Map<string, ServedEndpoint>();
  const byKey = new Map<string, ServedEndpoint>();
  const forgetKeysOf = (endpoint: ServedEndpoint): void => {
    endpoint.keys = undefined;
    endpoint.closed = undefined;
    endpoint.epoch += 1;
  };
  const address = (workspaceUniqueId: string, name: string) =>
    `${workspaceUniqueId.toLowerCase()}/${name.toLowerCase()}`;
  return {
    put(endpoint) {
      const served: ServedEndpoint = {
        ...endpoint,
        closed: undefined,
        epoch: 0,
        leaving: new Set(),
        credit: new Map(),
      };
      byAddress.set(address(endpoint.workspaceUniqueId, endpoint.name), served);
      byKey.set(idKey(endpoint.id), served);
      return served;
    },
    find: (workspaceUniqueId, name) => byAddress.get(address(workspaceUniqueId, name)),
    byId: (id) => byKey.get(idKey(id)),
    remove(id) {
      for (const [key, served] of byKey) {
        if (!isWithin(key, id)) continue;
        byKey.delete(key);
        byAddress.delete(address(served.workspaceUniqueId, served.name));
        gone(served);
      }
    },
    forgetKeysOf,
    forgetKeys(workspaceUniqueId) {
      for (const served of byKey.values()) {
        if (served.workspaceUniqueId !== workspaceUniqueId) continue;
        const closed = served.keys ?? served.closed;
        forgetKeysOf(served);
        served.closed = closed;
      }
    },
  };
}

/**
 * Which deployment the next request goes to: smooth weighted round robin, so that 90 and 10 per cent are that over any ten
 * requests, without a random draw. Undefined when none has traffic.
 */
export function chooseDeployment(endpoint: Pick<ServedEndpoint, 'traffic' | 'credit'>): string | undefined {
  let chosen: string | undefined;
  let best = 0;
  let total = 0;
  for (const [name, weight] of endpoint.traffic) {
    if (weight <= 0) continue;
    total += weight;
    const credit = (endpoint.credit.get(name) ?? 0) + weight;
    endpoint.credit.set(name, credit);
    if (chosen === undefined || credit > best) {
      chosen = name;
      best = credit;
    }
  }
  if (chosen !== undefined) endpoint.credit.set(chosen, best - total);
  return chosen;
}

export const trafficOf = (properties: Readonly<Record<string, unknown>>): ReadonlyMap<string, number> =>
  // Checked by the kind's schema when it was stored.
  new Map(
    Object.entries((properties['traffic'] ?? {}) as Readonly<Record<string, number>>).map(([name, share]) => [
      name.toLowerCase(),
      share,
    ]),
  );
