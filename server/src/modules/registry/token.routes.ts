// The door of the protocol: whether there is a registry here, and tokens for it. Source: Docker registry "Token
// authentication specification"; clients ask with GET, and give an access token or a client secret as their password.

import { RegistryToken } from '@strongroom/contract/registry';
import { registryActions } from '@strongroom/contract/registry.actions';
import type { Grant, Grants } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import type { Exchange } from '#kernel/http/exchange';
import { accessed, json, listing, type Route, route, signedIn, unrecorded } from '#kernel/http/route';
import { failure } from './errors.ts';
import { isName } from './names.ts';
import type { Registries } from './registries.ts';
import { repositoryScope } from './scopes.ts';
import { actionOf, type Listed, type RegistryTokens, type RepositoryAction } from './tokens.ts';

const scopesMax = 20;
const known: readonly RepositoryAction[] = ['pull', 'push', 'delete'];

export function tokenRoutes(deps: {
  readonly tokens: RegistryTokens;
  readonly registries: Pick<Registries, 'byPath'>;
  readonly grants: Pick<Grants, 'mayAlso'>;
  readonly clock: Clock;
}): readonly Route[] {
  const { tokens, registries, grants, clock } = deps;

  /** Of what was asked for, what the caller may: a token that says more than is so misleads who reads it. */
  function allowed(grant: Grant, asked: readonly Listed[]): readonly Listed[] {
    return asked.flatMap(({ name, actions }) => {
      const [path = '', ...repository] = name.split('/');
      const registry = registries.byPath(path)?.id;
      if (registry === undefined) return [];
      const scope = repositoryScope({ registry, repository: repository.join('/') });
      const may = actions.filter((action) => grants.mayAlso(grant, actionOf[action], scope));
      return may.length === 0 ? [] : [{ name, actions: may }];
    });
  }

  return [
    route({
      surface: 'oci',
      operation: 'Oci_Check',
      method: 'GET',
      path: '/base',
      summary: 'Says that the registry protocol is spoken here.',
      // A listing and not `signedIn`: whoever holds a token that pulls one image asks here first, too.
      access: listing(registryActions.pull, () => '/'),
      audit: unrecorded('clients ask before every push and pull, and nothing is told'),
      handle: () => json(200, {}),
    }),
    route({
      surface: 'oci',
      operation: 'Oci_GetToken',
      method: 'GET',
      path: '/token',
      summary: 'A token for the registry protocol, for the caller himself.',
      access: signedIn(
        'the token stands for the caller, says what of the asked he may, and is decided on again at every use',
      ),
      audit: accessed('scope'),
      responses: { 200: RegistryToken },
      async handle(grant, { exchange }) {
        const { token, expiresInSeconds } = await tokens.issue(grant.actor, allowed(grant, scopesOf(exchange)));
        const issuedAt = clock.now().toISOString();
        return json(200, { token, access_token: token, expires_in: expiresInSeconds, issued_at: issuedAt });
      },
    }),
  ];
}

/** `repository:{name}:{action},{action}`, several parameters or one with spaces. Other types of resource are none here. */
function scopesOf(exchange: Exchange): readonly Listed[] {
  const asked = exchange.target.query.all('scope').flatMap((scope) => scope.split(' ').filter((one) => one !== ''));
  if (asked.length > scopesMax)
    throw failure('UNSUPPORTED', { kind: 'invalid', message: `At most ${scopesMax} scopes can be asked for at once.` });
  return asked.flatMap((scope) => {
    const found = /^repository(?:\([a-z]{1,32}\))?:([^:]{1,255}):([a-z,*]{1,64})$/.exec(scope);
    if (found === null) return [];
    const [, name = '', words = ''] = found;
    if (!isName(name.split('/'))) throw failure('NAME_INVALID');
    const wanted = words.split(',');
    return [{ name, actions: wanted.includes('*') ? known : known.filter((action) => wanted.includes(action)) }];
  });
}
