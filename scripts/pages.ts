// `npm run pages`: writes every page that is printed from the code (pagesOf). With `--check` nothing is written: it exits 1 and
// names the pages that differ, and of a description in openapi/ the operations.

import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { composedRoutes } from './openapi/routes.ts';
import { pagesOf } from './pages/pages.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** `operation: what differs`, for the operations of two versions of a document. */
function differences(before: string, after: string): readonly string[] {
  const [old, now] = [operationsIn(before), operationsIn(after)];
  const named = [...new Set([...old.keys(), ...now.keys()])].sort().flatMap((name) => {
    if (!old.has(name)) return [`${name} is not described`];
    if (!now.has(name)) return [`${name} is described and does not exist`];
    return old.get(name) === now.get(name) ? [] : [`${name} is described otherwise`];
  });
  return named.length > 0 ? named : ['shared parts differ'];
}

function operationsIn(document: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const walk = (value: unknown, at: string): void => {
    if (typeof value !== 'object' || value === null) return;
    if ('operationId' in value) found.set(String(value.operationId), `${at} ${JSON.stringify(value)}`);
    else for (const [name, inner] of Object.entries(value)) walk(inner, `${at}/${name}`);
  };
  try {
    walk(JSON.parse(document), '');
  } catch {
    // What is no JSON describes nothing.
  }
  return found;
}

/** What is there: the folder openapi/ is ours alone, so that what lies there and is no page is found too. */
function present(wanted: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const paths = new Set([...wanted.keys(), ...globSync('openapi/*.{json,md}', { cwd: root })]);
  return new Map(globSync([...paths], { cwd: root }).map((path) => [path, readFileSync(root + path, 'utf8')]));
}

async function main(isCheck: boolean): Promise<number> {
  const wanted = await pagesOf(await composedRoutes());
  const found = present(wanted);
  if (!isCheck) {
    for (const path of found.keys()) if (!wanted.has(path)) rmSync(root + path);
    for (const [path, content] of wanted) if (found.get(path) !== content) writeFileSync(root + path, content);
    process.stdout.write(`${wanted.size} pages are as the code says\n`);
    return 0;
  }
  const wrong = [...new Set([...wanted.keys(), ...found.keys()])].sort().flatMap((path) => {
    const [before, after] = [found.get(path), wanted.get(path)];
    if (before === after) return [];
    if (before === undefined) return [`${path} is missing`];
    if (after === undefined) return [`${path} describes a surface that does not exist`];
    if (!path.endsWith('.json')) return [`${path} is not what the code says`];
    return differences(before, after).map((line) => `${path}: ${line}`);
  });
  for (const line of wrong) process.stdout.write(`${line}\n`);
  if (wrong.length > 0) process.stdout.write('Run `npm run pages` and look at what changed.\n');
  return wrong.length === 0 ? 0 : 1;
}

process.exit(await main(process.argv.includes('--check')));
