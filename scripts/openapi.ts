// `npm run openapi`: writes openapi/<surface>.json, one description for each protocol that the server speaks, out of the
// composed routes, and openapi/properties.md, what resources of Azure have and ours do not serve. With `--check` nothing is written: it exits 1 and names the operations that differ.

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { kernelFailures } from '../server/src/kernel/failures.ts';
import { documentOf } from './openapi/document.ts';
import { propertiesFile, propertiesOf } from './openapi/properties.ts';
import { type Composition, composedRoutes } from './openapi/routes.ts';

const folder = fileURLToPath(new URL('../openapi/', import.meta.url));

/** File name → content. */
export function documentsOf({ routes, modules, version }: Composition): ReadonlyMap<string, string> {
  /** Of the modules that answer on a surface: by routes of theirs, or by kinds of resources. */
  const answering = (surface: string) =>
    modules.filter(
      ({ kinds = [], routes: own = [] }) =>
        (surface === 'arm' && kinds.length > 0) || own.some((route) => route.surface === surface),
    );
  const surfaces = [...new Set(routes.map((route) => route.surface))].sort();
  return new Map(
    surfaces.map((surface) => [
      `${surface}.json`,
      documentOf(
        surface,
        routes.filter((route) => route.surface === surface),
        version,
        [...kernelFailures, ...answering(surface).flatMap(({ failures = [] }) => failures)],
      ),
    ]),
  );
}

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

function present(): ReadonlyMap<string, string> {
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith('.json') || name === propertiesFile);
    return new Map(names.map((name) => [name, readFileSync(folder + name, 'utf8')]));
  } catch {
    return new Map();
  }
}

async function main(isCheck: boolean): Promise<number> {
  const composition = await composedRoutes();
  const { routes, kinds } = composition;
  const wanted = new Map([...documentsOf(composition), [propertiesFile, propertiesOf(kinds)]]);
  const found = present();
  if (!isCheck) {
    for (const name of found.keys()) if (!wanted.has(name)) rmSync(folder + name);
    for (const [name, content] of wanted) writeFileSync(folder + name, content);
    process.stdout.write(`${routes.length} operations of ${wanted.size - 1} surfaces are in openapi/\n`);
    return 0;
  }
  const wrong = [...new Set([...wanted.keys(), ...found.keys()])].sort().flatMap((name) => {
    const [before, after] = [found.get(name), wanted.get(name)];
    if (before === after) return [];
    if (before === undefined) return [`openapi/${name} is missing`];
    if (after === undefined) return [`openapi/${name} describes a surface that does not exist`];
    return differences(before, after).map((line) => `openapi/${name}: ${line}`);
  });
  for (const line of wrong) process.stdout.write(`${line}\n`);
  if (wrong.length > 0) process.stdout.write('Run `npm run openapi` and look at what changed.\n');
  return wrong.length === 0 ? 0 : 1;
}

if (import.meta.main) process.exit(await main(process.argv.includes('--check')));
