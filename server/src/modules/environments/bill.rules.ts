// What was installed, as the build says and the server has handed out, and the bill of materials that is made of it. Pure.
// Sources: CycloneDX 1.6; package URL, type pypi.

import type { Static } from '@strongroom/contract/schema';
import { Type } from '@strongroom/contract/schema';
import { environmentsFailures } from './environments.errors.ts';
import { projectName } from './recipe.rules.ts';

const entry = Type.Object({
  name: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,126}$' }),
  version: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9.!+_-]{0,127}$' }),
  file: Type.String({ maxLength: 300 }),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
});
export const lockSchema = Type.Object({
  python: Type.String({ pattern: '^3\\.[0-9]{1,3}$' }),
  /** Of its interpreter; absent in what was built before it was written down. */
  abi: Type.Optional(Type.String({ pattern: '^cpython-3[0-9]{1,3}-[a-z0-9_-]{1,40}$' })),
  builder: Type.String({ maxLength: 16 }),
  pip: Type.Optional(entry),
  packages: Type.Array(entry, { maxItems: 2000 }),
});
export type Lock = Static<typeof lockSchema> & {
  /** Of what a Dockerfile made, and never from a build's own words: see `EnvironmentImage`. */
  readonly links?: readonly string[];
  readonly variables?: Readonly<Record<string, string>>;
};

/** What one was built on, by its digest. */
export type BuiltOn = { readonly repository: string; readonly digest: string };

/** A list that looks whole and is not would be worse than none. */
const ofDockerfile =
  'Packages are what pip was given by the package index; what commands of the Dockerfile copy, compile or write is not listed.';

export const bomType = 'application/vnd.cyclonedx+json';

/** A file that a build was given: its name, and the page of the index that lists it. */
export type Given = { readonly file: string; readonly page: string };
export const givenKey = (project: string, sha256: string): string => `${projectName(project)} ${sha256}`;

/** Throws `invalid` for what was not handed to this build: each digest, under the name of its file, as a file of that project. */
export function checkLock({ packages, pip }: Lock, given: ReadonlyMap<string, Given>): void {
  for (const { name, file, sha256 } of [...packages, ...(pip === undefined ? [] : [pip])])
    if (given.get(givenKey(name, sha256))?.file !== file)
      throw environmentsFailures.ResultRefused(`it names a file of '${name}' that this build was not given`);
}

/**
 * The packages that a build was given, by the names of their files: `numpy-2.1.0-cp311-….whl`, `six-1.17.0.tar.gz`.
 * @param given by `givenKey`
 */
export function packagesIn(given: ReadonlyMap<string, Given>): Lock['packages'] {
  return [...given].map(([key, { file }]) => {
    const [name = '', sha256 = ''] = key.split(' ');
    const [, version = 'unknown'] =
      /^[^-]{1,128}-([0-9][A-Za-z0-9.!+_]{0,126})-.{1,200}\.whl$/.exec(file) ??
      /-([0-9][A-Za-z0-9.!+_]{0,126})\.(?:tar\.gz|tar\.bz2|zip)$/.exec(file) ??
      [];
    return { name, version, file, sha256 };
  });
}

/** The same lock from the same indexes gives the same bytes: it has no serial number and no time. */
export function billOf(
  lock: Lock,
  given: ReadonlyMap<string, Given>,
  image: BuiltOn,
  of?: { readonly base: BuiltOn | undefined },
): Buffer {
  const packages = [...lock.packages]
    .sort((one, other) => (projectName(one.name) < projectName(other.name) ? -1 : 1))
    .map(({ name, version, file, sha256 }) => {
      const page = given.get(givenKey(name, sha256))?.page;
      const purl = `pkg:pypi/${projectName(name)}@${encodeURIComponent(version)}`;
      return {
        type: 'library',
        'bom-ref': purl,
        name,
        version,
        hashes: [{ alg: 'SHA-256', content: sha256 }],
        purl,
        ...(page === undefined ? {} : { externalReferences: [{ type: 'distribution', url: page }] }),
        properties: [{ name: 'strongroom:file', value: file }],
      };
    });
  const ref = `${image.repository}@${image.digest}`;
  const base = of?.base;
  const components = [
    ...(base === undefined
      ? []
      : [
          {
            type: 'container',
            'bom-ref': `${base.repository}@${base.digest}`,
            name: base.repository,
            version: base.digest,
          },
        ]),
    ...packages,
  ];
  return Buffer.from(
    JSON.stringify({
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      version: 1,
      metadata: {
        component: { type: 'container', 'bom-ref': ref, name: image.repository, version: image.digest },
        properties: [
          ...(base === undefined ? [{ name: 'strongroom:python', value: lock.python }] : []),
          ...(of === undefined ? [] : [{ name: 'strongroom:scope', value: ofDockerfile }]),
          ...(lock.abi === undefined ? [] : [{ name: 'strongroom:abi', value: lock.abi }]),
        ],
      },
      components,
      dependencies: [{ ref, dependsOn: components.map((component) => component['bom-ref']) }],
    }),
  );
}
