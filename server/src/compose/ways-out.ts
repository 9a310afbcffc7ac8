// What the server fetches from outside, and from where: the package index, and registries of others. All of it is the operator's to say.

import { readFileSync } from 'node:fs';
import { type createEnvironments, indexUrl, readProjectIndex } from '#environments';
import type { FetchUpstream } from '#imports';
import { readCertificates } from '#kernel/crypto/certificate';
import { createOutgoing, NotAllowed } from '#kernel/http/outgoing';
import type { Foundation } from './foundation.ts';

/** Other registries, over TLS alone. Those that the operator says are inside may be; none else, whatever leads there. */
export function registriesOf({
  insideRegistries,
  registryAuthorityFile,
}: Pick<Foundation['config']['environments'], 'insideRegistries' | 'registryAuthorityFile'>): FetchUpstream {
  const trusted = insideRegistries.map((host) => new URL(`https://${host}`).origin);
  const authorities = registryAuthorityFile === '' ? '' : readAuthorities(registryAuthorityFile);
  return async (url, { hosts, accept, headers = {}, signal }) => {
    const outgoing = createOutgoing({ trusted, allowed: (host) => hosts.includes(host), authorities });
    try {
      return await outgoing.get(url, { accept, headers, signal });
    } catch (thrown) {
      if (thrown instanceof NotAllowed) return { refused: thrown.message };
      throw thrown;
    }
  };
}

function readAuthorities(file: string): string {
  const text = readFileSync(file, 'utf8');
  if (readCertificates(text).length === 0)
    throw new Error(`environments.registryAuthorityFile: ${file} holds no certificate in PEM`);
  return text;
}

/** The package index. An index that was set may be anywhere; what its pages name may not be inside. */
export function packageIndexesOf(
  settings: Foundation['config']['environments'],
): Pick<Parameters<typeof createEnvironments>[0], 'indexOf' | 'fetch'> {
  const index = settings.index === 'none' ? undefined : indexUrl(settings.index);
  const own = new Map<string, URL>();
  for (const text of settings.projectIndexes) {
    const read = readProjectIndex(text);
    if (typeof read === 'string') throw new Error(`environments.projectIndexes was not checked: ${read}`);
    own.set(read.project, read.url);
  }
  const set = [...own.values(), ...(index === undefined ? [] : [index])];
  const outgoing = createOutgoing({
    trusted: set.map(({ origin }) => origin),
    allowed: (host) => set.some((one) => one.host === host),
  });
  const accept = 'application/vnd.pypi.simple.v1+html, text/html;q=0.9, */*;q=0.1';
  return {
    indexOf: (project) => own.get(project) ?? index,
    fetch: (url, signal = AbortSignal.timeout(600_000)) => outgoing.get(url, { accept, signal }),
  };
}
