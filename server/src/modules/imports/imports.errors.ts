// What is refused of an image of another registry, and what goes wrong while one is fetched. A job that waits for it ends with it.

import { defineFailures } from '#kernel/errors/failures';

const at = (message: string) => ({ target: 'properties.environmentId', message });
const short = (text: string, most = 300) => text.slice(0, most);

export const importsFailures = defineFailures('imports', {
  RegistryUnavailable: {
    kind: 'dependency',
    meaning: 'Another registry did not answer, or not as one does, when an image of it was asked for.',
    remedy: 'Try again; where it stays so, look whether the server reaches that host.',
    say: (image: string, why: string) => at(`The image '${short(image)}' could not be asked for: ${short(why, 400)}.`),
  },
  RegistryBusy: {
    kind: 'throttled',
    meaning: 'Other registries are being asked for so much that there is no room for more.',
    remedy: 'Try again in a moment; an image that is named by its digest asks nobody when it is accepted.',
    say: (image: string) => ({
      ...at(
        `Registries of others are being asked for too much at once to ask for '${short(image)}' as well. Try again in a moment.`,
      ),
      retryAfterSeconds: 5,
    }),
  },
  RegistryWayRefused: {
    kind: 'invalid',
    code: 'ImageNotFetched',
    meaning: 'Fetching an image leads to where the server does not go: another host, an address inside, no TLS.',
    remedy:
      "The operator names the host that the message tells after the '=' of the rule in environments.registries; a registry of one's own network in environments.insideRegistries.",
    say: (image: string, why: string) =>
      at(
        `The image '${short(image)}' is not fetched: ${short(why, 400)}. A host that the registry's tokens or blobs come from is named by the operator after the '=' of its rule in environments.registries (ghcr.io=HOST); a registry of his own network in environments.insideRegistries.`,
      ),
  },
  ImageNotThere: {
    kind: 'invalid',
    code: 'ImageNotFetched',
    meaning: 'Another registry has no such image, or tells nobody that it has.',
    remedy: 'Correct the name, the tag or the digest.',
    say: (image: string) =>
      at(
        `The registry has no image '${short(image)}', or shows it to nobody without a password. Correct the name, the tag or the digest; or copy the image into the registry of the workspace (skopeo copy) and name it there.`,
      ),
  },
  RegistryWantsPassword: {
    kind: 'invalid',
    code: 'ImageNotFetched',
    meaning: 'Another registry gives an image to nobody without a password, and images are fetched without one.',
    remedy: 'Copy the image into the registry of the workspace and name it there.',
    say: (image: string) =>
      at(
        `The registry gives the image '${short(image)}' to nobody without a password, and images are fetched without one. Copy it into the registry of the workspace (skopeo copy) and name it there.`,
      ),
  },
  ImageNotTaken: {
    kind: 'invalid',
    code: 'ImageNotFetched',
    meaning:
      'What another registry gives as an image is none that runs here: too large, of another platform, of other layers.',
    remedy: 'Name another image, or do what the message says.',
    say: (image: string, why: string) => at(`The image '${short(image)}' is not taken: ${short(why, 500)}.`),
  },
  ContentDiffers: {
    kind: 'invalid',
    code: 'ImageNotFetched',
    meaning:
      'What another registry sent does not have the digest or the size that it was asked for by. Nothing of it is kept.',
    remedy: 'Ask whoever runs that registry; a copy of the image elsewhere has the same digest.',
    say: (image: string, digest: string) =>
      at(
        `The registry sent something else for '${short(image)}' than what has the digest ${short(digest, 80)}. Nothing of it is kept.`,
      ),
  },
  FetchTookTooLong: {
    kind: 'invalid',
    code: 'ImageNotFetched',
    meaning: 'An image of another registry arrived too slowly.',
    remedy: 'Submit again: what has arrived whole is not fetched again.',
    say: (image: string, why: string) =>
      at(
        `The image '${short(image)}' arrives too slowly: ${short(why)}. Submit again: what has arrived whole is not fetched again.`,
      ),
  },
});
