// Where the images of this node are: in memory, or in the folder that the operator says is encrypted. What must not touch a disk
// never does, whatever the operator says. Nothing is made before the first image is asked for.

import type { AgentEnrolment, AgentItem } from '@strongroom/contract/agent';
import { folderProblem } from '../folders.ts';
import { createImageCache, type ImageCache, type ImageUse, memoryParent } from './cache.ts';
import { createImageRegistry, ImageRefused } from './registry.ts';

export type ItemImage = NonNullable<AgentItem['document']['image']>;

export interface Images {
  /** Rejects with an `ImageRefused`, in words for who submitted the work. */
  use(image: ItemImage, token: string, signal: AbortSignal): Promise<ImageUse>;
  close(): Promise<void>;
}

const DEFAULT_BYTES = 4 * 1024 ** 3;

export function createImages(options: {
  readonly enrolment: Pick<AgentEnrolment, 'url' | 'caPem' | 'images'>;
  readonly prefix: string;
  readonly interpreter: string | undefined;
}): Images {
  const { enrolment, prefix, interpreter } = options;
  const { bytes, folder } = enrolment.images ?? { bytes: DEFAULT_BYTES };
  const caches = new Map<string, ImageCache>();

  function cacheIn(parent: string): ImageCache {
    const known = caches.get(parent);
    if (known !== undefined) return known;
    const made = createImageCache({ parent, prefix, bytes, registry: createImageRegistry(enrolment), interpreter });
    caches.set(parent, made);
    return made;
  }

  function parentFor({ inMemory }: ItemImage): string {
    if (folder !== undefined && !inMemory) {
      const problem = folderProblem(folder);
      if (problem === undefined) return folder;
      throw new ImageRefused(
        `This node keeps no images: ${folder} ${problem}. The operator corrects agent.imageFolder.`,
      );
    }
    const parent = memoryParent();
    if (parent !== undefined) return parent;
    throw new ImageRefused(
      'This node keeps no images: it has no folder in memory for them. The operator mounts /dev/shm.',
    );
  }

  return {
    use: async (image, token, signal) => cacheIn(parentFor(image)).use(image, image.as, token, signal),
    async close() {
      await Promise.allSettled([...caches.values()].map((cache) => cache.close()));
      caches.clear();
    },
  };
}
