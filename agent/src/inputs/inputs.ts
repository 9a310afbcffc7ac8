// The inputs that this node keeps for its jobs: where, how much the server is told of it, and what of a job's document goes there. A
// place that is lost is opened anew, empty. A node without one leaves inputs to the memory of each job, as the document says them.

import type { AgentEnrolment, AgentItem, KeptInputs } from '@strongroom/contract/agent';
import { folderProblem, impassable } from '../folders.ts';
import type { RunnerDocument } from '../sandbox/sandbox.ts';
import { untilAborted } from '../waiting.ts';
import { bringFrom, type InputFile, InputsRefused } from './bring.ts';
import { type InputCache, type InputsUse, NoRoomForInputs, openInputCache, type WantedInputs } from './cache.ts';
import { NoPlace, openDeclared, openSealed, type Place } from './place.ts';

export interface Inputs {
  /** As the server is told; undefined while that is not known yet. */
  offered(): KeptInputs | undefined;
  /** Opens the place, or opens it again where it was lost. Resolves when that was tried; at once where there is nothing to do. */
  look(): Promise<void>;
  /** Undefined: all of them are for the memory of the job. Rejects with an `InputsRefused`, in words for who submitted the work. */
  use(document: AgentItem['document'], signal: AbortSignal): Promise<InputsUse | undefined>;
  close(): Promise<void>;
}

/** Where what is sealed lies unless the operator says otherwise: on a disk, and there after a start. */
export const USUAL_FOLDER = '/var/tmp';
/** After it could not be opened. */
const AGAIN_MS = 60_000;

type Job = { readonly token?: unknown; readonly inputs?: Readonly<Record<string, readonly InputFile[]>> };

/** What the document has for the node to keep; the server has made both parts of it. */
function wantedOf({ kept, job }: AgentItem['document']): WantedInputs | undefined {
  if (kept === undefined) return undefined;
  const { inputs = {} } = (job ?? {}) as Job;
  const found = kept.inputs.map(({ name, url }) => [name, { url, files: inputs[name] ?? [] }] as const);
  return { scope: kept.scope, inputs: new Map(found) };
}

/** For the runner: without what is mounted, and without the room for it. */
export function withoutKept<T extends { readonly document: RunnerDocument; readonly scratchBytes: number }>(
  { document, scratchBytes }: T,
  use: InputsUse | undefined,
): { readonly document: RunnerDocument; readonly scratchBytes: number } {
  const { kept: _, ...rest } = document as RunnerDocument & { kept?: unknown };
  if (use === undefined) return { document: rest, scratchBytes };
  const { inputs = {}, ...job } = (rest.job ?? {}) as Job;
  const left = Object.entries(inputs).filter(([name]) => !use.folders.has(name));
  const bytes = Object.entries(inputs)
    .filter(([name]) => use.folders.has(name))
    .flatMap(([, files]) => files)
    .reduce((sum, { size }) => sum + size, 0);
  return {
    document: { ...rest, job: { ...job, inputs: Object.fromEntries(left) } },
    scratchBytes: scratchBytes - bytes,
  };
}

export function createInputs(options: {
  readonly enrolment: Pick<AgentEnrolment, 'url' | 'caPem' | 'inputs'>;
  readonly prefix: string;
  readonly interpreter: () => string | undefined;
  readonly say: (message: string) => void;
}): Inputs {
  const { enrolment, prefix, say } = options;
  const settings = enrolment.inputs ?? { bytes: 0 };
  const start = bringFrom({ url: enrolment.url, caPem: enrolment.caPem, interpreter: options.interpreter });
  let isClosed = false;
  let open: { readonly place: Place; readonly cache: InputCache } | undefined;
  let offered: KeptInputs | undefined;
  let opening: Promise<void> | undefined;
  let againMs = 0;

  async function makePlace(): Promise<Place> {
    const { bytes, folder = USUAL_FOLDER, isEncrypted = false } = settings;
    if (bytes === 0) throw new NoPlace('agent.inputBytes is 0.');
    // A flag that is left over must not put plain files where nobody has said that they are safe.
    if (isEncrypted && settings.folder === undefined)
      throw new NoPlace(
        'agent.inputFolderIsEncrypted is set and agent.inputFolder is empty. Name the folder, or unset it.',
      );
    // Others may write to the usual one, as to any folder for temporary files; a folder of our own is safe there, by its sticky bit.
    const problem = settings.folder === undefined ? undefined : folderProblem(folder);
    if (problem !== undefined) throw new NoPlace(`${folder} ${problem}. Correct agent.inputFolder.`);
    const closed = impassable(folder);
    if (closed !== undefined)
      throw new NoPlace(`${closed} lets no sandbox through to what is kept. Let others pass (chmod o+x ${closed}).`);
    return isEncrypted
      ? openDeclared({ parent: folder, prefix, bytes })
      : openSealed({ parent: folder, prefix, bytes });
  }

  async function openAnew(): Promise<void> {
    try {
      const place = await makePlace();
      try {
        const cache = await openInputCache({ folder: place.folder, bytes: place.bytes, start });
        open = { place, cache };
        offered = { bytes: place.bytes };
      } catch (error) {
        await place.close();
        throw error;
      }
    } catch (error) {
      offered = { reason: error instanceof Error ? error.message.slice(0, 1_000) : 'It cannot be opened.' };
      againMs = performance.now() + AGAIN_MS;
    }
  }

  async function closeOpen(): Promise<void> {
    const was = open;
    open = undefined;
    if (was === undefined) return;
    await was.cache.close();
    await was.place
      .close()
      .catch((error: unknown) => say(`The folder of kept inputs was not removed: ${String(error)}`));
  }

  const isOpen = () => open?.place.lost.aborted === false;

  async function look(): Promise<void> {
    if (opening !== undefined) return opening;
    if (isClosed || isOpen() || performance.now() < againMs) return;
    if (open !== undefined) {
      offered = undefined;
      say('The folder of kept inputs was lost: gocryptfs ended. It is opened anew.');
    }
    opening = closeOpen()
      .then(openAnew)
      .finally(() => {
        opening = undefined;
      });
    return opening;
  }

  return {
    offered: () => offered,
    look,
    async use(document, signal) {
      const wanted = wantedOf(document);
      if (wanted === undefined) return undefined;
      const { isNeeded } = document.kept ?? { isNeeded: false };
      // Lost since the server was told of it: what comes next need not wait for the next look.
      if (!isOpen()) await untilAborted(look(), signal);
      const cache = isOpen() ? open?.cache : undefined;
      if (cache === undefined && !isNeeded) return undefined;
      if (cache === undefined)
        throw new InputsRefused(
          `The inputs of the job are too large for the memory of a node, and this one keeps none now${offered !== undefined && 'reason' in offered ? `: ${offered.reason}` : '.'}`,
        );
      try {
        return await cache.use(wanted, String((document.job as Job | undefined)?.token), signal);
      } catch (error) {
        // What may be in memory is tried there, where there is room.
        if (error instanceof NoRoomForInputs && !isNeeded) return undefined;
        throw error;
      }
    },
    async close() {
      isClosed = true;
      await opening;
      await closeOpen();
    },
  };
}
