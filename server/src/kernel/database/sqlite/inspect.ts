// Looks at the file of a stopped server: its stamp, and whether every page in use is whole. Each page carries a code of its own,
// which is checked when the page is read; so reading all of them finds a flipped bit wherever it lies. Takes as long as the disk
// does and holds the event loop meanwhile: for verification offline, never beside a server.

import type { Inspected } from '../database.ts';
import { openEngine } from './engine.ts';
import { readStamp } from './stamper.ts';

/** Throws as opening it does for a file that is missing, or does not open with this key. */
export function inspectFile(options: { readonly path: string; readonly key: Uint8Array }): Inspected {
  const engine = openEngine({ ...options, readonly: true });
  try {
    const stamp = readStamp(engine);
    const [found] = engine.run('pragma integrity_check(1)', []).rows;
    const said = String(Object.values(found ?? {})[0] ?? 'nothing was checked');
    return { stamp, damage: said === 'ok' ? undefined : said };
  } finally {
    engine.close();
  }
}
