// How far two words are apart, for refusals that end with the word that was probably meant.

/**
 * Levenshtein's distance: how many letters are added, lost or changed.
 * @returns at most `most` + 1, which stands for everything beyond
 */
export function edits(one: string, other: string, most: number): number {
  const a = [...one];
  const b = [...other];
  if (Math.abs(a.length - b.length) > most) return most + 1;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [index, letter] of a.entries()) {
    const next = [index + 1];
    for (const [column, against] of b.entries())
      next.push(
        Math.min(
          (row[column] ?? 0) + (letter === against ? 0 : 1),
          (row[column + 1] ?? 0) + 1,
          (next[column] ?? 0) + 1,
        ),
      );
    row = next;
  }
  return Math.min(row.at(-1) ?? 0, most + 1);
}
