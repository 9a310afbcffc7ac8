// Events of one item on their way to the server: in order, numbered, each sent until it is acknowledged. The first goes at once;
// what comes while one is on its way is gathered, so that a talkative job makes few requests and a quiet one no delay.
// Bounded: past a limit the producer is told to wait.

import { type AgentEvent, agentLimits } from '@strongroom/contract/agent';
import { isFinal, refusedBy } from './client.ts';

export interface NumberedEvent {
  readonly seq: number;
  readonly event: AgentEvent;
}

export interface Outbox {
  push(event: AgentEvent): void;
  /** Resolves when everything that was pushed is acknowledged or given up. */
  drained(): Promise<void>;
  /** Nothing more is sent, nothing more is kept. */
  abandon(): void;
}

interface Entry {
  readonly seq: number;
  event: AgentEvent;
  bytes: number;
}

const GATHER_MS = 50;
const HOLD_BYTES = 4 * 1024 * 1024;
const GO_ON_BYTES = 1024 * 1024;
const RETRY_MS_MAX = 5_000;
/** UTF-16 units that are at most 64 KiB of UTF-8, whatever they are. */
const PIECE_UNITS = 16_384;

/** Pieces of at most 64 KiB of UTF-8 that do not cut a character in two. */
export function piecesOf(text: string): readonly string[] {
  if (Buffer.byteLength(text) <= agentLimits.outputBytes) return [text];
  const pieces: string[] = [];
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + PIECE_UNITS, text.length);
    const last = text.charCodeAt(end - 1);
    if (end < text.length && last >= 0xd800 && last <= 0xdbff) end -= 1;
    pieces.push(text.slice(at, end));
    at = end;
  }
  return pieces;
}

export function createOutbox(options: {
  /** Sends one batch. Rejects as `Client.post` does. */
  readonly send: (events: readonly NumberedEvent[]) => Promise<void>;
  /** The producer must wait (true), or may go on (false). */
  readonly hold: (held: boolean) => void;
  /** The server wants no more of this item. */
  readonly refused: () => void;
}): Outbox {
  const { send, hold, refused } = options;
  let entries: Entry[] = [];
  let lastSeq = 0;
  let bytes = 0;
  /** Of `entries`, how many are on their way: those must not change any more. */
  let sending = 0;
  let held = false;
  let abandoned = false;
  let sentAt = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  let waiting: (() => void)[] = [];

  function setHeld(next: boolean): void {
    if (held === next) return;
    held = next;
    hold(next);
  }

  function append(event: AgentEvent): void {
    const size = event.type === 'output' ? Buffer.byteLength(event.text) : 0;
    const last = entries.length > sending ? entries.at(-1) : undefined;
    if (event.type === 'output' && last?.event.type === 'output' && last.bytes + size <= agentLimits.outputBytes) {
      last.event = { type: 'output', text: last.event.text + event.text };
      last.bytes += size;
    } else {
      lastSeq += 1;
      entries.push({ seq: lastSeq, event, bytes: size });
    }
    bytes += size;
    if (bytes > HOLD_BYTES) setHeld(true);
  }

  function batch(): readonly Entry[] {
    let size = 0;
    const end = entries.findIndex((entry, index) => {
      size += entry.bytes;
      return index > 0 && (size > agentLimits.textOfBatchBytes || index >= agentLimits.eventsOfBatch);
    });
    return entries.slice(0, end === -1 ? entries.length : end);
  }

  function abandon(): void {
    abandoned = true;
    clearTimeout(timer);
    entries = [];
    bytes = 0;
    setHeld(false);
    settle();
  }

  function settle(): void {
    if (entries.length > 0) return;
    for (const resolve of waiting) resolve();
    waiting = [];
  }

  async function flush(): Promise<void> {
    timer = undefined;
    if (sending > 0 || entries.length === 0 || abandoned) return;
    const events = batch();
    sending = events.length;
    sentAt = performance.now();
    for (let pauseMs = 100; !abandoned; pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX)) {
      try {
        await send(events.map(({ seq, event }) => ({ seq, event })));
        break;
      } catch (error) {
        const refusal = refusedBy(error);
        if (refusal !== undefined && isFinal(refusal) && !abandoned) {
          abandon();
          refused();
        } else await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
    sending = 0;
    if (abandoned) return;
    entries = entries.slice(events.length);
    for (const entry of events) bytes -= entry.bytes;
    if (bytes < GO_ON_BYTES) setHeld(false);
    settle();
    schedule();
  }

  function schedule(): void {
    if (sending > 0 || entries.length === 0) return;
    const isUrgent = entries.some(({ event }) => event.type !== 'output');
    const waitMs = isUrgent ? 0 : sentAt + GATHER_MS - performance.now();
    if (waitMs <= 0) {
      clearTimeout(timer);
      void flush();
    } else timer ??= setTimeout(() => void flush(), waitMs);
  }

  return {
    push(event) {
      if (abandoned) return;
      if (event.type === 'output') for (const text of piecesOf(event.text)) append({ type: 'output', text });
      else append(event);
      schedule();
    },
    drained: () =>
      entries.length === 0 ? Promise.resolve() : new Promise<void>((resolve) => void waiting.push(resolve)),
    abandon,
  };
}
