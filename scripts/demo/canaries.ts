// The burglar's view: reads every byte of every file below a folder, whatever it is, and looks for texts that must not be
// there in the clear.

import { createReadStream, lstatSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

export type Search = {
  readonly files: number;
  readonly bytes: number;
  readonly found: readonly { readonly file: string; readonly what: string }[];
};

/** @param needles what it is, and the text. Files that vanish meanwhile are skipped: they are not there any more. */
export async function searchFor(
  places: readonly string[],
  needles: readonly (readonly [what: string, text: string])[],
): Promise<Search> {
  const wanted = needles.map(([what, text]) => ({ what, bytes: Buffer.from(text) }));
  const overlap = Math.max(...wanted.map(({ bytes }) => bytes.length)) - 1;
  const found: { file: string; what: string }[] = [];
  let files = 0;
  let bytes = 0;
  for (const file of places.flatMap(filesBelow)) {
    const seen = new Set<string>();
    try {
      let tail = Buffer.alloc(0);
      for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        const window = Buffer.concat([tail, chunk]);
        for (const { what, bytes: needle } of wanted) if (window.includes(needle)) seen.add(what);
        tail = window.subarray(Math.max(0, window.length - overlap));
      }
      files++;
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown;
    }
    for (const what of seen) found.push({ file, what });
  }
  return { files, bytes, found };
}

function filesBelow(place: string): readonly string[] {
  if (statSync(place).isFile()) return [place];
  return readdirSync(place, { recursive: true, encoding: 'utf8' })
    .map((name) => join(place, name))
    .filter((path) => lstatSync(path, { throwIfNoEntry: false })?.isFile() === true);
}
