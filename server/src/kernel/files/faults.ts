// The fault seam: where a test makes the disk fail. Every step that durability rests on announces itself here first, and
// what the seam throws is what the step would have thrown. The default announces to nobody; production passes nothing.

export type FaultStep = 'write' | 'fsync' | 'rename' | 'remove' | 'commit';
export type FaultPoint = { readonly step: FaultStep; readonly path: string };
/** Called before each step. Throwing makes the step fail without having happened. */
export type Faults = (point: FaultPoint) => void;

export const noFaults: Faults = () => {};

/**
 * Fails the `nth` (from 1) step that `matches`, once, with ENOSPC unless told otherwise. `seen()` counts the matching
 * steps, so that a test can first learn how many there are and then fail each one in turn.
 */
export function failNth(
  nth: number,
  matches: (point: FaultPoint) => boolean = () => true,
  error: () => Error = () => Object.assign(new Error('ENOSPC: no space left on device (injected)'), { code: 'ENOSPC' }),
): { readonly faults: Faults; readonly seen: () => number } {
  let count = 0;
  return {
    faults(point) {
      if (!matches(point)) return;
      count += 1;
      if (count === nth) throw error();
    },
    seen: () => count,
  };
}
