// Reads the runner's standard output: one JSON object a line, bounded. What user code prints arrives as text in a frame, so it cannot
// pass for an event; what is not a frame ends the sandbox. Must not trust a field to have the type it should.

/** Text that the user's processes wrote. */
export interface OutputFrame {
  readonly kind: 'output';
  readonly text: string;
}

/** Something that the runner reports; `event` is its name, the rest depends on it (see the README). */
export interface RunnerEvent {
  readonly event: string;
  readonly [field: string]: unknown;
}

export type Frame = OutputFrame | { readonly kind: 'event'; readonly event: RunnerEvent };

/** A frame carries at most 64 KiB of text; escaping can make that six times as long. */
const LONGEST_FRAME_BYTES = 1024 * 1024;

function parse(line: string): Frame {
  const value: unknown = JSON.parse(line);
  if (typeof value === 'object' && value !== null) {
    if ('stream' in value && value.stream === 'user' && 'text' in value && typeof value.text === 'string') {
      return { kind: 'output', text: value.text };
    }
    if ('event' in value && typeof value.event === 'string') {
      return { kind: 'event', event: { ...value, event: value.event } };
    }
  }
  throw new Error('The runner wrote a line that is neither output nor an event.');
}

/** A reader that keeps what is left of a line between chunks. It throws on a frame that is too long or not a frame. */
export function createFrameReader(onFrame: (frame: Frame) => void): (chunk: Buffer) => void {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  return (chunk) => {
    let rest = chunk;
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
      const line = Buffer.concat([...pending, rest.subarray(0, end)]);
      pending = [];
      pendingBytes = 0;
      rest = rest.subarray(end + 1);
      if (line.length > LONGEST_FRAME_BYTES) throw new Error('The runner wrote a line that is too long.');
      onFrame(parse(line.toString('utf8')));
    }
    pendingBytes += rest.length;
    if (pendingBytes > LONGEST_FRAME_BYTES) throw new Error('The runner wrote a line that is too long.');
    if (rest.length > 0) pending.push(rest);
  };
}
