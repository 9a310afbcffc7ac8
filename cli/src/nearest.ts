// The word that was probably meant: what a refusal of an unknown name ends with.

const mistakesMax = 2;
const lengthMax = 64;

/** A known word that is at most two typing mistakes away, or that holds what was written. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const wanted = word.slice(0, lengthMax).toLowerCase();
  const [best] = known
    .map((each) => ({ each, mistakes: distance(wanted, each.slice(0, lengthMax).toLowerCase()) }))
    .filter(({ mistakes }) => mistakes <= mistakesMax)
    .sort((a, b) => a.mistakes - b.mistakes);
  return best?.each ?? (wanted.length < 3 ? undefined : known.find((each) => each.toLowerCase().includes(wanted)));
}

/** `Did you mean 'x'? `, or nothing. */
export function meant(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near === undefined ? '' : `Did you mean '${near}'? `;
}

/** Levenshtein's: how many letters are added, lost or changed. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...a].entries()) {
    const next = [index + 1];
    for (const [column, other] of [...b].entries())
      next.push(
        Math.min((row[column] ?? 0) + (letter === other ? 0 : 1), (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1),
      );
    row = next;
  }
  return row.at(-1) ?? 0;
}
