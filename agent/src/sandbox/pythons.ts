// The interpreters that this node offers: found once, asked once each what they are, in the sandbox that work would have, and looked at
// again before each use. The node's own is the one of its version and the one that the management code runs on, whatever is named.
//
// Promises: what runs is of the version and ABI that were asked for, or nothing runs and words say why; an interpreter that was
// replaced is asked anew, and one that gave no answer in time is asked again; whatever is found, no more than `offeredMax` are offered
// and no more than `candidatesMax` asked.
import { lstatSync, realpathSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { searchPath } from './host.ts';
import {
  type Candidate,
  candidates,
  candidatesMax,
  type Installation,
  installationAt,
  Unanswered,
  Unfit,
} from './installations.ts';
import { type Accounts, faultOfPath, readAccounts } from './trust.ts';

export interface Interpreter extends Installation {
  readonly prefix: string;
  /** `3.10` */
  readonly version: string;
  /** `3.10.13` */
  readonly release: string;
  /** As its modules are named: `cpython-310-x86_64-linux-gnu`. */
  readonly abi: string;
}

export interface Pythons {
  readonly own: Interpreter;
  /** The node's own first, then the newest. */
  offered(): readonly Interpreter[];
  /** Why something that was named, or found, is not offered. */
  readonly remarks: readonly string[];
  /** Looks again if one that was offered is not what it was, or is again what it was; and, now and then, while one has not answered. */
  refresh(): Promise<void>;
  /** Rejects with words for whoever submitted the work. version: absent, the node's own. abi: absent, any. */
  use(version: string | undefined, abi?: string): Promise<Interpreter>;
}

/** Asks an interpreter what it is, in a sandbox that has nothing but it. Rejects with `Unfit`. */
export type Ask = (installation: Installation) => Promise<Interpreter>;

export const offeredMax = 32;
const askedAtOnce = 4;
/** All of them together: an agent takes no work before. */
const lookingMs = 60_000;
/** How long after a look in which one did not answer there is another: twice as long each time. A busy machine is slow once, a hanging program always. */
const againMs = { first: 60_000, most: 3_600_000 } as const;
const OLDEST_MINOR = 8;

const minorOf = (version: string): number => Number(version.split('.')[1]);

/** What it says of itself, held against where it lies. Throws `Unfit`. */
export function checkAnswer(installation: Installation, answer: unknown): Interpreter {
  const { program } = installation;
  const said = Object(answer) as Readonly<Record<string, unknown>>; // each is checked
  const { version, release, abi, prefix, stdlib } = said;
  if (said['implementation'] !== 'cpython') throw new Unfit('is no CPython');
  if (typeof version !== 'string' || !/^3\.\d{1,3}$/.test(version)) throw new Unfit('does not say which version it is');
  if (minorOf(version) < OLDEST_MINOR)
    throw new Unfit(`is a Python ${version}, and 3.${OLDEST_MINOR} is the oldest that is served`);
  const named = /^python(3\.\d{1,3})$/.exec(basename(program))?.[1];
  if (named !== undefined && named !== version)
    throw new Unfit(`is named ${basename(program)} and says that it is a ${version}`);
  if (typeof release !== 'string' || !new RegExp(`^${version}\\.\\d{1,3}\\w{0,8}\\+?$`).test(release))
    throw new Unfit('does not say which release it is');
  if (typeof abi !== 'string' || !new RegExp(`^cpython-${version.replace('.', '')}-[a-z0-9_-]{1,40}$`).test(abi))
    throw new Unfit(
      `has another ABI than a CPython ${version} has that packages are built for (${String(abi).slice(0, 60)})`,
    );
  if (typeof prefix !== 'string' || typeof stdlib !== 'string') throw new Unfit('does not say where its library is');
  if (installation.prefix === undefined ? !/^\/usr(\/|$)/.test(prefix) : prefix !== installation.prefix)
    throw new Unfit(`has its library at ${prefix.slice(0, 200)}, and not where it lies itself`);
  if (!['lib', 'lib64'].some((part) => stdlib === join(prefix, part, `python${version}`)))
    throw new Unfit(`has the library of another version (${stdlib.slice(0, 200)})`);
  return { ...installation, prefix, version, release, abi };
}

interface Seen {
  readonly interpreter: Interpreter;
  /** Of its installation, from before it was asked. */
  readonly state: string;
}

/** Tells one from another that took its place, and from the same that others can change by now. */
function stateOf({ program, folders }: Installation, accounts: Accounts): string {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = statSync(program);
    const isInPlace = realpathSync(program) === program && folders.every((folder) => lstatSync(folder).isDirectory());
    return JSON.stringify([dev, ino, size, mtimeMs, ctimeMs, isInPlace, faultOfPath(program, accounts)]);
  } catch {
    return 'gone';
  }
}

/** `ask` is of the probe. `named`: what the operator lists in agent.pythons. */
export async function findPythons(options: {
  readonly own: Interpreter;
  readonly ask: Ask;
  readonly named: readonly string[];
  /** For tests: in place of what lies on this machine. */
  readonly found?: () => readonly Candidate[];
  readonly accounts?: () => Accounts;
  readonly nowMs?: () => number;
}): Promise<Pythons> {
  const { own, ask, named } = options;
  const accounts = options.accounts ?? readAccounts;
  const found = options.found ?? (() => candidates(named, searchPath()));
  const nowMs = options.nowMs ?? (() => performance.now());
  let table: ReadonlyMap<string, Interpreter> = new Map();
  /** All but the node's own that are offered, or were: what is gone may come back. */
  let watched: readonly Seen[] = [];
  /** What each has said, by its program: one that is what it was need not say it again, and cannot be too slow to. */
  const answered = new Map<string, Seen>();
  let remarks: readonly string[] = [];
  let looking: Promise<void> | undefined;
  /** While one has not answered: when to look again, and how long that was waited for. */
  let again: { readonly atMs: number; readonly pauseMs: number } | undefined;

  async function seeAt(path: string, known: Accounts): Promise<Seen> {
    const installation = await installationAt(path, known);
    // order matters: what is replaced while it is asked has another state afterwards.
    const state = stateOf(installation, known);
    const before = answered.get(installation.program);
    if (before?.state === state) return before;
    answered.delete(installation.program);
    const seen = { interpreter: await ask(installation), state };
    answered.set(installation.program, seen);
    return seen;
  }

  async function look(): Promise<void> {
    const known = accounts();
    const all = found().filter(({ path }) => !isSame(path, own.program));
    const asked = all.slice(0, candidatesMax);
    const said: string[] = [];
    const seen: (Seen | Unfit | undefined)[] = asked.map(() => undefined);
    const until = performance.now() + lookingMs;
    let next = 0;
    const work = async (): Promise<void> => {
      for (let index = next++; index < asked.length && performance.now() < until; index = next++)
        seen[index] = await seeAt(asked[index]?.path ?? '', known).catch(unfit);
    };
    await Promise.all(Array.from({ length: askedAtOnce }, work));
    const taken: Seen[] = [];
    const offered = new Map([[own.version, own]]);
    const tell = ({ path, isNamed }: Candidate, why: string) =>
      said.push(`${isNamed ? 'agent.pythons: ' : ''}${path} ${why}; it is not offered.`);
    asked.forEach((candidate, index) => {
      const one = seen[index];
      if (one === undefined) tell(candidate, 'was not asked in time');
      else if (one instanceof Unfit) tell(candidate, one.message);
      else {
        const { version, program } = one.interpreter;
        const other = offered.get(version);
        if (other === undefined && offered.size < offeredMax) {
          offered.set(version, one.interpreter);
          taken.push(one);
        } else if (candidate.isNamed && other?.program !== program)
          tell(
            candidate,
            other === own
              ? `is a Python ${version}, as the node's own is`
              : `is a Python ${version}, and there is one already`,
          );
      }
    });
    if (all.length > candidatesMax)
      said.push(
        `More than ${candidatesMax} interpreters were found; the others were not asked. Name those that are meant in agent.pythons.`,
      );
    table = offered;
    remarks = said;
    const isTaken = ({ interpreter: { program } }: Seen) =>
      taken.some(({ interpreter }) => interpreter.program === program);
    const left = watched.filter((one) => !isTaken(one));
    watched = [...taken, ...left.map(({ interpreter }) => ({ interpreter, state: stateOf(interpreter, known) }))];
    watched = watched.slice(0, candidatesMax);
    const programs = new Set(seen.flatMap((one) => (one === undefined || one instanceof Unfit ? [] : [one])));
    for (const [program, one] of answered) if (!programs.has(one)) answered.delete(program);
    const isComplete = seen.every((one) => one !== undefined && !(one instanceof Unanswered));
    const pauseMs = again === undefined ? againMs.first : Math.min(again.pauseMs * 2, againMs.most);
    again = isComplete ? undefined : { atMs: nowMs() + pauseMs, pauseMs };
  }

  function lookAgain(): Promise<void> {
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return looking;
  }

  async function lookIfChanged(version?: string): Promise<void> {
    const of = watched.filter(({ interpreter }) => version === undefined || interpreter.version === version);
    const known = accounts();
    const isChanged = of.some(({ interpreter, state }) => stateOf(interpreter, known) !== state);
    // Who wants a version that is there does not wait for one that is slow.
    const isMissing = version === undefined || !table.has(version);
    const isDue = again !== undefined && nowMs() >= again.atMs;
    if (isChanged || (isMissing && isDue)) await lookAgain();
  }

  const offered = (): readonly Interpreter[] => {
    const others = [...table.values()].filter((one) => one !== own);
    return [own, ...others.sort((one, other) => minorOf(other.version) - minorOf(one.version))];
  };

  await look();
  return {
    own,
    offered,
    get remarks() {
      return remarks;
    },
    refresh: () => lookIfChanged(),
    async use(version = own.version, abi) {
      await lookIfChanged(version);
      const interpreter = table.get(version);
      if (interpreter === undefined) throw new Error(goneOf(version, offered()));
      if (abi !== undefined && interpreter.abi !== abi)
        throw new Error(
          `The environment was built with a Python ${version} of the ABI ${abi}, and this node's has ${interpreter.abi}. Build it again: register another version of the environment.`,
        );
      return interpreter;
    },
  };
}

const goneOf = (version: string, offered: readonly Interpreter[]): string =>
  `This node has no Python ${version}; it has ${offered.map((one) => one.version).join(', ')}. Nothing runs on another version than its environment was built with: the operator installs Python ${version} again where it was, or the environment is made for another one.`;

function isSame(path: string, program: string): boolean {
  try {
    return realpathSync(path) === program;
  } catch {
    return false;
  }
}

function unfit(thrown: unknown): Unfit {
  return thrown instanceof Unfit ? thrown : new Unfit('could not be looked at');
}
