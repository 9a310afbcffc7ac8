// `properties.properties` of an endpoint and of a deployment: labels of the caller, and beside them what clients read there of
// ours. What is ours is told in every answer and never taken from a request, so that an answer can be sent back as it was given.

import { type Addressed, madeByUri, type Properties, type Resource } from '#resources';

const ours = /^(strongroom\.|AzureAsyncOperationUri$)/;

export function labelsOf({ properties }: Properties): Readonly<Record<string, string>> {
  const given = Object.entries((properties ?? {}) as Readonly<Record<string, string>>); // checked by the kind's schema
  return Object.fromEntries(given.filter(([name]) => !ours.test(name)));
}

/** Where Azure's own samples, shell scripts, look for the address that they poll. */
export function madeBy(resource: Resource, addressed: Addressed | undefined): Readonly<Record<string, string>> {
  const uri = madeByUri(resource, addressed);
  return uri === undefined ? {} : { AzureAsyncOperationUri: uri };
}
