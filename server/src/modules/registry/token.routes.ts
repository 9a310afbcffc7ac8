// The door of the protocol: whether there is a registry here, and tokens for it. Sources: Docker registry "Token authentication
// specification" (clients ask with GET, and give a token or a client secret as their password); Azure container registry,
// "OAuth 2.0 exchange" (clients post an access token, and then what they got for it).

import { RegistryForm, RegistryRefreshToken, RegistryToken } from '@strongroom/contract/registry';
import { registryActions } from '@strongroom/contract/registry.actions';
import type { Actor } from '#kernel/authority/actor';
import type { Grant, Grants } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import type { Exchange } from '#kernel/http/exchange';
import { accessed, json, listing, open, type Route, route, signedIn, unrecorded } from '#kernel/http/route';
import { isName } from './names.rules.ts';
import type { Proofs } from './proofs.scheme.ts';
import type { Registries } from './registries.service.ts';
import { registryFailures } from './registry.errors.ts';
import { repositoryScope } from './scopes.rules.ts';
import { actionOf, type Listed, type RegistryTokens, type RepositoryAction } from './tokens.service.ts';

const scopesMax = 20;
const known: readonly RepositoryAction[] = ['pull', 'push', 'delete', 'metadata_read', 'metadata_write'];

const proving = open('the caller proves who he is by what he posts', { proves: true });
const tokenIsKeptNowhere = 'a token is given and kept nowhere, and who makes room needs one';
const form = { kind: 'form', schema: RegistryForm, maxBytes: 64 * 1024, holdsSecrets: true } as const;

export function tokenRoutes(deps: {
  readonly tokens: RegistryTokens;
  readonly proofs: Proofs;
  readonly registries: Pick<Registries, 'byPath'>;
  readonly grants: Pick<Grants, 'mayAlso' | 'proved'>;
  readonly clock: Clock;
  readonly domain: string;
}): readonly Route[] {
  const { tokens, proofs, registries, grants, clock, domain } = deps;

  /** Of what was asked for, what the caller may: a token that says more than is so misleads who reads it. */
  function allowed(grant: Grant, asked: readonly Listed[]): readonly Listed[] {
    return asked.flatMap((one): readonly Listed[] => {
      // Which names the list tells is decided name by name, when it is asked for.
      if (one.type === 'registry') return [one];
      const [path = '', ...repository] = one.name.split('/');
      const registry = registries.byPath(path)?.id;
      if (registry === undefined) return [];
      const scope = repositoryScope({ registry, repository: repository.join('/') });
      const may = one.actions.filter((action) => grants.mayAlso(grant, actionOf[action], scope));
      return may.length === 0 ? [] : [{ ...one, actions: may }];
    });
  }

  async function issue(grant: Grant, scopes: readonly string[]) {
    const { token, expiresInSeconds } = await tokens.issue(grant.actor, allowed(grant, listedIn(scopes)));
    const issuedAt = clock.now().toISOString();
    return json(200, { token, access_token: token, expires_in: expiresInSeconds, issued_at: issuedAt });
  }

  /** A client that believes to talk to somebody else is told so, and gives nothing away. */
  function requireService({ service }: RegistryForm): void {
    if (service.toLowerCase() === domain.toLowerCase()) return;
    throw registryFailures.otherService(domain);
  }

  async function byForm(exchange: Exchange, body: RegistryForm): Promise<Actor> {
    const { grant_type: type, refresh_token: refreshToken = '', username = '', password = '' } = body;
    if (type === 'refresh_token') return await tokens.refreshedBy(refreshToken);
    if (type === 'password') return await proofs.byPassword(exchange, username, password);
    throw registryFailures.unknownGrant('refresh_token and password');
  }

  const getToken = (operation: string, path: string) =>
    route({
      surface: 'oci',
      operation,
      method: 'GET',
      path,
      summary: 'A token for the registry protocol, for the caller himself.',
      access: signedIn(
        'the token stands for the caller, says what of the asked he may, and is decided on again at every use',
      ),
      audit: accessed('scope'),
      responses: { 200: RegistryToken },
      handle: (grant, { exchange }) => issue(grant, exchange.target.query.all('scope')),
    });

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
    getToken('Oci_GetToken', '/token'),
    getToken('Acr_GetToken', '/oauth2-token'),
    route({
      surface: 'oci',
      operation: 'Acr_ExchangeAccessToken',
      method: 'POST',
      path: '/oauth2-exchange',
      summary:
        'A refresh token of the registry for an access token of its caller; it ends with that, and in three hours at most.',
      access: proving,
      goesOnWhenLow: tokenIsKeptNowhere,
      audit: accessed('grant_type', 'service'),
      body: form,
      responses: { 200: RegistryRefreshToken },
      async handle(grant, { exchange, body }) {
        requireService(body);
        if (body.grant_type !== 'access_token') throw registryFailures.unknownGrant('access_token');
        const actor = await proofs.byAccessToken(exchange, body.access_token ?? '');
        const { actor: proved } = grants.proved(grant, actor, 'exchanged an access token');
        return json(200, { refresh_token: await tokens.issueRefresh(proved) });
      },
    }),
    route({
      surface: 'oci',
      operation: 'Acr_IssueToken',
      method: 'POST',
      path: '/oauth2-token',
      summary: 'A token for what is named, for a refresh token or a client secret.',
      access: proving,
      goesOnWhenLow: tokenIsKeptNowhere,
      audit: accessed('grant_type', 'service', 'scope'),
      body: form,
      responses: { 200: RegistryToken },
      async handle(grant, { exchange, body }) {
        requireService(body);
        const actor = await byForm(exchange, body);
        return await issue(grants.proved(grant, actor, 'asked for a token'), [body.scope ?? '']);
      },
    }),
  ];
}

/**
 * `repository:{name}:{action},{action}` and `registry:catalog:*`, several of them or one text with spaces. Other types of
 * resource are none here.
 */
function listedIn(scopes: readonly string[]): readonly Listed[] {
  const asked = scopes.flatMap((scope) => scope.split(' ').filter((one) => one !== ''));
  if (asked.length > scopesMax) throw registryFailures.tooManyScopes(scopesMax);
  return asked.flatMap((scope): readonly Listed[] => {
    if (scope === 'registry:catalog:*') return [{ type: 'registry', name: 'catalog', actions: ['*'] }];
    const found = /^repository(?:\([a-z]{1,32}\))?:([^:]{1,255}):([a-z_,*]{1,128})$/.exec(scope);
    if (found === null) return [];
    const [, name = '', words = ''] = found;
    if (!isName(name.split('/'))) throw registryFailures.NAME_INVALID();
    const wanted = words.split(',');
    const actions = wanted.includes('*') ? known : known.filter((action) => wanted.includes(action));
    return [{ type: 'repository', name, actions }];
  });
}
