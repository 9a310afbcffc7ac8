// What the builder of images refuses. The property that the answer is about is whoever asked's: he says where each thing came from.

import { defineFailures } from '#kernel/errors/failures';

const short = (text: string) => text.slice(0, 200);

const ofImage = (message: string) => ({ target: 'properties.environmentId', message });

export const imagesFailures = defineFailures('images', {
  unsafePath: {
    kind: 'invalid',
    code: 'ImageBuildRefused',
    meaning: 'A file has a path that an unpacker could take for something else than a file of this folder.',
    remedy: 'Rename the file.',
    say: (target: string, path: string, why: string) => ({
      target: `properties.${target}`,
      message: `The file '${short(path)}' cannot be put into an image: ${why}. Rename it.`,
    }),
  },
  wheels: {
    kind: 'invalid',
    code: 'ImageBuildRefused',
    meaning: 'The folder of wheels holds more than one image takes.',
    remedy: 'Leave out what is not imported.',
    say: (target: string, folder: string, most: number) => ({
      target: `properties.${target}`,
      message: `The folder ${folder} has more than ${most} wheels.`,
    }),
  },
  wheel: {
    kind: 'invalid',
    code: 'ImageBuildRefused',
    meaning: 'A wheel is damaged, is for another system, or is none.',
    remedy: 'Download the one for Linux again, with pip download.',
    say: (target: string, wheel: string, why: string) => ({
      target: `properties.${target}`,
      message: `The wheel '${short(wheel)}' ${why}.`,
    }),
  },
  baseImageElsewhere: {
    kind: 'invalid',
    code: 'ImageBuildRefused',
    meaning: "An environment's image is not named in the workspace's registry, or without a tag or digest.",
    remedy: 'Push it to the registry of the workspace, and name it there by its tag or digest.',
    say: (registry: string, nodePython: string) =>
      ofImage(
        `The environment's image must be in the workspace's registry, with a tag or digest: ${registry}/{repository}:{tag} or ${registry}/{repository}@sha256:…. For the node's own Python, with the wheels in the code, name '${nodePython}' as the image.`,
      ),
  },
  baseImageMissing: {
    kind: 'invalid',
    code: 'ImageBuildRefused',
    meaning: "The workspace's registry does not hold an environment's base image.",
    remedy: 'Push it there first.',
    say: (repository: string) =>
      ofImage(`The environment's base image '${repository}' is not in the workspace's registry. Push it there first.`),
  },
  baseImageIsIndex: {
    kind: 'invalid',
    code: 'ImageBuildRefused',
    meaning: "An environment's base image is an index of several platforms.",
    remedy: 'Name the digest of the image for the one platform that is meant.',
    say: () =>
      ofImage(
        "The environment's base image must be an image for one platform, not an index of several. Name the digest of the one that you mean.",
      ),
  },
  baseImageLayers: {
    kind: 'invalid',
    code: 'ImageBuildRefused',
    meaning: 'A base image has no layers, too many, or layers that are no tar under gzip.',
    remedy: 'Build it with fewer layers, compressed with gzip.',
    say: (layersMax: number) => ofImage(`The base image must have 1 to ${layersMax} layers of gzip'd tar.`),
  },
  baseImageTooLarge: {
    kind: 'invalid',
    code: 'ImageBuildRefused',
    meaning: 'The configuration of a base image is larger than any that a builder writes.',
    remedy: 'Build the image anew.',
    say: () => ofImage("The base image's configuration is too large."),
  },
  baseImageUndescribed: {
    kind: 'invalid',
    code: 'ImageBuildRefused',
    meaning: 'The configuration of a base image does not name the layers that its manifest has.',
    remedy: 'Build the image anew.',
    say: () => ofImage("The base image's configuration does not describe its layers."),
  },
  baseImageUnreadable: {
    kind: 'invalid',
    code: 'ImageBuildRefused',
    meaning: 'The manifest or the configuration of a base image cannot be read.',
    remedy: 'Build the image anew and push it.',
    say: () => ofImage('The manifest or configuration of the base image is not readable.'),
  },
});
