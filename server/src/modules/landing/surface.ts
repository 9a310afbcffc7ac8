// What a browser finds at the origin itself: one page of words, the certificate authority, the icon, and answers for the links
// that jobs and MLflow's client print. Taken only as far as no protocol has them: of MLflow's address space the very root of a
// workspace's tracking address, which its client prints with `/#/experiments/…` behind it.

import { pageAnswer } from '#identity';
import type { Exchange } from '#kernel/http/exchange';
import type { Surface } from '#kernel/http/surface';
import { messagePage, wantsPage } from './landing.page.ts';

const own = new Set(['ca.pem', 'favicon.ico', 'favicon.svg', 'portal']);

/** `/mlflow/v2.0/subscriptions/S/resourceGroups/G/providers/Microsoft.MachineLearningServices/workspaces/W`, with or without a slash. */
function trackingRoot(at: readonly string[]): readonly string[] | undefined {
  if (at.length !== 10) return undefined;
  const [mlflow, version, subscriptions, , groups, group = '', providers, namespace, type, name = ''] = at;
  const words = [mlflow, subscriptions, groups, providers, namespace, type].join('/').toLowerCase();
  if (words !== 'mlflow/subscriptions/resourcegroups/providers/microsoft.machinelearningservices/workspaces')
    return undefined;
  return /^v[12]\.0$/i.test(version ?? '') ? ['tracking', group, name] : undefined;
}

const trackedWorkspace =
  '/subscriptions/{subscriptionId}/resourceGroups/{group}/providers/Microsoft.MachineLearningServices/workspaces/{workspace}';

/** The way back: where a browser finds the route of a path. */
export const landingWireOf = (
  template: string,
): { readonly path: string; readonly query: Readonly<Record<string, string>> } => ({
  path: template.startsWith('/tracking/') ? `/mlflow/v2.0${trackedWorkspace}` : template,
  query: {},
});

export function createLandingSurface(): Surface {
  return {
    name: 'landing',
    ignoresCase: false,
    collapsesSlashes: false,
    recognise({ named }) {
      const [first] = named;
      if (first === undefined) return [''];
      return own.has(first) ? named : trackingRoot(named);
    },
    schemes: [],
    render: (failure, exchange) =>
      wantsPage(exchange)
        ? pageAnswer(messagePage(failure, exchange))
        : { status: failure.status, body: { error: { code: failure.code, message: failure.message } } },
    headers,
  };
}

const headers = (exchange: Exchange) => ({ 'x-ms-request-id': exchange.requestId });
