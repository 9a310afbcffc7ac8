// The little XML that the blob protocol needs. Reading is one grammar and nothing more: a block list without attributes,
// entities, comments, processing instructions or a document type, so that no parser's feature is there to be abused.
// Writing escapes every value.

import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { type BlockChoice, blocksMax, requireBlockId } from '../blocks.service.ts';
import { storageFailures } from '../storage.errors.ts';

/** Bytes of the longest block list that is read: 50,000 ids of 64 bytes in base64, with their tags. */
export const blockListBytesMax = 8 * 1024 * 1024;

const opening = /\ufeff?\s*(?:<\?xml [^<>?]{0,100}\?>)?\s*/y;
const emptyList = /<BlockList\s*\/>\s*/y;
const begin = /<BlockList>\s*/y;
const entry = /<(Latest|Committed|Uncommitted)>\s*([A-Za-z0-9+/=]{1,88})\s*<\/(?:Latest|Committed|Uncommitted)>\s*/y;
const end = /<\/BlockList>\s*/y;

/** Entries that are read or written between two turns of the event loop. */
export const entriesAtOnce = 1_000;

/** Throws `invalid` InvalidXmlDocument, InvalidBlockId or BlockListTooLong. */
export async function readBlockList(bytes: Uint8Array): Promise<readonly BlockChoice[]> {
  const text = decode(bytes);
  let at = 0;
  const take = (pattern: RegExp) => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found !== null) at = pattern.lastIndex;
    return found;
  };
  take(opening);
  const choices: BlockChoice[] = [];
  if (take(emptyList) === null) {
    if (take(begin) === null) throw storageFailures.InvalidXmlDocument();
    for (let found = take(entry); found !== null; found = take(entry)) {
      const [whole, from = '', blockId = ''] = found;
      // The pattern does not know that both tags are the same.
      if (!isSource(from) || !whole.trimEnd().endsWith(`</${from}>`)) throw storageFailures.InvalidXmlDocument();
      if (choices.length === blocksMax) throw storageFailures.BlockListTooLong();
      requireBlockId(blockId);
      choices.push({ from, blockId });
      if (choices.length % entriesAtOnce === 0) await yieldToEventLoop();
    }
    if (take(end) === null) throw storageFailures.InvalidXmlDocument();
  }
  if (at !== text.length) throw storageFailures.InvalidXmlDocument();
  return choices;
}

const isSource = (tag: string): tag is BlockChoice['from'] =>
  tag === 'Latest' || tag === 'Committed' || tag === 'Uncommitted';

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw storageFailures.InvalidXmlDocument();
  }
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
export const escapeXml = (text: string): string => text.replace(/[&<>"]/g, (character) => escapes[character] ?? '');

/** An element; a string is escaped, a list holds elements that were made here. */
export type Element = { readonly xml: string };

export function element(
  name: string,
  content: string | number | readonly Element[],
  attributes: Readonly<Record<string, string>> = {},
): Element {
  const head = Object.entries(attributes).map(([key, value]) => ` ${key}="${escapeXml(value)}"`);
  const inner = typeof content === 'object' ? content.map((child) => child.xml).join('') : escapeXml(String(content));
  return { xml: `<${name}${head.join('')}>${inner}</${name}>` };
}

/** A document, as the protocol begins one. */
export const documentOf = (root: Element): string => `<?xml version="1.0" encoding="utf-8"?>${root.xml}`;
