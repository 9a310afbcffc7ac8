// What repositories, tags, digests and registries may be called. Sources: OCI distribution specification 1.1, "Pulling
// manifests"; OCI image specification, descriptor.md.

import { registryFailures } from './registry.errors.ts';

export const registryNamePattern = /^[a-zA-Z0-9]{5,50}$/;
export const registryNameRule = 'A registry name has 5 to 50 letters and digits, and is unique over the whole server.';

const nameLengthMax = 255;
const component = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const tag = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const sha256 = /^sha256:[0-9a-f]{64}$/;

/** A component of a name: no slash, nothing that means something in a path or in an id. */
export const isNameComponent = (text: string): boolean => text.length <= nameLengthMax && component.test(text);

/** @param repository the name below its registry, `team/image` */
export function requireRepository(repository: string): void {
  if (repository.length > nameLengthMax || !repository.split('/').every(isNameComponent))
    throw registryFailures.NAME_INVALID();
}

/** Whether `{registry}/{repository}` is short enough, with components that are right. */
export const isName = (components: readonly string[]): boolean =>
  components.length >= 2 && components.join('/').length <= nameLengthMax && components.every(isNameComponent);

export const isTag = (text: string): boolean => tag.test(text);
export const isDigest = (text: string): boolean => sha256.test(text);

/** Throws DIGEST_INVALID. */
export function requireDigest(digest: string): void {
  if (isDigest(digest)) return;
  throw registryFailures.noDigest();
}
