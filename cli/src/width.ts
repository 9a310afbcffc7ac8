// How many columns of a terminal a text takes. Nearly all of it is plain ASCII, a column a letter; what knows the rest of Unicode is
// loaded for the first text that needs it, because its tables take longer than most commands.

import { createRequire } from 'node:module';
import type stringWidth from 'string-width';

const require = createRequire(import.meta.url);
const plainAscii = /^[\x20-\x7e]*$/;
let measure: typeof stringWidth | undefined;

export function widthOf(text: string): number {
  if (plainAscii.test(text)) return text.length;
  measure ??= (require('string-width') as { readonly default: typeof stringWidth }).default; // codec: what the package exports
  return measure(text);
}
