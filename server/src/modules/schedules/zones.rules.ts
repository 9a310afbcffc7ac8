// Wall clocks: what time it is somewhere at a moment, and at which moments a wall clock shows a time. In a year there are two days
// on which these are no simple sums: on one an hour is skipped, on the other one comes twice. Pure but for a cache.

import { windowsZones } from './zones.data.ts';

export const dayMs = 86_400_000;
const hourMs = 3_600_000;

/** A day counted from 1970-01-01, wherever it is. */
export type Day = number;

export type Zone = {
  /** How far its clocks are ahead of UTC at a moment. */
  offsetAt(epochMs: number): number;
  dayAt(epochMs: number): Day;
  /**
   * The moments at which clocks show this time of this day, the earlier first: one; two in an hour that comes twice; and in an
   * hour that is skipped the one at which it would have been, had the clocks not been put forward.
   */
  moments(day: Day, msOfDay: number): readonly number[];
};

/** On these days clocks are put forward or back, or not at all. */
type Shift = { readonly before: number; readonly after: number; readonly at: number };

const zonesMax = 1_000;
const shiftsMax = 64;
const known = new Map<string, Zone>();
const byLowerCase = new Map(Object.entries(windowsZones).map(([windows, iana]) => [windows.toLowerCase(), iana]));

/** By a name of Windows or of the IANA database; undefined for none of both. */
export function zoneNamed(name: string): Zone | undefined {
  const iana = byLowerCase.get(name.toLowerCase()) ?? name;
  // What the database calls a zone has a letter: an offset alone is refused, because it says nothing about the clocks of a place.
  if (iana.length > 64 || !/^[A-Za-z]/.test(iana)) return undefined;
  const found = known.get(iana.toLowerCase());
  if (found !== undefined) return found;
  try {
    const made = createZone(iana);
    if (known.size >= zonesMax) known.clear();
    known.set(iana.toLowerCase(), made);
    return made;
  } catch (thrown) {
    if (thrown instanceof RangeError) return undefined;
    throw thrown;
  }
}

function createZone(timeZone: string): Zone {
  const format = new Intl.DateTimeFormat('en-US', {
    ...{ timeZone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric' },
    ...{ hour: 'numeric', minute: 'numeric', second: 'numeric' },
  });
  const shifts = new Map<Day, Shift>();

  function offsetAt(epochMs: number): number {
    const wholeSeconds = Math.floor(epochMs / 1000) * 1000;
    const part = new Map<string, number>(
      format.formatToParts(wholeSeconds).map(({ type, value }) => [type, Number(value)]),
    );
    const read = (type: string) => part.get(type) ?? 0;
    const shown = Date.UTC(
      ...([read('year'), read('month') - 1, read('day'), read('hour'), read('minute'), read('second')] as const),
    );
    return shown - wholeSeconds;
  }

  /** How clocks go around a day, which begins between fourteen hours before its beginning in UTC and twelve after it. */
  function shiftAround(day: Day): Shift {
    const found = shifts.get(day);
    if (found !== undefined) return found;
    let [low, high] = [day * dayMs - 16 * hourMs, (day + 1) * dayMs + 14 * hourMs];
    const [before, after] = [offsetAt(low), offsetAt(high)];
    while (before !== after && high - low > 1000) {
      const middle = Math.floor((low + high) / 2000) * 1000;
      if (offsetAt(middle) === before) low = middle;
      else high = middle;
    }
    const shift = { before, after, at: high };
    if (shifts.size >= shiftsMax) shifts.clear();
    shifts.set(day, shift);
    return shift;
  }

  return {
    offsetAt,
    dayAt: (epochMs) => Math.floor((epochMs + offsetAt(epochMs)) / dayMs),
    moments(day, msOfDay) {
      const { before, after, at } = shiftAround(day);
      const shown = day * dayMs + msOfDay;
      const [early, late] = [shown - before, shown - after];
      if (before === after) return [early];
      const isBefore = early < at;
      const isAfter = late >= at;
      if (isBefore && isAfter) return [early, late];
      return isAfter ? [late] : [early];
    },
  };
}
