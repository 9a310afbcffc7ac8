// What stands outside of a resource and on it, or on something below it.

import type { Ports } from '../ports.types.ts';

export async function holdersOf({ holders }: Pick<Ports, 'holders'>, id: string): Promise<readonly string[]> {
  return (await Promise.all(holders.map((ask) => ask(id)))).flat();
}
