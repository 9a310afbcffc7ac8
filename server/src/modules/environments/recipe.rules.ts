// What an environment is made of, read from its conda file or its list of requirements: a version of Python and requirements for
// pip, in one normal form, so that what means the same is built once. Whatever would be something else than was asked for, or
// comes from elsewhere than the index, is refused by its name. Pure. Sources: PEP 440, 503, 508; conda, match specifications.

import { sha256Hex } from '#kernel/crypto/digest';
import { environmentsFailures } from './environments.errors.ts';
import { firstForNumpy2, indexNames } from './packages.data.ts';
import type { YamlRead } from './yaml.rules.ts';

/** Raised whenever the same recipe would give another environment. */
const recipeVersion = '1';

export type Recipe = {
  readonly builder: string;
  /** `3.11` */
  readonly python: string;
  /** One line each, sorted. */
  readonly requirements: readonly string[];
  /** Of pip: `--pre` and the like, sorted. */
  readonly options: readonly string[];
};

export type ReadRecipe = {
  readonly recipe: Recipe;
  /** `sha256:…` of the recipe: what it is found again by. */
  readonly digest: string;
  /** What the log of the build says of it before it begins. */
  readonly remarks: readonly string[];
};

const linesMax = 500;
const lineMax = 1000;
/** They go into a variable of the build, together with the recipe. */
const remarksMax = 100;
const remarkMax = 200;
const refuse = environmentsFailures.EnvironmentNotBuildable;

/** The name of a project in its normal form (PEP 503). */
export const projectName = (name: string): string => name.replace(/[-_.]+/g, '-').toLowerCase();
export const isProjectName = (name: string): boolean => /^[a-z0-9](?:[a-z0-9-]{0,126}[a-z0-9])?$/.test(name);

/** A conda file or a list of requirements: as it is written, and as YAML. */
export type EnvironmentFile = { readonly text: string; readonly yaml: YamlRead };

/** What whoever needs the environment asks for beside its file. */
export type Needs = {
  /** `3.11.4`: the version of Python where the file names none. */
  readonly python?: string | undefined;
  /** Each is added where the file names none of its projects; nothing is where the file fixes every digest. */
  readonly packages?: readonly { readonly unless: readonly string[]; readonly add: string; readonly why: string }[];
};

/**
 * @param offered versions of Python that nodes have: the one that is taken when none is asked for first, then the newest that fits
 * @throws Failure `invalid`, with the entry and what to do
 */
export function readRecipe(file: EnvironmentFile, offered: readonly string[], needs: Needs = {}): ReadRecipe {
  const value = yamlOf(file);
  // What is none is a list of requirements: YAML makes one text of it, or nothing at all.
  if (!isMapping(value) || !known.some((key) => Object.hasOwn(value, key)))
    return readRequirements(file.text, offered, needs);
  const found = nothingFound();
  readConda(value, found);
  addBoundOfNumpy(found);
  return recipeOf(found, offered, needs);
}

/** A list of requirements, as pip reads it. */
export function readRequirements(text: string, offered: readonly string[], needs: Needs = {}): ReadRecipe {
  const found = nothingFound();
  for (const line of linesOf(text)) readRequirement(line, found);
  return recipeOf(found, offered, needs);
}

/**
 * The environment of a model as MLflow writes it for virtualenv: `python`, and requirements of which one may be the list beside it.
 * @param listed what `-r requirements.txt` stands for
 */
export function readPythonEnv(
  yaml: YamlRead,
  listed: string | undefined,
  offered: readonly string[],
  needs: Needs = {},
): ReadRecipe {
  const file = 'error' in yaml ? undefined : yaml.value;
  if (!isMapping(file))
    throw environmentsFailures.environmentFile('error' in yaml ? `cannot be read: ${yaml.error}.` : 'is no mapping.');
  const other = Object.keys(file).find((key) => !['python', 'build_dependencies', 'dependencies'].includes(key));
  if (other !== undefined)
    throw environmentsFailures.environmentFile(`holds '${other.slice(0, 60)}', which is not served.`);
  const { python, build_dependencies: first = [], dependencies: then = [] } = file;
  const found = nothingFound();
  if (typeof python === 'string') found.python = [condaVersion(`=${python}`, `python=${python}`)];
  else if (python !== undefined) throw environmentsFailures.environmentFile('has a version of Python that is no text.');
  for (const list of [first, then]) {
    if (!Array.isArray(list) || list.length > linesMax || list.some((line) => typeof line !== 'string'))
      throw environmentsFailures.environmentFile(
        `has a list of dependencies that is no list of at most ${linesMax} texts.`,
      );
    for (const line of list as readonly string[]) {
      if (!/^(-r|--requirement)\s+requirements\.txt$/.test(line.trim())) readRequirement(line, found);
      else if (listed === undefined) throw refuse(line, 'names a file that is not there.');
      else for (const one of linesOf(listed)) readRequirement(one, found);
    }
  }
  return recipeOf(found, offered, needs);
}

const linesOf = (text: string): readonly string[] => text.split(/\r?\n/);

function recipeOf(found: Found, offered: readonly string[], { python: otherwise, packages = [] }: Needs): ReadRecipe {
  if (found.python.length === 0 && otherwise !== undefined)
    found.python = [condaVersion(`=${otherwise}`, `python=${otherwise}`)];
  addNeeded(found, packages);
  const python = pythonOf(found, offered);
  const recipe: Recipe = {
    builder: recipeVersion,
    python,
    requirements: [...new Set(found.requirements)].sort(),
    options: [...found.options].sort(),
  };
  const remarks = found.remarks.slice(0, remarksMax).map((remark) => remark.slice(0, remarkMax));
  return { recipe, digest: `sha256:${sha256Hex(Buffer.from(JSON.stringify(recipe)))}`, remarks };
}

/** A wheel that was built for NumPy 1 says nothing of it, and is broken beside NumPy 2; its package of the channel would not have been. */
function addBoundOfNumpy({ requirements, remarks, ofChannels }: Found): void {
  if (requirements.some((line) => /^numpy[=<>~!]/.test(line) || line.includes('--hash='))) return;
  const old = ofChannels.find(isOlderThanNumpy2);
  if (old === undefined) return;
  requirements.push('numpy<2');
  remarks.push(`numpy<2: added, because ${old} was built for NumPy 1, which its package of a conda channel says`);
}

function isOlderThanNumpy2(requirement: string): boolean {
  const [, project = '', version = ''] = /^([a-z0-9-]+)==([0-9.]+?)(?:\.\*)?$/.exec(requirement) ?? [];
  const first = firstForNumpy2[project];
  if (first === undefined) return false;
  const parts = version.split('.').map(Number);
  // Of `1.4.*` the newest is taken, which may be new enough.
  const at = first.findIndex((number, index) => parts[index] !== number);
  return at >= 0 && parts[at] !== undefined && parts[at] < (first[at] ?? 0);
}

function addNeeded({ requirements, remarks }: Found, packages: NonNullable<Needs['packages']>): void {
  const named = new Set(requirements.map((line) => /^[a-z0-9-]+/.exec(line)?.[0] ?? ''));
  // pip takes no package without a digest beside packages with one: what is missing then is told by the import that fails.
  if (requirements.some((line) => line.includes('--hash='))) return;
  for (const { unless, add, why } of packages) {
    if (unless.some((project) => named.has(project))) continue;
    requirements.push(add);
    remarks.push(`${add}: added, because ${why}`);
  }
}

type Found = {
  /** Bounds of its version, each as it stands. */
  python: readonly string[];
  readonly requirements: string[];
  /** Those of them that are named as packages of a conda channel. */
  readonly ofChannels: string[];
  readonly options: Set<string>;
  readonly remarks: string[];
};
const nothingFound = (): Found => ({ python: [], requirements: [], ofChannels: [], options: new Set(), remarks: [] });

type Mapping = Readonly<Record<string, unknown>>;

const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function yamlOf({ text, yaml }: EnvironmentFile): unknown {
  if (!('error' in yaml)) return yaml.value;
  // A list of requirements need not be YAML; a conda file must.
  if (!/^\s*(dependencies|channels|name)\s*:/m.test(text)) return undefined;
  throw environmentsFailures.condaFile(`cannot be read: ${yaml.error}.`);
}

const known: readonly string[] = ['name', 'channels', 'dependencies', 'prefix'];

function readConda(file: Mapping, found: Found): void {
  const other = Object.keys(file).find((key) => !known.includes(key));
  if (other !== undefined)
    throw environmentsFailures.condaFile(
      `holds '${other.slice(0, 60)}', which is not served. It may hold name, channels and dependencies.`,
    );
  const { dependencies } = file;
  if (!Array.isArray(dependencies)) throw environmentsFailures.condaFile('has no list of dependencies.');
  if (dependencies.length > linesMax) throw environmentsFailures.condaFile(`has more than ${linesMax} dependencies.`);
  for (const entry of dependencies as readonly unknown[]) {
    if (typeof entry === 'string') readCondaPackage(entry, found);
    else if (isMapping(entry) && Object.keys(entry).length === 1 && Array.isArray(entry['pip'])) {
      const lines = entry['pip'] as readonly unknown[];
      if (lines.length > linesMax) throw environmentsFailures.condaFile(`has more than ${linesMax} entries of pip.`);
      for (const line of lines) {
        if (typeof line !== 'string') throw refuse(JSON.stringify(line), 'is no requirement of pip: write it as text.');
        readRequirement(line, found);
      }
    } else throw refuse(JSON.stringify(entry) ?? '', 'is neither the name of a package nor a list of pip.');
  }
}

/** `numpy`, `numpy=1.26`, `numpy==1.26.4`, `numpy>=1.2,<2`, `conda-forge::numpy 1.26.*` */
function readCondaPackage(entry: string, found: Found): void {
  const text = entry.trim();
  if (text.length > lineMax) throw refuse(text, 'is too long.');
  const [, channel, name = '', rest = ''] = /^(?:([\w./-]+)::)?([\w.-]+?)\s*([=<>!~ ].*)?$/.exec(text) ?? [];
  if (name === '' || /[[\]]/.test(text)) throw refuse(text, 'is not written as NAME, NAME=VERSION or NAME>=VERSION.');
  if (channel !== undefined && !/^(conda-forge|defaults|anaconda|main|pkgs\/main|pytorch)$/.test(channel))
    throw refuse(
      text,
      `is of the channel '${channel}', and packages come from the package index here. Write it below pip:, by its name there.`,
    );
  const version = condaVersion(rest.trim(), text);
  if (name.toLowerCase() === 'python') {
    // All that are asked for hold, as conda has it.
    if (version !== '') found.python = [...found.python, version];
    return;
  }
  const project = indexNames.get(name.toLowerCase());
  if (project === undefined)
    throw refuse(
      text,
      'is a package of a conda channel that is not known to be on the package index under this name. If it is a package of Python, write it below pip: by its name there; other programs cannot be had.',
    );
  found.requirements.push(`${project}${version}`);
  found.ofChannels.push(`${project}${version}`);
  found.remarks.push(`${text}: taken from the package index as ${project}${version}, not from a conda channel`);
}

/** A version in the words of pip: `=1.26` is any 1.26, `=1.26.4` exactly that one. */
function condaVersion(rest: string, entry: string): string {
  if (rest === '' || rest === '*' || rest === '=*') return '';
  const version = '[A-Za-z0-9.!+_]+';
  const bare = new RegExp(`^(={0,2})\\s*(${version}?)(\\.?\\*)?$`).exec(rest);
  if (bare !== null) {
    const [, operator, number = '', star] = bare;
    if (number === '') throw refuse(entry, 'has no version behind its sign.');
    const plain = number.replace(/\.$/, '');
    if (star !== undefined || (operator !== '==' && plain.split('.').length < 3)) return `==${plain}.*`;
    return `==${plain}`;
  }
  const parts = rest.split(',').map((part) => part.trim().replace(/\s+/g, ''));
  const isBound = new RegExp(`^(>=|<=|!=|==|~=|<|>)${version}(\\.\\*)?$`);
  if (parts.every((part) => isBound.test(part))) return [...parts].sort().join(',');
  throw refuse(
    entry,
    'names a build of a conda channel, or a version in a form that is not served. Write NAME=VERSION or NAME>=VERSION.',
  );
}

const optionsAlone: readonly string[] = ['--pre', '--prefer-binary'];

/** One line of a list of requirements (PEP 508, and a few options of pip). */
function readRequirement(given: string, found: Found): void {
  if (given.length > lineMax) throw refuse(given, 'is too long.');
  const line = given.replace(/(^|\s)#.*$/, '').trim();
  if (line === '') return;
  if (found.requirements.length >= linesMax)
    throw environmentsFailures.condaFile(`has more than ${linesMax} requirements.`);
  if (line.startsWith('-')) {
    readOption(line, found);
    return;
  }
  if (
    /^(git|hg|svn|bzr)\+/i.test(line) ||
    /^[\w.-]+(\[[^\]]*\])?\s*@/.test(line) ||
    /^[a-z][a-z0-9+.-]*:\/\//i.test(line)
  )
    throw refuse(
      line,
      'is fetched from an address, and packages come from the package index alone. Name a version that is there.',
    );
  if (/^[./~\\]|[\\/]|\.(whl|zip|tar|tgz|gz|bz2)$/i.test(line.split(/[;\s]/)[0] ?? ''))
    throw refuse(line, 'is a path. Name a version on the package index, or bring the package with the code.');
  const [requirement = '', ...hashes] = line.split(/\s+(?=--hash[=\s])/);
  found.requirements.push(
    [normalRequirement(requirement.trim(), line), ...hashes.map((hash) => hashOf(hash, line))].join(' '),
  );
}

function hashOf(option: string, line: string): string {
  const [, digest] = /^--hash[=\s]\s*sha256:([0-9a-f]{64})$/.exec(option.trim()) ?? [];
  if (digest === undefined) throw refuse(line, 'has a hash that is not --hash=sha256:… of 64 digits.');
  return `--hash=sha256:${digest}`;
}

function normalRequirement(text: string, line: string): string {
  const semicolon = text.indexOf(';');
  const marker =
    semicolon < 0
      ? ''
      : text
          .slice(semicolon + 1)
          .trim()
          .replace(/\s+/g, ' ');
  const head = (semicolon < 0 ? text : text.slice(0, semicolon)).trim();
  const [, name = '', extras = '', rest = ''] =
    /^([A-Za-z0-9][\w.-]{0,126})\s*(?:\[([\w., -]*)\])?\s*(.*)$/.exec(head) ?? [];
  if (!isProjectName(projectName(name))) throw refuse(line, 'does not begin with the name of a project.');
  const bounds = rest.replace(/^\((.*)\)$/, '$1').replace(/\s+/g, '');
  const parts = bounds === '' ? [] : bounds.split(',');
  for (const part of parts) {
    if (/^(===|~=|==|!=|<=|>=|<|>)[A-Za-z0-9.*+!_-]+$/.test(part)) continue;
    const isSingle = /^=[^=]/.test(part);
    throw refuse(
      line,
      isSingle
        ? `has one sign of equality; pip writes ${name}==${part.slice(1)}.`
        : 'has a version that pip does not read.',
    );
  }
  if (marker !== '' && !/^[\w.'"<>=!~ ()+-]{1,500}$/.test(marker))
    throw refuse(line, 'has a marker that pip does not read.');
  const chosen = extras
    .split(',')
    .map((extra) => projectName(extra.trim()))
    .filter((extra) => extra !== '');
  const inside = chosen.length === 0 ? '' : `[${[...new Set(chosen)].sort().join(',')}]`;
  return `${projectName(name)}${inside}${[...parts].sort().join(',')}${marker === '' ? '' : `; ${marker}`}`;
}

function readOption(line: string, found: Found): void {
  const [, option = '', value = ''] = /^(-[\w-]*)[=\s]*(.*)$/.exec(line) ?? [];
  if (optionsAlone.includes(line)) {
    found.options.add(line);
    return;
  }
  if ((option === '--only-binary' || option === '--no-binary') && /^(:all:|:none:|[\w.-]+(,[\w.-]+)*)$/.test(value)) {
    found.options.add(`${option}=${value}`);
    return;
  }
  // What pip asks by itself: named again it changes nothing.
  if ((option === '-i' || option === '--index-url') && /^https:\/\/pypi\.org\/simple\/?$/.test(value)) return;
  if (['-i', '--index-url', '--extra-index-url', '-f', '--find-links', '--trusted-host', '--no-index'].includes(option))
    throw refuse(
      line,
      'names another package index. There is one for this server, which its operator sets (environments.index); leave the line out.',
    );
  if (['-e', '--editable'].includes(option))
    throw refuse(line, 'installs a folder. Bring the package with the code, or name a version on the package index.');
  if (['-r', '--requirement', '-c', '--constraint'].includes(option))
    throw refuse(line, 'names another file. Write its lines here.');
  throw refuse(
    line,
    'is an option of pip that is not served. Served are --pre, --prefer-binary, --only-binary and --no-binary.',
  );
}

function pythonOf({ python: named, remarks }: Found, offered: readonly string[]): string {
  const bounds = named.filter((bound) => bound !== '');
  const [first] = offered;
  if (first === undefined) throw environmentsFailures.NodesStarting();
  if (bounds.length === 0) return first;
  const python = bounds.join(',');
  const chosen = offered.find((version) => allows(python, version));
  if (chosen === undefined) throw environmentsFailures.pythonNotOffered(python.replace(/^==|\.\*$/g, ''), offered);
  if (/^==\d+\.\d+\.\d+$/.test(python))
    remarks.push(`python${python.replace('==', '=')}: the node has a ${chosen} of its own, which is taken`);
  return chosen;
}

/** Whether a minor version of Python lies within the bounds; the last number of a version of three does not count. */
function allows(bounds: string, offered: string): boolean {
  const [, minor = 0] = offered.split('.').map(Number);
  return bounds.split(',').every((bound) => {
    const [, operator = '', version = ''] = /^(>=|<=|!=|==|~=|<|>)(.*)$/.exec(bound) ?? [];
    const [major = 0, wanted, patch] = version.replace(/\.\*$/, '').split('.').map(Number);
    if (major !== 3) return operator === '>=' || operator === '>' ? major < 3 : operator.startsWith('<') && major > 3;
    if (wanted === undefined) return operator !== '<' && operator !== '!=';
    switch (operator) {
      case '>=':
        return minor >= wanted;
      case '~=':
        // Of three numbers the second stays, of two the first.
        return patch === undefined ? minor >= wanted : minor === wanted;
      case '>':
        return patch === undefined ? minor > wanted : minor >= wanted;
      case '<=':
        return minor <= wanted;
      case '<':
        return patch === undefined || patch === 0 ? minor < wanted : minor <= wanted;
      case '!=':
        return patch !== undefined || minor !== wanted;
      default:
        return minor === wanted;
    }
  });
}
