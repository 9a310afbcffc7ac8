// The actions that this server knows: published like Azure's provider operations, and checked at start against the ones
// that routes and services use, so that no role can name an action in vain and no route one that no role can hold.

import type { ProviderOperations } from '@strongroom/contract/access';
import type { Action } from '#kernel/authority/grant';

/**
 * Mistakes, in words, none when all is well. `used`: actions of routes and those that services ask for with `also`.
 * An action is unknown when it is used and not declared, unused when declared and not used, and ambiguous when it is
 * declared on both planes or in two spellings.
 */
export function checkCatalogue(used: readonly Action[], catalogue: readonly Action[]): readonly string[] {
  const declared = new Map<string, Action>();
  const mistakes: string[] = [];
  for (const action of catalogue) {
    const key = action.name.toLowerCase();
    const before = declared.get(key);
    if (before && (before.plane !== action.plane || before.name !== action.name))
      mistakes.push(`${action.name} (${action.plane}) is also declared as ${before.name} (${before.plane})`);
    declared.set(key, before ?? action);
  }
  const usedKeys = new Set<string>();
  for (const action of used) {
    const key = action.name.toLowerCase();
    const known = declared.get(key);
    if (!known) mistakes.push(`${action.name} is used and not declared`);
    else if (known.plane !== action.plane)
      mistakes.push(`${action.name} is used on the ${action.plane} plane and declared on the ${known.plane} plane`);
    usedKeys.add(key);
  }
  for (const [key, action] of declared)
    if (!usedKeys.has(key)) mistakes.push(`${action.name} is declared and not used`);
  return [...new Set(mistakes)];
}

/** The catalogue as Azure publishes it: by provider, then by resource type. */
export function providerOperations(catalogue: readonly Action[]): readonly ProviderOperations[] {
  const providers = new Map<string, Map<string, Action[]>>();
  const seen = new Set<string>();
  for (const action of catalogue) {
    if (seen.has(action.name)) continue;
    seen.add(action.name);
    const [provider = '', ...rest] = action.name.split('/');
    const type = rest.slice(0, rest.at(-1) === 'action' ? -2 : -1).join('/');
    const types = providers.get(provider) ?? new Map<string, Action[]>();
    types.set(type, [...(types.get(type) ?? []), action]);
    providers.set(provider, types);
  }
  return [...providers].map(([name, types]) => ({
    id: `/providers/Microsoft.Authorization/providerOperations/${name}`,
    name,
    type: 'Microsoft.Authorization/providerOperations' as const,
    displayName: name,
    resourceTypes: [...types]
      .filter(([type]) => type !== '')
      .map(([type, actions]) => ({ name: type, displayName: type, operations: actions.map(operationView) })),
    operations: (types.get('') ?? []).map(operationView),
  }));
}

function operationView(action: Action) {
  return {
    name: action.name,
    displayName: action.name.split('/').slice(1).join(' '),
    description: `Permits ${action.name} on the ${action.plane} plane.`,
    isDataAction: action.plane === 'data',
  };
}
