// What the builder of images refuses. The property that the answer is about is whoever asked's: he says where each thing came from.

import { defineFailures } from '#kernel/errors/failures';

const short = (text: string) => text.slice(0, 200);

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
  baseImage: {
    kind: 'invalid',
    code: 'ImageBuildRefused',
    meaning: "An environment's base image is not in the workspace's registry, or is not one that another is built on.",
    remedy: 'Push an image for one platform, and name it by its tag or digest.',
    say: (message: string) => ({ target: 'properties.environmentId', message }),
  },
});
