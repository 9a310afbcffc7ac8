// Action patterns as Azure's roles write them: `*` is any run of characters, slashes included; case does not count; only
// a match of the whole string counts. Linear by construction: a pattern is cut into literal pieces once, and a match is
// one walk from left to right that never goes back, so that no pattern of a custom role can make a decision slow.

export type Matcher = (action: string) => boolean;

/** Azure's names use these characters only; anything else (a Kelvin sign that lower-cases to `k`, say) is refused. */
const shape = /^[A-Za-z0-9._\-/*]{1,512}$/;

/** Whether a role may carry this pattern at all. */
export function isPattern(pattern: string): boolean {
  return shape.test(pattern);
}

/**
 * Compiles a pattern of `actions` or `dataActions`. The matcher takes an action in lower case.
 * Source: Azure RBAC, "role definitions", wildcards.
 */
export function compilePattern(pattern: string): Matcher {
  return matcherOf(pattern, false);
}

/**
 * Compiles a pattern of `notActions` or `notDataActions`. Here a whole segment that is a wildcard
 * also matches no segment, so that excluding every `write` below `computes` takes `computes/write` away as well: what a
 * role withholds is read in the safe direction.
 */
export function compileExclusion(pattern: string): Matcher {
  return matcherOf(pattern, true);
}

function matcherOf(pattern: string, slashesMayMeet: boolean): Matcher {
  const pieces = pattern.toLowerCase().split('*');
  const first = pieces[0] ?? '';
  const last = pieces[pieces.length - 1] ?? '';
  if (pieces.length === 1) return (action) => action === first;
  if (pieces.length === 2 && first === '' && last === '') return () => true;
  const middle = pieces.slice(1, -1);
  // `a/` and `/b` may share their slash: a wildcard between slashes stands for zero or more whole segments.
  const overlaps = pieces.map((piece, at) => {
    const before = pieces[at - 1];
    return slashesMayMeet && before?.endsWith('/') && piece.startsWith('/') ? 1 : 0;
  });
  const lastOverlap = overlaps[pieces.length - 1] ?? 0;
  return (action) => {
    if (!action.startsWith(first)) return false;
    let at = first.length;
    // The leftmost place of each piece leaves the most room for the rest, so there is never a reason to go back.
    for (let index = 0; index < middle.length; index++) {
      const piece = middle[index] ?? '';
      const found = action.indexOf(piece, at - (overlaps[index + 1] ?? 0));
      if (found < 0) return false;
      at = found + piece.length;
    }
    return action.length - last.length >= at - lastOverlap && action.endsWith(last);
  };
}
