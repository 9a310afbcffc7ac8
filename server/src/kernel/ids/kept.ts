// Answers of a pure function of a short text, kept for texts that are asked about with every request: ids are read, compared and
// taken apart again and again. Nothing that could change is kept, so that nothing has to be dropped when something changes.

/** Longer texts are read anew each time: what is kept is bounded in bytes too. */
const charactersMax = 512;
const answersMax = 1_000;

/** @param of answers alike for the same text, with something that nobody changes, and never with undefined */
export function kept<R extends string | number | boolean | object>(of: (text: string) => R): (text: string) => R {
  let recent = new Map<string, R>();
  // What was asked for since the last change of turn is found again; the rest goes. Cheaper than keeping an order of use.
  let before = new Map<string, R>();
  return (text) => {
    if (text.length > charactersMax) return of(text);
    const present = recent.get(text);
    if (present !== undefined) return present;
    const own = ownCopy(text);
    const answer = before.get(own) ?? of(own);
    if (recent.size >= answersMax) {
      before = recent;
      recent = new Map();
    }
    recent.set(own, answer);
    return answer;
  };
}

/** A piece of a longer text (a header, an address with its query) holds all of it in memory: what is kept holds only itself. */
function ownCopy(text: string): string {
  // Neither changes a text that is not well-formed.
  const encoding = /^[\0-\xff]*$/.test(text) ? 'latin1' : 'utf16le';
  return Buffer.from(text, encoding).toString(encoding);
}
