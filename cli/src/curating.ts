// The curated set: registered in one workspace, built and tried by a job each, and what the operator then lets stand for Azure's
// names. What the map names was built and imported what it promises; what could not be built is not in it.

import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { nodePython } from '@strongroom/contract/assets';
import type { JsonObject } from '@strongroom/contract/client';
import { isMap, isScalar, isSeq, parseDocument, YAMLSeq } from 'yaml';
import type { Context } from './context.ts';
import { type CuratedSet, curatedBases } from './curated.data.ts';
import { UsageError } from './exit.ts';
import { propertiesOf, waitForJob } from './work.ts';

export type Curated = {
  readonly set: CuratedSet;
  readonly python: string;
  readonly environment: string;
  readonly id: string;
  readonly job: string;
  /** Why it is not there; undefined: it was built, and imports what it promises. */
  readonly error: string | undefined;
};

/** `curated-sklearn-1.5-py311`, which says what is in it wherever it is listed. */
const nameOf = ({ name }: CuratedSet, python: string) => `curated-${name}-py${python.replace('.', '')}`;

/** As a conda file, which every JSON of this form is. */
const condaOf = (set: CuratedSet, python: string) =>
  JSON.stringify({ dependencies: [`python=${python}`, { pip: set.pythons[python] ?? [] }] });

/** All at once: each build waits for a node by itself. Answers in the order that was given. */
export async function curate(
  context: Context,
  wanted: readonly { readonly set: CuratedSet; readonly python: string }[],
  told: (line: string) => void,
): Promise<readonly Curated[]> {
  const begun: Omit<Curated, 'error'>[] = [];
  for (const { set, python } of wanted) {
    const one = await begin(context, set, python);
    told(`${one.environment}: is built for the job ${one.job}`);
    begun.push(one);
  }
  return await Promise.all(
    begun.map(async (one) => {
      const { error, status } = propertiesOf(
        await waitForJob(context.client, context.workspace, one.job, context.shell.sleep),
      );
      const why = (error as { readonly message?: string } | undefined)?.message ?? `its job ended as ${String(status)}`;
      told(`${one.environment}: ${status === 'Completed' ? 'built' : why}`);
      return { ...one, error: status === 'Completed' ? undefined : why };
    }),
  );
}

async function begin({ client, workspace }: Context, set: CuratedSet, python: string): Promise<Omit<Curated, 'error'>> {
  const [name, version] = [nameOf(set, python), String(set.revision)];
  const id = workspace.environmentVersion(name, version);
  const properties: JsonObject = {
    image: nodePython,
    condaFile: condaOf(set, python),
    osType: 'Linux',
    description: `${set.description}, for Python ${python}`,
  };
  await client.settle('PUT', id, { body: { properties } });
  const job = `${name.replaceAll('.', '-')}-${randomBytes(4).toString('hex')}`;
  const command = `python -c "import ${set.imports.join(', ')}"`;
  await client.settle('PUT', workspace.job(job), {
    body: {
      properties: {
        jobType: 'Command',
        experimentName: 'curated_environments',
        displayName: `${name}:${version}`,
        command,
        environmentId: id,
      },
    },
  });
  return { set, python, environment: `${name}:${version}`, id, job };
}

/**
 * `PATTERN=TARGET`, as `environments.images` has them. The first Python that a set was built for stands for it: they come in the
 * order in which the nodes offer them.
 */
export function mapOf(curated: readonly Curated[]): readonly string[] {
  const built = curated.filter(({ error }) => error === undefined);
  const first = built.filter(({ set }, at) => built.findIndex((other) => other.set === set) === at);
  return [
    ...first.flatMap(({ set, id }) => set.standsFor.map((pattern) => `${pattern}=${id}`)),
    ...curatedBases.map((pattern) => `${pattern}=${nodePython}`),
  ];
}

/**
 * Puts the map into the server's configuration file; everything else in it stays as it is, comments too. A pattern that stands there
 * for something else was put there by somebody, and stays. Answers those.
 */
export function writeMap(file: string, map: readonly string[]): readonly string[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (thrown) {
    throw new UsageError(`${file} cannot be read: ${thrown instanceof Error ? thrown.message : ''}. It is not made.`);
  }
  const document = parseDocument(text);
  const root = document.contents;
  if (document.errors.length > 0 || !(root === null || isMap(root)))
    throw new UsageError(`${file} is no configuration.`);
  // An empty file, and a heading with nothing below it.
  if (root === null) document.contents = document.createNode({}) as unknown as typeof document.contents;
  if (!isMap(document.get('environments'))) {
    if (document.get('environments') !== undefined && document.get('environments') !== null)
      throw new UsageError(`environments in ${file} is no mapping.`);
    document.set('environments', document.createNode({}));
  }
  const images = document.getIn(['environments', 'images']);
  if (images !== undefined && images !== null && !isSeq(images))
    throw new UsageError(`environments.images in ${file} is no list.`);
  const list = isSeq(images) ? images : new YAMLSeq();
  const present = new Map(
    list.items.map((item, at): [string, number] => [patternOf(String(isScalar(item) ? item.value : item)), at]),
  );
  const left: string[] = [];
  for (const line of map) {
    const at = present.get(patternOf(line));
    const before =
      at === undefined ? undefined : String((list.items[at] as { value?: unknown }).value ?? list.items[at]);
    if (before === line) continue;
    if (before === undefined) list.add(document.createNode(line));
    else if (at !== undefined && /\/environments\/curated-[^/]+\/versions\/\d+$/i.test(before))
      list.items[at] = document.createNode(line);
    else left.push(before);
  }
  document.setIn(['environments', 'images'], list);
  writeFileSync(file, document.toString({ lineWidth: 0 }));
  return left;
}

const patternOf = (line: string) =>
  line
    .slice(0, Math.max(line.lastIndexOf('='), 0))
    .trim()
    .toLowerCase();
