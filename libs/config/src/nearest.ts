/** The "did you mean" of mistyped flags and variables. */

/** Three slips: more, and the guess is more often wrong than helpful. */
const DISTANCE_MAX = 3;
/** No option name is longer; longer input is not a slip, and must not cost quadratic time. */
const WORD_LENGTH_MAX = 64;

/** The candidate that takes the fewest edits to reach, if it is close enough to be meant; the first one of equals. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > WORD_LENGTH_MAX) return undefined;
  let best: { candidate: string; distance: number } | undefined;
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate);
    const close = distance <= DISTANCE_MAX && distance * 2 < candidate.length;
    if (close && distance < (best?.distance ?? Infinity)) best = { candidate, distance };
  }
  return best?.candidate;
}

/** Levenshtein's distance: insertions, deletions and replacements. */
export function editDistance(from: string, to: string): number {
  // row[j] is the distance between the part of `from` read so far and the first j characters of `to`.
  let row = Array.from({ length: to.length + 1 }, (_, j) => j);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replace = at(row, j - 1) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replace, at(row, j) + 1, at(next, j - 1) + 1));
    }
    row = next;
  }
  return at(row, to.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity;
}
