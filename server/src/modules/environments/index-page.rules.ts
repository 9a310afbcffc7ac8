// A project's page of a package index, read as it arrives: the files that it lists, each with its address, its digest and what pip
// asks of it. Written by strangers, so it is read by one narrow pattern and nothing else of it is passed on. Pure.
// Sources: PEP 503, 592, 658, 714; the simple repository API.

import { hasControlCharacter } from '#kernel/ids/characters';

export type IndexFile = {
  readonly name: string;
  readonly url: string;
  readonly sha256: string;
  readonly requiresPython: string | undefined;
  /** Why it was withdrawn; undefined: it was not. */
  readonly yanked: string | undefined;
  /** SHA-256 of its metadata, which the index serves beside it. */
  readonly metadata: string | undefined;
};

const tagMax = 16_384;
export const filesMax = 50_000;

type PageReader = {
  /** Files that the text ends; throws an Error for a page that is none. */
  feed(text: string): readonly IndexFile[];
};

/** @param pageUrl what addresses on the page are relative to */
export function createPageReader(pageUrl: URL): PageReader {
  let rest = '';
  let count = 0;
  return {
    feed(text) {
      rest += text;
      const found: IndexFile[] = [];
      let at = 0;
      for (;;) {
        const begin = rest.indexOf('<a', at);
        if (begin < 0) {
          at = Math.max(at, rest.length - 1);
          break;
        }
        const end = endOfTag(rest, begin);
        if (end < 0) {
          if (rest.length - begin > tagMax) throw new Error('a link of the index is too long');
          at = begin;
          break;
        }
        const file = /^\s/.test(rest.slice(begin + 2, begin + 3))
          ? fileIn(rest.slice(begin + 2, end), pageUrl)
          : undefined;
        if (file !== undefined) found.push(file);
        count += 1;
        if (count > filesMax) throw new Error('a project of the index has too many files');
        at = end + 1;
      }
      rest = rest.slice(at);
      return found;
    },
  };
}

/** Where the tag ends that begins there; a sign of its end within quotes is none. */
function endOfTag(text: string, begin: number): number {
  let quote = '';
  for (let at = begin; at < text.length; at++) {
    const character = text[at] ?? '';
    if (quote !== '') quote = character === quote ? '' : quote;
    else if (character === '"' || character === "'") quote = character;
    else if (character === '>') return at;
  }
  return -1;
}

function fileIn(tag: string, pageUrl: URL): IndexFile | undefined {
  const attributes = new Map<string, string>();
  for (const [, name = '', quoted, apostrophed] of tag.matchAll(
    /([a-zA-Z-]{1,64})(?:\s*=\s*(?:"([^"]*)"|'([^']*)'))?/g,
  ))
    if (!attributes.has(name.toLowerCase())) attributes.set(name.toLowerCase(), unescaped(quoted ?? apostrophed ?? ''));
  const href = attributes.get('href');
  if (href === undefined || !URL.canParse(href, pageUrl.href)) return undefined;
  const url = new URL(href, pageUrl);
  const sha256 = /^#(?:.*&)?sha256=([0-9a-f]{64})(?:&|$)/.exec(url.hash)?.[1];
  const name = nameOf(url);
  // Without a digest nothing can be said of what comes: such a file does not exist here.
  if (sha256 === undefined || name === undefined) return undefined;
  url.hash = '';
  const metadata = attributes.get('data-core-metadata') ?? attributes.get('data-dist-info-metadata');
  return {
    name,
    url: url.href,
    sha256,
    requiresPython: attributes.get('data-requires-python'),
    yanked: attributes.get('data-yanked'),
    metadata: /^sha256=([0-9a-f]{64})$/.exec(metadata ?? '')?.[1],
  };
}

/** Names that pip asks for: wheels and archives of sources. */
export const isFileName = (name: string): boolean =>
  /^[A-Za-z0-9][\w.!+-]{0,254}\.(whl|tar\.gz|zip|tar\.bz2|tgz)$/.test(name) && !name.includes('..');

function nameOf({ pathname }: URL): string | undefined {
  try {
    const name = decodeURIComponent(pathname.slice(pathname.lastIndexOf('/') + 1));
    return isFileName(name) && !hasControlCharacter(name) ? name : undefined;
  } catch {
    return undefined;
  }
}

const entities: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  '#39': "'",
  '#34': '"',
  '#62': '>',
  '#60': '<',
};
const unescaped = (text: string) => text.replace(/&(#?\w{1,6});/g, (whole, name: string) => entities[name] ?? whole);
const escaped = (text: string) => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** A file as it is listed to pip: below our own address, with the digest that we hold it to. */
export function linkOf(file: IndexFile, project: string): string {
  const attributes = [
    `href="../../files/${project}/${file.sha256}/${encodeURIComponent(file.name)}#sha256=${file.sha256}"`,
    ...(file.requiresPython === undefined
      ? []
      : [`data-requires-python="${escaped(file.requiresPython.slice(0, 256))}"`]),
    ...(file.yanked === undefined ? [] : [`data-yanked="${escaped(file.yanked.slice(0, 256))}"`]),
    ...(file.metadata === undefined ? [] : [`data-core-metadata="sha256=${file.metadata}"`]),
  ];
  return `<a ${attributes.join(' ')}>${escaped(file.name)}</a><br/>\n`;
}

export const pageHead =
  '<!DOCTYPE html>\n<html><head><meta name="pypi:repository-version" content="1.1"><title>files</title></head><body>\n';
export const pageFoot = '</body></html>\n';
