// The word that was probably meant: what a refusal of an unknown name ends with.

import { edits } from '@strongroom/contract/edits';

const mistakesMax = 2;
const lengthMax = 64;

/** A known word that is at most two typing mistakes away, or that holds what was written. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const wanted = word.slice(0, lengthMax).toLowerCase();
  const [best] = known
    .map((each) => ({ each, mistakes: edits(wanted, each.slice(0, lengthMax).toLowerCase(), mistakesMax) }))
    .filter(({ mistakes }) => mistakes <= mistakesMax)
    .sort((a, b) => a.mistakes - b.mistakes);
  return best?.each ?? (wanted.length < 3 ? undefined : known.find((each) => each.toLowerCase().includes(wanted)));
}

/** `Did you mean 'x'? `, or nothing. */
export function meant(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near === undefined ? '' : `Did you mean '${near}'? `;
}
