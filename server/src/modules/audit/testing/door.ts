// The audit module behind a door, with an operation to record.

import type { TestContext } from 'node:test';
import { Type } from '@strongroom/contract/schema';
import { createTestClock } from '#kernel/clock/test-clock';
import { Failure } from '#kernel/errors/failure';
import { activity, json, needs, type Route, route, whole } from '#kernel/http/route';
import type { Surface } from '#kernel/http/surface';
import { type Rule, testActor, testAuthority } from '#kernel/testing/authority';
import { openTestDoor } from '#kernel/testing/door';
import { openAudit, subscriptionId, vaultId } from './fixture.ts';

export const arm: Surface = {
  name: 'arm',
  ignoresCase: true,
  collapsesSlashes: true,
  recognise: (target) => target.segments,
  schemes: [{ name: 'test', authenticate: (exchange) => (exchange.header('authorization') ? testActor : undefined) }],
  render: (failure) => ({ status: failure.status, body: { error: { code: failure.code, message: failure.message } } }),
};

export const setSecret = route({
  operation: 'Secrets_Set',
  surface: 'arm',
  method: 'PUT',
  path: '/subscriptions/{subscriptionId}/resourceGroups/{group}/providers/Microsoft.KeyVault/vaults/{vault}/secrets/{name}',
  summary: 'Sets a secret',
  access: needs(
    { name: 'Microsoft.KeyVault/vaults/secrets/setSecret/action', plane: 'data' },
    (p) =>
      `/subscriptions/${p['subscriptionId']}/resourceGroups/${p['group']}/providers/Microsoft.KeyVault/vaults/${p['vault']}`,
    whole,
  ),
  audit: activity('name', 'contentType'),
  body: {
    kind: 'json',
    schema: Type.Object({ value: Type.String(), contentType: Type.Optional(Type.String()) }),
    maxBytes: 10_000,
  },
  handle: (_grant, { params }) => {
    if (params['name'] === 'broken')
      throw new Failure({ kind: 'conflict', code: 'SecretExists', message: 'It exists.' });
    return json(200, {});
  },
});

export async function opened(
  t: TestContext,
  options: { readonly rule?: Rule; readonly routes?: readonly Route[]; readonly retentionDays?: number } = {},
) {
  const clock = createTestClock();
  const { retentionDays = 0 } = options;
  const log = await openAudit(t, { clock, retentionDays });
  const { authorizer } = testAuthority(options.rule);
  const door = await openTestDoor({
    surfaces: [arm],
    routes: [...(log.audit.routes ?? []), setSecret, ...(options.routes ?? [])],
    ports: { authorizer, audit: log.audit.trail },
  });
  t.after(() => door.close());
  const call = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(path.startsWith('http') ? path.replace('https:', 'http:') : `${door.url}${path}`, {
      ...init,
      headers: { authorization: 'Bearer x', 'content-type': 'application/json', ...init.headers },
    });
    return { status: response.status, body: JSON.parse((await response.text()) || 'null') };
  };
  const put = (name: string, body: unknown, query = '') =>
    call(`${vaultId}/secrets/${name}${query}`, { method: 'PUT', body: JSON.stringify(body) });
  return { ...log, clock, door, call, put };
}

export const eventsPath = `/subscriptions/${subscriptionId}/providers/microsoft.insights/eventtypes/management/values`;
export const since = "eventTimestamp ge '2025-12-31T00:00:00Z' and eventTimestamp le '2027-01-01'";

export const events = (filter = since, more = '') =>
  `/${eventsPath}?api-version=2015-04-01&%24filter=${encodeURIComponent(filter)}${more}`;
