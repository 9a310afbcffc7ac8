// Who is let in: the keys of an endpoint in memory against what a request shows. Loading and replacing keys stand in one line
// for each endpoint, so that a key which was read before its replacement is never put back after it.

import type { Grant, Grants } from '#kernel/authority/grant';
import { Failure } from '#kernel/errors/failure';
import { createTurns } from '#kernel/turns/turns';
import type { Resource } from '#resources';
import type { Directory, ServedEndpoint } from './directory.service.ts';
import { endpointsDuties } from './duties.ts';
import { endpointsFailures } from './endpoints.errors.ts';
import type { EndpointKeyStore, KeyOwner } from './keys.service.ts';
import type { KeyName } from './keys.store.ts';

export type Admission = {
  /**
   * Reads no database unless the keys were closed meanwhile. While they still are, the vault's Failure is for who shows a key
   * that was let in before; to everybody else it is an endpoint that does not exist.
   */
  lets(endpoint: ServedEndpoint | undefined, key: string): Promise<boolean> | boolean;
  /** When it resolves, the old key is refused. */
  replace(
    grant: Grant,
    endpoint: Pick<Resource, 'id'> & KeyOwner,
    name: KeyName,
    value: string | undefined,
  ): Promise<void>;
};

const triesMax = 3;

export function createAdmission(deps: {
  readonly keys: EndpointKeyStore;
  readonly directory: Directory;
  readonly grants: Grants;
}): Admission {
  const { keys, directory, grants } = deps;
  const turns = createTurns();

  /** In the endpoint's turn. */
  async function load(endpoint: ServedEndpoint): Promise<void> {
    for (let tries = 0; endpoint.keys === undefined; tries++) {
      if (tries === triesMax)
        throw endpointsFailures.platform_error(new Error('the keys are closed again each time they are read'));
      const { epoch } = endpoint;
      const digests = await keys.digests(grants.duty(endpointsDuties.letIn, endpoint.workspaceId), endpoint);
      // Closed while they were read: what was read is not known to be allowed any more.
      if (endpoint.epoch === epoch) endpoint.keys = digests;
    }
  }

  return {
    lets(endpoint, key) {
      if (endpoint === undefined || endpoint.keys !== undefined) return keys.holds(endpoint?.keys, key);
      return turns(endpoint.uniqueId, () => load(endpoint)).then(
        () => keys.holds(endpoint.keys, key),
        (thrown: unknown) => {
          if (keys.holds(endpoint.closed, key)) throw thrown;
          // Refused by its customer, or made half-way: a stranger does not learn of it. What fails here is told to all.
          if (thrown instanceof Failure && thrown.status < 500) return false;
          throw thrown;
        },
      );
    },
    replace: (grant, owner, name, value) =>
      turns(owner.uniqueId, async () => {
        await keys.replace(grant, owner, name, value);
        const endpoint = directory.byId(owner.id);
        if (endpoint === undefined) return;
        directory.forgetKeysOf(endpoint);
        await load(endpoint);
      }),
  };
}
