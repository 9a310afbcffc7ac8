// What a container holds, over Azure's blob protocol: for the commands of storage, and for what a job has left in a datastore.

import type { CallOptions, Client } from '@strongroom/contract/client';
import { blobAudience, blobVersion } from '@strongroom/contract/client.paths';

export type ListedBlob = { readonly name: string; readonly bytes: number; readonly modified: string };

/** As whoever is signed in. */
export const blobCall = { audience: blobAudience, apiVersion: null, headers: { 'x-ms-version': blobVersion } } as const;

export const escaped = (name: string): string => name.split('/').map(encodeURIComponent).join('/');
const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
const unescaped = (text: string) =>
  text.replace(/&(lt|gt|amp|quot|apos);/g, (_whole, name: string) => entities[name] ?? '');

/** Every blob whose name begins with `prefix`, page by page. */
export async function* listBlobs(
  client: Client,
  container: string,
  prefix: string | undefined,
  call: CallOptions = blobCall,
): AsyncGenerator<ListedBlob> {
  let marker: string | undefined;
  do {
    const answer = await client.send('GET', container, {
      ...call,
      query: { ...call.query, restype: 'container', comp: 'list', prefix, marker },
    });
    const xml = await answer.text();
    for (const [, entry = ''] of xml.matchAll(/<Blob>(.*?)<\/Blob>/gs)) {
      const field = (name: string) => unescaped(new RegExp(`<${name}>([^<]*)<`).exec(entry)?.[1] ?? '');
      yield { name: field('Name'), bytes: Number(field('Content-Length')), modified: field('Last-Modified') };
    }
    marker = /<NextMarker>([^<]+)</.exec(xml)?.[1];
  } while (marker !== undefined);
}
