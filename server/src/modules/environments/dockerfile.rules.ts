// A Dockerfile as a list of instructions: what is one line after comments and continuations, with its number, its flags and the rest as
// it stands. Whatever would need another reader than this one is refused by its line, before anything is looked up. Linear. Pure.
// Source: Dockerfile reference (docs.docker.com/reference/dockerfile), as of version 1.10 of its syntax.

import { environmentsFailures } from './environments.errors.ts';

export const dockerfileBytesMax = 64 * 1024;
const linesMax = 1000;
const instructionsMax = 500;

export type Instruction = {
  /** Of its first line, from 1. */
  readonly line: number;
  /** In capitals. */
  readonly name: string;
  /** `--name=value`, in their order; without a value it is empty. */
  readonly flags: readonly (readonly [name: string, value: string])[];
  /** What stands behind name and flags, lines joined. */
  readonly rest: string;
};

/** Throws `invalid`, with the number of the line. */
export const refuse = (line: number, what: string, why: string) =>
  environmentsFailures.DockerfileRefused(`line ${line}: ${what}`, why);
const refuseFile = (why: string) => environmentsFailures.DockerfileRefused('', why);

const known: readonly string[] = [
  ...['ADD', 'ARG', 'CMD', 'COPY', 'ENTRYPOINT', 'ENV', 'EXPOSE', 'FROM', 'HEALTHCHECK', 'LABEL', 'MAINTAINER'],
  ...['ONBUILD', 'RUN', 'SHELL', 'STOPSIGNAL', 'USER', 'VOLUME', 'WORKDIR'],
];
const withFlags: readonly string[] = ['ADD', 'COPY', 'FROM', 'HEALTHCHECK', 'RUN'];
const withHeredocs: readonly string[] = ['ADD', 'COPY', 'RUN'];

/** @throws Failure `invalid` */
export function readDockerfile(bytes: Uint8Array): readonly Instruction[] {
  const lines = linesOf(bytes);
  const found: Instruction[] = [];
  let open: { readonly line: number; text: string } | undefined;
  let mayDirect = true;
  for (const [index, line] of lines.entries()) {
    const trimmed = line.trim();
    if (trimmed.startsWith('#')) {
      mayDirect = mayDirect && isDirective(index + 1, trimmed);
      continue;
    }
    mayDirect = false;
    // An empty line within an instruction is none of it, as Docker has it.
    if (trimmed === '') continue;
    const whole = open === undefined ? line.trimStart() : line;
    const isOpen = trimmed.endsWith('\\');
    const text = isOpen ? whole.trimEnd().slice(0, -1) : whole;
    open = open === undefined ? { line: index + 1, text } : { line: open.line, text: open.text + text };
    if (isOpen) continue;
    found.push(instructionOf(open.line, open.text.trim()));
    open = undefined;
    if (found.length > instructionsMax) throw refuseFile(`it has more than ${instructionsMax} instructions.`);
  }
  if (open !== undefined) throw refuse(open.line, open.text.slice(0, 60), 'goes on in a line that is not there.');
  return found;
}

function linesOf(bytes: Uint8Array): readonly string[] {
  if (bytes.length > dockerfileBytesMax) throw refuseFile(`it is larger than ${dockerfileBytesMax / 1024} KiB.`);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw refuseFile('it is no text in UTF-8.');
  }
  const lines = text.split(/\r?\n/);
  if (lines.length > linesMax + 1) throw refuseFile(`it has more than ${linesMax} lines.`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const at = lines.findIndex((line) => /[\u0000-\u0008\u000b-\u001f\u007f]/.test(line));
  if (at >= 0) throw refuse(at + 1, 'a control character', 'has no business in a Dockerfile.');
  return lines;
}

/** A comment at the top that says how the file is to be read: whether another one may follow. */
function isDirective(line: number, comment: string): boolean {
  const at = comment.indexOf('=');
  const name = comment.slice(1, Math.max(at, 1)).trim().toLowerCase();
  const value = comment.slice(at + 1).trim();
  if (at < 0) return false;
  if (name === 'syntax')
    throw refuse(line, `# syntax=${value.slice(0, 60)}`, 'names another reader of Dockerfiles. Leave the line out.');
  if (name === 'escape' && value !== '\\')
    throw refuse(line, `# escape=${value.slice(0, 10)}`, 'is not served. Escape with \\ and leave the line out.');
  return name === 'escape' || name === 'check';
}

function instructionOf(line: number, text: string): Instruction {
  const word = /^[A-Za-z]+(?=\s|$)/.exec(text)?.[0] ?? '';
  const name = word.toUpperCase();
  if (!known.includes(name))
    throw refuse(line, text.split(/\s/, 1)[0]?.slice(0, 60) ?? '', 'is no instruction of a Dockerfile.');
  let rest = text.slice(word.length).trimStart();
  const flags: [string, string][] = [];
  while (withFlags.includes(name) && rest.startsWith('--')) {
    const flag = rest.split(/\s/, 1)[0] ?? '';
    const at = flag.indexOf('=');
    flags.push([flag.slice(2, at < 0 ? undefined : at).toLowerCase(), at < 0 ? '' : flag.slice(at + 1)]);
    rest = rest.slice(flag.length).trimStart();
  }
  if (withHeredocs.includes(name)) {
    const heredoc = rest.split(/\s+/).find((part) => /^\d*<<-?[^<\s]/.test(part));
    if (heredoc !== undefined)
      throw refuse(
        line,
        `${name} ${heredoc.slice(0, 60)}`,
        'is a here-document, which is not served. Put it into a file of the context.',
      );
  }
  return { line, name, flags, rest };
}

/** The texts of a list in JSON, as `RUN ["a", "b"]` has one; undefined where it is none, and is read as words then. */
export function jsonList(text: string): readonly string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((each) => typeof each === 'string') ? value : undefined;
  } catch {
    return undefined;
  }
}
