// Segments that somebody kept and gives to a verification: each is verified by itself first, and what holds is then read again in
// the place of the records that were dropped.

import type { NoteVerifier } from '#kernel/crypto/signed-note';
import { Failure } from '#kernel/errors/failure';
import { type ExportedRange, readExportedCheckpoint, readExportedRecord, verifyExport } from './export.service.ts';

/** A file of a segment, or any other export of the log. */
export type GivenSegment = {
  /** For messages. */
  readonly name: string;
  /** From its beginning, each time. */
  lines(): AsyncIterable<string>;
};

export type HeldSegments = {
  /** What does not hold, in words, by the name of its file. */
  readonly broken: readonly { readonly name: string; readonly why: string }[];
  /** The checkpoints in those that hold. */
  readonly notes: readonly { readonly name: string; readonly note: string }[];
  /** The records `from` to `to`, which must be asked for in order; undefined where no given segment holds them. */
  take(from: number, to: number): Promise<{ readonly name: string; readonly records: readonly string[] } | undefined>;
  close(): Promise<void>;
};

export async function openSegments(given: readonly GivenSegment[], verifier: NoteVerifier): Promise<HeldSegments> {
  const broken: { name: string; why: string }[] = [];
  const notes: { name: string; note: string }[] = [];
  const held: { readonly range: ExportedRange; readonly segment: GivenSegment }[] = [];
  for (const segment of given)
    try {
      let header = '';
      const kept = async function* () {
        for await (const line of segment.lines()) {
          if (header === '') header = line;
          yield line;
        }
      };
      held.push({ segment, range: await verifyExport(kept(), verifier) });
      notes.push({ name: segment.name, note: readExportedCheckpoint(header) });
    } catch (error) {
      // A file that is not there is the caller's mistake; one that does not verify is what was to be found out.
      if (!(error instanceof Failure)) throw error;
      broken.push({ name: segment.name, why: error.message });
    }
  let open: { readonly range: ExportedRange; readonly name: string; readonly lines: AsyncIterator<string> } | undefined;
  let at = 0;

  async function close(): Promise<void> {
    await open?.lines.return?.();
    open = undefined;
  }

  return {
    broken,
    notes,
    async take(from, to) {
      if (open === undefined || open.range.to < to || at > from) {
        await close();
        const found = held.find(({ range }) => range.from <= from && range.to >= to);
        if (found === undefined) return undefined;
        const lines = found.segment.lines()[Symbol.asyncIterator]();
        await lines.next();
        open = { range: found.range, name: found.segment.name, lines };
        at = found.range.from;
      }
      const records: string[] = [];
      for (; at < to; at++) {
        const line = await open.lines.next();
        if (line.done === true) return undefined;
        if (at >= from) records.push(readExportedRecord(line.value));
      }
      return { name: open.name, records };
    },
    close,
  };
}
