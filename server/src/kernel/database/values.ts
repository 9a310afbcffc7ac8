// What may be stored: text, numbers, bytes and nothing. Each engine would take something more, and each something else (a date by
// the zone of the machine, a boolean as a type of its own), so everything else is refused by name before it gets there.

import { databaseFailures } from '#kernel/database/database.errors';

/** Throws Failure `NumberNotStorable` or `ValueNotStorable`. */
export function refuseUnstorable(parameters: readonly unknown[]): void {
  for (const value of parameters) {
    switch (typeof value) {
      case 'string':
        break;
      case 'number':
        // SQLite stores it as NULL without a word.
        if (Number.isNaN(value))
          throw lossy('NaN cannot be stored as a number; store it as text or as a flag of its own.');
        break;
      case 'bigint':
        // Rows come back as doubles, in which larger integers are not exact.
        if (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER)
          throw lossy('An integer beyond 2^53 - 1 cannot be stored exactly as a number; store it as text.');
        break;
      default:
        if (value !== null && !(value instanceof Uint8Array)) throw databaseFailures.ValueNotStorable();
    }
  }
}

const lossy = (message: string) => databaseFailures.NumberNotStorable({ message });
