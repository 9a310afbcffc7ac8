// The door of imports: images of other registries, copied into ours. It owns no route and no data; what it copies lies in the registry,
// and who waits for it is whoever asked's to remember.

import { tableOf } from '#kernel/errors/failures';
import type { Module } from '#kernel/module';
import { importsFailures } from './imports.errors.ts';
import { createImports as createService, type Imports } from './imports.service.ts';
import { importsSettings } from './settings.ts';

export type { FetchUpstream, UpstreamAnswer, UpstreamRefusal } from './fetch.port.ts';
export { type ImageName, readImageName, type Source, textOfImage, textOfSource } from './image-name.rules.ts';
export type { Copied, Described, Imports } from './imports.service.ts';
export { importsSettings } from './settings.ts';
export { createSlots } from './slots.rules.ts';

export type ImportsModule = Module & { readonly imports: Imports };

export function createImports(deps: Parameters<typeof createService>[0]): ImportsModule {
  return {
    name: 'imports',
    settings: importsSettings,
    failures: [tableOf(importsFailures)],
    imports: createService(deps),
  };
}
