// What this agent holds: each item one sandbox, its tunnel, its reports. An item is held from the moment it is taken until the
// server has acknowledged its end, so that the list of held items is the truth that the server compares with its own.

import { rmSync } from 'node:fs';
import { availableMemory } from 'node:process';
import type { AgentEvent, AgentItem, AgentPollAnswer, HeldItem } from '@strongroom/contract/agent';
import type { Gateway } from './gateway.ts';
import { type ImageUse, NoRoom } from './images/cache.ts';
import type { Images } from './images/images.ts';
import type { InputsUse } from './inputs/cache.ts';
import { type Inputs, withoutKept } from './inputs/inputs.ts';
import { createOutbox, type NumberedEvent, type Outbox } from './outbox.ts';
import {
  createSandboxFolder,
  type Pythons,
  type RunnerDocument,
  type RunnerEvent,
  type Sandbox,
  type SandboxEnd,
  startSandbox,
} from './sandbox/sandbox.ts';
import { openTunnel, type Tunnel } from './tunnel.ts';

export interface Items {
  held(): HeldItem[];
  start(item: AgentItem): void;
  stop(order: AgentPollAnswer['stop'][number]): void;
  renew(token: AgentPollAnswer['tokens'][number]): void;
  /** Kills everything and reports nothing more. Resolves when no process is left. */
  dropAll(): Promise<void>;
}

interface Held {
  readonly item: AgentItem;
  readonly outbox: Outbox;
  /** Aborted when it is to end before there is a sandbox. */
  readonly leaving: AbortController;
  sandbox: Sandbox | undefined;
  stopGraceSeconds: number | undefined;
  over: Promise<void>;
}

const MESSAGE_MAX = 4_000;
const FORWARDED: ReadonlySet<string> = new Set(['preparing', 'running', 'finalizing', 'ready']);

function finished(end: SandboxEnd): AgentEvent {
  const { reason, exitCode, signal } = end;
  const message = end.message ?? (signal === null ? undefined : `It was ended by ${signal}.`);
  const isCode = exitCode !== null && exitCode >= -1 && exitCode <= 255;
  return {
    type: 'finished',
    reason,
    exitCode: isCode ? exitCode : null,
    ...(message === undefined ? {} : { message: message.slice(0, MESSAGE_MAX) }),
  };
}

/** For the runner: what is mounted and what it sets, and not where it came from. */
function documentWith({ image: _, ...document }: RunnerDocument, image: ImageUse | undefined): RunnerDocument {
  return image === undefined ? document : { ...document, image: { as: image.as, environment: image.environment } };
}

/** Inputs are in memory with the sandbox that reads them: what does not fit is said before it is fetched. */
export function requireRoom({ job }: Pick<RunnerDocument, 'job'>, free = availableMemory()): void {
  const inputs = Object.values((job as { inputs?: Readonly<Record<string, unknown>> } | undefined)?.inputs ?? {});
  const files = inputs.flatMap((input) => (Array.isArray(input) ? (input as { size?: unknown }[]) : []));
  const wanted = files.reduce((sum, { size }) => sum + (typeof size === 'number' ? size : 0), 0);
  if (wanted <= free) return;
  const mib = (bytes: number) => Math.ceil(bytes / 2 ** 20);
  throw new Error(
    `The inputs of the job have ${mib(wanted)} MiB, and this node has ${mib(free)} MiB of memory free. Submit the job when others have ended, or to a node with more.`,
  );
}

export function createItems(options: {
  readonly host: string;
  readonly port: number;
  readonly caPem: string;
  readonly hostNames: readonly string[];
  /** Undefined: no sandbox can be made here. */
  readonly pythons: Pythons | undefined;
  readonly gateway: Gateway;
  readonly images: Images;
  readonly inputs: Pick<Inputs, 'use'>;
  /** Of the names of folders that sandboxes share with this agent. */
  readonly prefix: string;
  readonly report: (id: string, fence: number, events: readonly NumberedEvent[]) => Promise<void>;
}): Items {
  const { host, port, caPem, hostNames, pythons, gateway, images, inputs, prefix, report } = options;
  const items = new Map<string, Held>();

  function tell(held: Held, { event }: RunnerEvent): void {
    // The cast follows the check: the set holds the types of one event of the protocol.
    if (FORWARDED.has(event)) held.outbox.push({ type: event } as AgentEvent);
  }

  /** Undefined: there is none, or what runs brings it into its own memory, because there is no room for it beside that. */
  async function bringImage({ item: { document }, leaving }: Held): Promise<ImageUse | undefined> {
    const { image, job } = document;
    if (image === undefined) return undefined;
    try {
      return await images.use(image, String((job as { token?: unknown })?.token), leaving.signal);
    } catch (error) {
      if (error instanceof NoRoom && image.as === 'environment') return undefined;
      throw error;
    }
  }

  async function run(held: Held): Promise<void> {
    const { item, outbox } = held;
    let tunnel: Tunnel | undefined;
    let image: ImageUse | undefined;
    let kept: InputsUse | undefined;
    let socketFolder: string | undefined;
    try {
      tunnel = await openTunnel(prefix, host, port);
      if (item.kind === 'score') socketFolder = createSandboxFolder(prefix);
      image = await bringImage(held);
      kept = await inputs.use(item.document, held.leaving.signal);
      if (held.stopGraceSeconds !== undefined) {
        outbox.push({ type: 'finished', reason: 'stopped', exitCode: null });
        return;
      }
      if (pythons === undefined) throw new Error('This node cannot make a sandbox.');
      const { python, abi } = item.document;
      const interpreter = await pythons.use(python, abi);
      const { document, scratchBytes } = withoutKept(item as typeof item & { document: RunnerDocument }, kept);
      requireRoom(document);
      const sandbox = startSandbox({
        label: item.label,
        command: item.kind,
        limits: item.limits as AgentItem['limits'] & { cpuSeconds: number },
        scratchBytes,
        ...(item.sharedBytes === undefined ? {} : { sharedBytes: item.sharedBytes }),
        document: documentWith(document, image),
        ...(image === undefined ? {} : { image }),
        ...(kept === undefined ? {} : { inputs: kept.folders }),
        serverSocket: tunnel.socketPath,
        caPem,
        hostNames,
        own: pythons.own,
        python: interpreter,
        ...(socketFolder === undefined ? {} : { socketFolder }),
        onOutput: (text, stream) => {
          if (stream === 'user' && text !== '') outbox.push({ type: 'output', text });
        },
        onEvent: (event) => tell(held, event),
      });
      held.sandbox = sandbox;
      // Before it says that it is ready: the server's first request must find it.
      if (socketFolder !== undefined) gateway.open(item.id, socketFolder);
      outbox.push(finished(await sandbox.done));
    } catch (error) {
      if (held.leaving.signal.aborted) {
        outbox.push({ type: 'finished', reason: 'stopped', exitCode: null });
        return;
      }
      const message = error instanceof Error ? error.message : 'The sandbox could not be started.';
      outbox.push({ type: 'finished', reason: 'setup_failed', exitCode: null, message: message.slice(0, MESSAGE_MAX) });
    } finally {
      held.sandbox = undefined;
      image?.release();
      kept?.release();
      gateway.shut(item.id);
      tunnel?.close();
      if (socketFolder !== undefined) rmSync(socketFolder, { recursive: true, force: true });
    }
    await outbox.drained();
  }

  function start(item: AgentItem): void {
    // Handed out again because an answer was late: it runs already.
    if (items.has(item.id)) return;
    const outbox = createOutbox({
      send: (events) => report(item.id, item.fence, events),
      hold: (isHeld) => held.sandbox?.holdOutput(isHeld),
      refused: () => void held.sandbox?.stop(0),
    });
    const held: Held = {
      item,
      outbox,
      leaving: new AbortController(),
      sandbox: undefined,
      stopGraceSeconds: undefined,
      over: Promise.resolve(),
    };
    items.set(item.id, held);
    held.over = run(held).finally(() => {
      if (items.get(item.id) === held) items.delete(item.id);
    });
  }

  return {
    held: () =>
      [...items.values()].map(({ item, stopGraceSeconds }) => ({
        id: item.id,
        fence: item.fence,
        ...(stopGraceSeconds === undefined ? {} : { stopGraceSeconds }),
      })),
    start,
    stop({ id, fence, graceSeconds }) {
      const held = items.get(id);
      if (held === undefined || held.item.fence !== fence) return;
      held.stopGraceSeconds = graceSeconds;
      held.leaving.abort();
      void held.sandbox?.stop(graceSeconds);
    },
    renew({ id, fence, token }) {
      const held = items.get(id);
      if (held?.item.fence === fence) held.sandbox?.renewToken(token);
    },
    async dropAll() {
      const all = [...items.values()];
      for (const held of all) {
        held.outbox.abandon();
        held.stopGraceSeconds = 0;
        held.leaving.abort();
        void held.sandbox?.stop(0);
      }
      await Promise.allSettled(all.map(({ over }) => over));
    },
  };
}
