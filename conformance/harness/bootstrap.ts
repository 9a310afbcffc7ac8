// What the first start of the server told, read from the file that it wrote, and what every suite begins with: a credential,
// a resource group of its own. Nothing here speaks to the server except through the clients under test.

import { readFileSync } from 'node:fs';
import { ResourceManagementClient } from '@azure/arm-resources';
import { ClientSecretCredential } from '@azure/identity';

export type Bootstrap = {
  readonly url: string;
  readonly caFile: string;
  readonly tenantId: string;
  readonly subscriptionId: string;
  readonly location: string;
  readonly application: { readonly clientId: string; readonly clientSecret: string; readonly objectId: string };
};

const file = process.env['CONFORMANCE_BOOTSTRAP'];
if (file === undefined)
  throw new Error('Run the suites with `node conformance/run.ts`; it starts the server for them.');

export const bootstrap = JSON.parse(readFileSync(file, 'utf8')) as Bootstrap;

/** The two options that every Azure client for JavaScript needs against an authority of one's own. */
export const authority = { authorityHost: bootstrap.url, disableInstanceDiscovery: true } as const;

export const credential = new ClientSecretCredential(
  bootstrap.tenantId,
  bootstrap.application.clientId,
  bootstrap.application.clientSecret,
  authority,
);

export const resources = new ResourceManagementClient(credential, bootstrap.subscriptionId, {
  endpoint: bootstrap.url,
});

export const subscriptionScope = `/subscriptions/${bootstrap.subscriptionId}`;

/** Makes a resource group and answers its ARM id. */
export async function makeGroup(name: string): Promise<string> {
  const { id } = await resources.resourceGroups.createOrUpdate(name, { location: bootstrap.location });
  if (id === undefined) throw new Error('a resource group without id');
  return id;
}

/** Everything of a paged list, bounded: a server that repeats a page would otherwise never end. */
export async function all<T>(pages: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of pages) {
    items.push(item);
    if (items.length > 10_000) throw new Error('a list that does not end');
  }
  return items;
}

/** Asks until the answer is not undefined. For what the protocol itself only offers to poll. */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined>, seconds = 60): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} seconds`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
