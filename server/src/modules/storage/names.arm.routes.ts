// Whether an account may be called by a name: Azure's command line asks before it makes one. Names are unique over the whole
// server, so the answer tells that one is taken, never by whom; a PUT would tell as much.

import { NameAvailability, NameQuestion } from '@strongroom/contract/storage';
import { storageActions } from '@strongroom/contract/storage.actions';
import { accessed, json, needs, type Route, route, whole } from '#kernel/http/route';
import type { Accounts } from './accounts.service.ts';
import { accountNamePattern, accountNameRule, reservedAccountNames } from './names.rules.ts';

export function nameRoutes(accounts: Pick<Accounts, 'byName'>): readonly Route[] {
  const refusal = (name: string) => {
    if (!accountNamePattern.test(name))
      return {
        reason: 'AccountNameInvalid',
        message: `The name of a storage account has ${accountNameRule}.`,
      } as const;
    if (reservedAccountNames.has(name))
      return { reason: 'AlreadyExists', message: `The name '${name}' belongs to an address of this server.` } as const;
    if (accounts.byName(name) !== undefined)
      return { reason: 'AlreadyExists', message: `The storage account named ${name} is already taken.` } as const;
    return undefined;
  };
  return [
    route({
      operation: 'StorageAccounts_CheckNameAvailability',
      surface: 'arm',
      method: 'POST',
      path: '/subscriptions/{subscriptionId}/providers/Microsoft.Storage/checkNameAvailability',
      summary: 'Whether a storage account may be called by a name',
      access: needs(storageActions.checkName, ({ subscriptionId }) => `/subscriptions/${subscriptionId}`, whole),
      goesOnWhenLow: 'it stores nothing',
      audit: accessed('name'),
      body: { kind: 'json', schema: NameQuestion, maxBytes: 4096 },
      responses: { 200: NameAvailability },
      handle: async (_grant, { body }) => {
        const refused = refusal(body.name);
        return json(200, { nameAvailable: refused === undefined, ...refused });
      },
    }),
  ];
}
