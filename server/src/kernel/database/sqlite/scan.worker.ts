// Runs scans on a thread of its own, over read-only connections, one at a time, and moves pages of write-ahead logs. It promises to answer every request
// exactly once or portion by portion, and to hold a database open no longer than it is told. It decides nothing.

import { parentPort } from 'node:worker_threads';
import { Failure } from '#kernel/errors/failure';
import { type Engine, openEngine, type RawRows } from './engine.ts';
import { type FromWorker, portionRows, type ToWorker, type WireFailure } from './scan.messages.ts';

const port = parentPort;
if (port === null) throw new Error('scan.worker.ts runs as a worker thread only');

const engines = new Map<number, Engine>();
const nothing: RawRows = { columns: [], rows: [] };
let answering = nothing;
/** Rows of the answer that are on their way already. */
let sent = 0;

function answer(message: FromWorker): void {
  port?.postMessage(message);
}

function sendPortion(): void {
  const { columns } = answering;
  const portion = answering.rows.slice(sent, sent + portionRows);
  sent += portion.length;
  const last = sent >= answering.rows.length;
  if (last) answering = nothing;
  const values = columns.map((_, column) => portion.map((row) => row[column]));
  answer({ say: 'rows', columns, values, count: portion.length, last });
}

function engineFor(database: number, open: { path: string; key: Uint8Array } | undefined): Engine {
  const kept = engines.get(database);
  if (kept !== undefined) return kept;
  if (open === undefined) throw new Error('a scan named a database that this worker does not hold');
  try {
    const engine = openEngine({ path: open.path, key: open.key, readonly: true });
    engines.set(database, engine);
    return engine;
  } finally {
    open.key.fill(0);
  }
}

function wireFailure(error: unknown): WireFailure {
  if (error instanceof Failure) {
    const { kind, code, message, cause } = error;
    if (kind === 'integrity' || kind === 'invalid' || kind === 'tooLarge' || kind === 'unavailable') {
      return { kind, code, message, cause: cause === undefined ? undefined : String(cause) };
    }
  }
  return { kind: 'internal', code: 'ScanFailed', message: 'The query could not be run.', cause: String(error) };
}

/** Passively: it waits for nobody and nobody waits for it. What is being read or written meanwhile stays for the next time. */
function moveLog({ path, key }: { path: string; key: Uint8Array }): void {
  let engine: Engine | undefined;
  try {
    engine = openEngine({ path, key, readonly: false });
    engine.run('pragma wal_checkpoint(passive)', []);
  } finally {
    key.fill(0);
    engine?.close();
  }
}

port.on('message', (message: ToWorker) => {
  try {
    if (message.say === 'move') {
      moveLog(message.open);
      return answer({ say: 'moved' });
    }
    if (message.say === 'more') return sendPortion();
    if (message.say === 'close') {
      engines.get(message.database)?.close();
      engines.delete(message.database);
      return answer({ say: 'closed', database: message.database });
    }
    const { maxRows, maxBytes } = message;
    sent = 0;
    answering = engineFor(message.database, message.open).scan(message.sql, message.parameters, { maxRows, maxBytes });
    sendPortion();
  } catch (error) {
    const holds = message.say === 'scan' && engines.has(message.database);
    answer({ say: 'failed', failure: wireFailure(error), holds });
  }
});
