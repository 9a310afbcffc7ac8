// The door of images: what makes an image of files, for whoever needs one. It owns no route, no resource and no data; what it
// makes lies in the registry.

import { tableOf } from '#kernel/errors/failures';
import type { Module } from '#kernel/module';
import { imagesFailures } from './images.errors.ts';
import { createImageBuilder, type Images } from './images.service.ts';
import type { ImageRegistry } from './images.types.ts';

export { type BaseName, baseImageIn, baseIn, isNamedIn } from './base-image.service.ts';
export { type BuiltImage, builderVersion, type ImageInputs, type Images, type LayerFiles } from './images.service.ts';
export { checkPath, type TarEntry, type TarFile } from './tar.rules.ts';
export { checkWheels, dependenciesFolder, dependenciesOf, isWheel } from './wheels.rules.ts';

export type ImagesModule = Module & { readonly images: Images };

export function createImages(deps: {
  /** In process; `#registry` has it. */
  readonly registry: ImageRegistry;
}): ImagesModule {
  return { name: 'images', failures: [tableOf(imagesFailures)], images: createImageBuilder(deps) };
}
