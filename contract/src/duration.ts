// ISO 8601 durations as Azure's clients write them: days, hours, minutes, seconds. Years and months have no fixed length, and
// are refused like whatever else is not of the form.

const form =
  /^P(?!$)(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?!$)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:\.(\d{1,9}))?S)?)?$/;

/** Whole seconds, fractions rounded up; undefined when the text is no such duration. */
export function readDurationSeconds(text: string): number | undefined {
  const read = readDuration(text);
  return read && Math.ceil(read.seconds + read.fraction);
}

/** Whole milliseconds, fractions rounded up; undefined when the text is no such duration. */
export function readDurationMs(text: string): number | undefined {
  const read = readDuration(text);
  return read && read.seconds * 1000 + Math.ceil(read.fraction * 1000);
}

function readDuration(text: string): { readonly seconds: number; readonly fraction: number } | undefined {
  const match = form.exec(text);
  if (match === null) return undefined;
  const [weeks, days, hours, minutes, seconds] = match.slice(1, 6).map((part) => Number(part ?? '0'));
  const whole =
    (weeks ?? 0) * 604_800 + (days ?? 0) * 86_400 + (hours ?? 0) * 3_600 + (minutes ?? 0) * 60 + (seconds ?? 0);
  return { seconds: whole, fraction: Number(`0.${match[6] ?? '0'}`) };
}
