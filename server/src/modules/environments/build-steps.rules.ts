// What a Dockerfile does, in one normal form: steps with every variable put in, and what its image says of itself. Refuses by line what
// is not done here, so that nothing is run of a file that could not be run to its end. Pure.
// Sources: Dockerfile reference; OCI Image Format Specification 1.1 (config).

import { posix } from 'node:path';
import { findNamedCredential } from '#kernel/credentials/credentials';
import { type Instruction, jsonList, refuse } from './dockerfile.rules.ts';
import { expand, type Variables, wordsOf } from './dockerfile-words.rules.ts';
import { healthcheckOf, portsOf } from './image-config.rules.ts';
import { fits, isPattern, readPattern, TooMuchWork, type Work } from './path-patterns.rules.ts';

/** Each with the line that it is for, and that line as its log shows it. */
export type Step = { readonly line: number; readonly text: string } & (
  | {
      readonly do: 'run';
      /** The program first. */
      readonly argv: readonly string[];
      readonly environment: Readonly<Record<string, string>>;
      readonly cwd: string;
    }
  | { readonly do: 'folder'; readonly path: string }
  | {
      readonly do: 'copy';
      /** Of the context, `/`-separated; empty: all of it. Of a folder what is in it. */
      readonly sources: readonly string[];
      readonly to: string;
      /** `to` is a folder, there or not. */
      readonly isFolder: boolean;
      /** `755`, of files. */
      readonly mode?: string;
      /** A file of them that is an archive ends the build: what asks for it would have it unpacked. */
      readonly noArchive?: true;
    }
);

/** As the configuration of an image has it. */
export type ImageConfig = Readonly<Record<string, unknown>>;

export type BaseConfig = {
  readonly environment: Variables;
  readonly workingDir: string;
  readonly shell: readonly string[] | undefined;
  /** What else it says of itself. */
  readonly config: ImageConfig;
};

export type Built = {
  readonly steps: readonly Step[];
  /** Of the image that is made, without what its base image sets. */
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDir: string;
  readonly config: ImageConfig;
};

/** Of all steps together, written down. */
const bytesMax = 1024 * 1024;
const variablesMax = 500;
const workMax = 2_000_000;
const textMax = 200;
const defaultShell: readonly string[] = ['/bin/sh', '-c'];
const elsewhere = 'Build the image where you have podman or docker, and push it to the registry of the workspace';
/** Set by BuildKit for whoever declares them. */
const automatic = /^(?:TARGET|BUILD)(?:PLATFORM|OS|ARCH|VARIANT)$/;

type Stage = { readonly image: string; readonly line: number; readonly rest: readonly Instruction[] };

/** What it stands on, by the name that it says. */
export function stageOf(instructions: readonly Instruction[]): Stage {
  const before = new Map<string, string>();
  const from = instructions.findIndex(({ name }) => name === 'FROM');
  const first = instructions.find(({ name }, index) => (from < 0 || index < from) && name !== 'ARG');
  if (first !== undefined)
    throw refuse(first.line, first.name, 'stands before FROM. A Dockerfile begins with FROM IMAGE.');
  const stage = instructions[from];
  if (stage === undefined) throw refuse(1, 'FROM', 'is missing. A Dockerfile begins with FROM IMAGE.');
  for (const each of instructions.slice(0, from)) declare(each, before, before);
  const second = instructions.find(({ name }, index) => index > from && name === 'FROM');
  if (second !== undefined)
    throw refuse(second.line, 'FROM', `begins another stage. One stage is built here. ${elsewhere}.`);
  const [flag] = stage.flags;
  if (flag !== undefined)
    throw refuse(
      stage.line,
      `FROM --${flag[0]}`,
      'is not served: an image is for the platform of the nodes. Leave it out.',
    );
  const words = expand(stage.line, stage.rest, before)
    .split(/\s+/)
    .filter((word) => word !== '');
  const [image = '', as, name, ...more] = words;
  const isNamed = as === undefined || (as.toLowerCase() === 'as' && name !== undefined && more.length === 0);
  if (image === '' || !isNamed) throw refuse(stage.line, 'FROM', 'is written as FROM IMAGE or FROM IMAGE AS NAME.');
  if (image.toLowerCase() === 'scratch')
    throw refuse(stage.line, 'FROM scratch', `has nothing in it, not even a shell to run a job. ${elsewhere}.`);
  return { image, line: stage.line, rest: instructions.slice(from + 1) };
}

/** `ARG NAME`, `ARG NAME=value …`. Nobody gives values for them here. */
function declare({ line, rest }: Instruction, into: Map<string, string>, variables: Variables): void {
  const words = wordsOf(line, rest);
  if (words.length === 0) throw refuse(line, 'ARG', 'is written as ARG NAME or ARG NAME=value.');
  const known = new Map(variables);
  for (const word of words) {
    const at = word.indexOf('=');
    const name = at < 0 ? word : word.slice(0, at);
    checkName(line, 'ARG', name);
    if (automatic.test(name))
      throw refuse(line, `ARG ${name}`, 'is not set here. Give it a name of its own, and a value.');
    if (at < 0) continue;
    const value = expand(line, word.slice(at + 1), known);
    checkValue(line, 'ARG', name, value);
    into.set(name, value);
    known.set(name, value);
  }
}

function checkName(line: number, instruction: string, name: string): void {
  if (!/^[A-Za-z_][A-Za-z0-9_.-]{0,199}$/.test(name))
    throw refuse(line, `${instruction} ${name.slice(0, 60)}`, 'has no name of a variable.');
}

/** It would stand in the image, for everybody who may pull it. */
function checkValue(line: number, instruction: string, name: string, value: string): void {
  const found = findNamedCredential(name, value);
  if (found === undefined) return;
  throw refuse(
    line,
    `${instruction} ${name.slice(0, 60)}`,
    `looks like ${found}, and would be in the image for everybody. Leave it out; a job gets secrets by secretsConfiguration or \${{keyvault:…}}.`,
  );
}

/** @param files paths of the context, in which nothing is that is left out */
export function buildOf(instructions: readonly Instruction[], base: BaseConfig, files: readonly string[]): Built {
  const state: State = {
    environment: new Map(base.environment),
    own: new Map(),
    declared: new Map(),
    cwd: base.workingDir,
    shell: base.shell ?? defaultShell,
    config: { ...base.config },
    steps: [],
    context: contextOf(files),
    work: { left: workMax },
    bytes: 0,
  };
  for (const instruction of instructions) {
    try {
      does[instruction.name]?.(instruction, state);
    } catch (thrown) {
      if (!(thrown instanceof TooMuchWork)) throw thrown;
      throw refuse(
        instruction.line,
        instruction.name,
        'has more patterns for more files than are compared. Name folders.',
      );
    }
    if (state.own.size > variablesMax)
      throw refuse(instruction.line, instruction.name, `sets more than ${variablesMax} variables.`);
  }
  const { steps, own, cwd, config } = state;
  return { steps, environment: Object.fromEntries(own), workingDir: cwd, config };
}

type State = {
  /** Of the image, that of its base included. */
  readonly environment: Map<string, string>;
  readonly own: Map<string, string>;
  readonly declared: Map<string, string>;
  cwd: string;
  shell: readonly string[];
  readonly config: Record<string, unknown>;
  readonly steps: Step[];
  readonly context: Context;
  readonly work: Work;
  bytes: number;
};

/** What is declared gives way to what is set, whichever came first. */
const variablesOf = ({ declared, environment }: State): Map<string, string> => new Map([...declared, ...environment]);
const textOf = ({ name, flags, rest }: Instruction): string =>
  [name, ...flags.map(([flag, value]) => (value === '' ? `--${flag}` : `--${flag}=${value}`)), rest]
    .join(' ')
    .replace(/\s+/g, ' ')
    .slice(0, textMax);

type Doing = { readonly [Kind in Step['do']]: Omit<Extract<Step, { readonly do: Kind }>, 'line' | 'text'> }[Step['do']];

function add(state: State, instruction: Instruction, step: Doing): void {
  const whole = { line: instruction.line, text: textOf(instruction), ...step } as Step; // one of them, with what all have
  state.bytes += JSON.stringify(whole).length;
  if (state.bytes > bytesMax)
    throw refuse(instruction.line, instruction.name, `brings the steps to more than ${bytesMax / 1024} KiB.`);
  state.steps.push(whole);
}

/** `a=b c=d`, or for ENV and LABEL of old `a b c`. */
function pairsOf({ line, name, rest }: Instruction, variables: Variables): readonly (readonly [string, string])[] {
  const words = wordsOf(line, rest);
  const [first = ''] = words;
  if (words.length === 0) throw refuse(line, name, `is written as ${name} NAME=value.`);
  if (!first.includes('=')) {
    if (words.length < 2) throw refuse(line, `${name} ${first.slice(0, 60)}`, 'has no value.');
    return [
      [expand(line, first, variables), expand(line, rest.slice(rest.indexOf(first) + first.length).trim(), variables)],
    ];
  }
  return words.map((word) => {
    const at = word.indexOf('=');
    if (at <= 0) throw refuse(line, `${name} ${word.slice(0, 60)}`, 'is not NAME=value.');
    return [expand(line, word.slice(0, at), variables), expand(line, word.slice(at + 1), variables)];
  });
}

const listOrShell = ({ rest }: Instruction, shell: readonly string[]): readonly string[] =>
  jsonList(rest) ?? [...shell, rest];

function folderAt(line: number, name: string, cwd: string, path: string): string {
  if (path === '' || path.length > 1000 || path.includes('\0'))
    throw refuse(line, name, 'has no path, or one that is too long.');
  return posix.resolve('/', cwd, path);
}

const notHere = (what: string) => (instruction: Instruction) => {
  throw refuse(instruction.line, instruction.name, what);
};

const does: Readonly<Record<string, (instruction: Instruction, state: State) => void>> = {
  ARG: (instruction, state) => declare(instruction, state.declared, variablesOf(state)),
  ENV(instruction, state) {
    // All of one instruction see what was before it.
    for (const [name, value] of pairsOf(instruction, variablesOf(state))) {
      checkName(instruction.line, 'ENV', name);
      checkValue(instruction.line, 'ENV', name, value);
      state.environment.set(name, value);
      state.own.set(name, value);
    }
  },
  LABEL(instruction, state) {
    const pairs = pairsOf(instruction, variablesOf(state));
    state.config['Labels'] = { ...(state.config['Labels'] as object | undefined), ...Object.fromEntries(pairs) };
  },
  MAINTAINER(instruction, state) {
    state.config['Labels'] = { ...(state.config['Labels'] as object | undefined), maintainer: instruction.rest };
  },
  WORKDIR(instruction, state) {
    const { line, rest } = instruction;
    state.cwd = folderAt(line, 'WORKDIR', state.cwd, expand(line, rest, variablesOf(state)));
    add(state, instruction, { do: 'folder', path: state.cwd });
  },
  SHELL(instruction, state) {
    const shell = jsonList(instruction.rest);
    if (shell === undefined || shell.length === 0)
      throw refuse(instruction.line, 'SHELL', 'is written as SHELL ["program", "argument"].');
    state.shell = shell;
    state.config['Shell'] = shell;
  },
  RUN(instruction, state) {
    const { line, flags, rest } = instruction;
    const [flag] = flags;
    if (flag !== undefined)
      throw refuse(line, `RUN --${flag[0]}`, `is not served: a command sees the image and nothing else. Leave it out.`);
    if (rest === '') throw refuse(line, 'RUN', 'has no command.');
    const list = jsonList(rest);
    if (list?.length === 0) throw refuse(line, 'RUN', 'has no command.');
    // A program without a slash is looked for along PATH, which is the shell's work.
    const argv = list === undefined ? [...state.shell, rest] : ['/bin/sh', '-c', 'exec "$0" "$@"', ...list];
    add(state, instruction, { do: 'run', argv, environment: Object.fromEntries(variablesOf(state)), cwd: state.cwd });
  },
  COPY: copy,
  ADD: copy,
  CMD(instruction, state) {
    state.config['Cmd'] = listOrShell(instruction, state.shell);
  },
  ENTRYPOINT(instruction, state) {
    state.config['Entrypoint'] = listOrShell(instruction, state.shell);
    // That of the base was for another program.
    delete state.config['Cmd'];
  },
  USER(instruction, state) {
    state.config['User'] = expand(instruction.line, instruction.rest, variablesOf(state));
  },
  STOPSIGNAL(instruction, state) {
    state.config['StopSignal'] = expand(instruction.line, instruction.rest, variablesOf(state));
  },
  EXPOSE(instruction, state) {
    const ports = portsOf(instruction.line, expand(instruction.line, instruction.rest, variablesOf(state)));
    state.config['ExposedPorts'] = { ...(state.config['ExposedPorts'] as object | undefined), ...ports };
  },
  HEALTHCHECK(instruction, state) {
    state.config['Healthcheck'] = healthcheckOf(instruction);
  },
  VOLUME: notHere(
    'is not served: an image is only read where it is used. Leave it out; a job writes to outputs and /tmp.',
  ),
  ONBUILD: notHere('is not served: it would run in the builds of others, who do not see it. Leave it out.'),
};

function copy(instruction: Instruction, state: State): void {
  const { line, name, flags, rest } = instruction;
  let mode: string | undefined;
  for (const [flag, value] of flags) {
    if (flag === 'chmod') {
      mode = /^0?([0-7]{3})$/.exec(value)?.[1];
      if (mode === undefined)
        throw refuse(line, `${name} --chmod=${value.slice(0, 20)}`, 'is no mode of three octal digits.');
      // Everything in an image is everybody's who runs there, so an owner says nothing; and so does how a layer is made.
    } else if (flag !== 'chown' && flag !== 'link')
      throw refuse(
        line,
        `${name} --${flag.slice(0, 30)}`,
        `is not served. ${flag === 'from' ? `${elsewhere}, or put the files into the context.` : 'Leave it out.'}`,
      );
  }
  const words = jsonList(rest) ?? rest.split(/\s+/);
  const variables = variablesOf(state);
  const paths = words.map((word) => expand(line, word, variables));
  const to = paths.pop();
  if (to === undefined || paths.length === 0) throw refuse(line, name, `is written as ${name} SOURCE… DESTINATION.`);
  const sources = [...new Set(paths.flatMap((path) => sourcesIn(instruction, state, path)))];
  const isFolder = /(?:^|\/)\.?$/.test(to) || sources.length > 1;
  if (sources.length > 1 && !/(?:^|\/)\.?$/.test(to))
    throw refuse(
      line,
      `${name} … ${to.slice(0, 60)}`,
      'copies several files to one. Close the name of a folder with /.',
    );
  add(state, instruction, {
    do: 'copy',
    sources,
    to: folderAt(line, name, state.cwd, to),
    isFolder,
    ...(mode === undefined ? {} : { mode }),
    ...(name === 'ADD' ? { noArchive: true as const } : {}),
  });
}

/** Of archives, which ADD would unpack. */
const archives = /\.(?:tar|tgz|tbz2?|txz|tzst|(?:tar\.)?(?:gz|bz2|xz|zst))$/i;

function sourcesIn({ line, name }: Instruction, { context, work }: State, path: string): readonly string[] {
  const shown = `${name} ${path.slice(0, 60)}`;
  if (/^(?:[a-z][a-z0-9+.-]*:\/\/|git@)/i.test(path))
    throw refuse(line, shown, 'is an address, and a build reaches none. Put the file into the context and COPY it.');
  const pattern = readPattern(path);
  if (typeof pattern === 'string') throw refuse(line, shown, pattern);
  const found = isPattern(pattern)
    ? context.all.filter(({ parts }) => fits(pattern, parts, work)).map(({ path: one }) => one)
    : [pattern.join('/')].filter((one) => one === '' || context.named.has(one));
  if (found.length === 0)
    throw refuse(line, shown, 'is not in the context. What .dockerignore leaves out is not there either.');
  const archive = name === 'ADD' ? found.find((one) => context.files.has(one) && archives.test(one)) : undefined;
  if (archive !== undefined)
    throw refuse(
      line,
      shown,
      `is an archive, which ADD would unpack. COPY it, and unpack it by RUN; or put what is in it into the context.`,
    );
  return found;
}

type Context = {
  readonly files: ReadonlySet<string>;
  /** Files and folders. */
  readonly named: ReadonlySet<string>;
  readonly all: readonly { readonly path: string; readonly parts: readonly string[] }[];
};

function contextOf(paths: readonly string[]): Context {
  const named = new Set<string>();
  for (const path of paths)
    for (let at = path.length; at > 0; at = path.lastIndexOf('/', at - 1)) named.add(path.slice(0, at));
  const all = [...named].sort().map((path) => ({ path, parts: path.split('/') }));
  return { files: new Set(paths), named, all };
}
