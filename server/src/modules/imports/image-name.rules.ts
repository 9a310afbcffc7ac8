// Images as people name them: with a host or without (then it is Docker Hub), by tag, by digest or by neither. Sources: OCI
// distribution specification 1.1, "Pulling manifests"; Docker's reference grammar (distribution/reference). Pure.

import { isRegistryHost } from '#workspaces';
import { hubAliases, hubHost, hubOwn } from './docker-hub.data.ts';

export type ImageName = {
  /** As rules name it: `docker.io`, `ghcr.io`, `registry.example:5000`. */
  readonly host: string;
  /** `library/python`. */
  readonly repository: string;
  /** A tag, or a digest; with both it is the digest that counts. */
  readonly reference: string;
};

/** An image of another registry, fixed. */
export type Source = Pick<ImageName, 'host' | 'repository'> & { readonly digest: string };

const digestPattern = /^sha256:[0-9a-f]{64}$/;
const tagPattern = /^\w[\w.-]{0,127}$/;
const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
/** Shorter than registries allow, so that whatever is made of it is short enough. */
const repositoryPattern = new RegExp(`^(?=.{1,180}$)${component}(?:/${component})*$`);

export const isDigest = (reference: string): boolean => digestPattern.test(reference);

/** Undefined for what is no name of an image in a registry. */
export function readImageName(text: string): ImageName | undefined {
  if (text.length > 600) return undefined;
  const [named = '', digest, ...more] = text.split('@');
  if (more.length > 0 || (digest !== undefined && !isDigest(digest))) return undefined;
  const cut = named.indexOf('/');
  const first = named.slice(0, Math.max(cut, 0)).toLowerCase();
  const hasHost = cut > 0 && (isRegistryHost(first) || first === 'localhost');
  const host = hasHost ? (hubAliases.includes(first) ? hubHost : first) : hubHost;
  const path = hasHost ? named.slice(cut + 1) : named;
  const [bare = '', tag = 'latest', ...rest] = path.split(':');
  // Docker Hub keeps what is named by one word below `library`.
  const repository = host === hubHost && !bare.includes('/') ? `${hubOwn}${bare}` : bare;
  if (rest.length > 0 || !repositoryPattern.test(repository) || !tagPattern.test(tag)) return undefined;
  return { host, repository, reference: digest ?? tag };
}

export const textOfImage = ({ host, repository, reference }: ImageName): string =>
  `${host}/${repository}${isDigest(reference) ? '@' : ':'}${reference}`;

export const textOfSource = ({ host, repository, digest }: Source): string => `${host}/${repository}@${digest}`;
