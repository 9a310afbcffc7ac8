// How long one piece of work takes, and its parts. A trace is held by whoever does the work and handed on with it (a request
// carries its own: `carried` in kernel/http/exchange.ts); its parts are series of a duration, so there is nothing to keep or to send.

import type { Meter } from '#kernel/telemetry/meter';
import type { Telemetry } from '#kernel/telemetry/telemetry';

export type Trace<Part extends string> = {
  /** Begins a part; what is answered ends it, once. */
  part(name: Part): () => void;
  /** Ends the trace, and what is open of it. Answers how many milliseconds it took, and later calls nothing. */
  end(): number | undefined;
};

export type Tracer<Part extends string> = { begin(): Trace<Part> };

/** @param now milliseconds that never go back */
export function createTracer<Part extends string>(
  telemetry: Pick<Telemetry, 'duration'>,
  meter: Meter<'duration', { readonly part: readonly Part[] }>,
  now: () => number = () => performance.now(),
): Tracer<Part> {
  const parts = telemetry.duration(meter);
  return {
    begin() {
      const begunMs = now();
      const open = new Set<() => void>();
      let isOver = false;
      return {
        part(name) {
          if (isOver) return () => {};
          const fromMs = now();
          const end = () => {
            if (open.delete(end)) parts.observe({ part: name }, (now() - fromMs) / 1000);
          };
          open.add(end);
          return end;
        },
        end() {
          if (isOver) return undefined;
          isOver = true;
          for (const end of [...open]) end();
          return now() - begunMs;
        },
      };
    },
  };
}
