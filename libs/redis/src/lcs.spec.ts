import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { longestCommonSubsequence } from './lcs.js';

const text = fc.string({ maxLength: 12, unit: fc.constantFrom('a', 'b', 'c') });

/** By trying all subsequences of the first. */
function longestByTrying(a: string, b: string): number {
  let longest = 0;
  for (let chosen = 0; chosen < 1 << a.length; chosen++) {
    const part = Array.from(a).filter((_, i) => (chosen >> i) & 1);
    let at = -1;
    if (part.length > longest && part.every((letter) => (at = b.indexOf(letter, at + 1)) >= 0))
      longest = part.length;
  }
  return longest;
}

describe('the longest common subsequence', () => {
  it('is as long as there is one, and consists of the runs', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        const common = longestCommonSubsequence(Buffer.from(a), Buffer.from(b));
        expect(common?.length).toBe(longestByTrying(a, b));
        const inOrder = [...(common?.runs ?? [])].reverse();
        expect(inOrder.map((run) => a.slice(run.a, run.a + run.length)).join('')).toBe(
          common?.bytes.toString(),
        );
        expect(inOrder.map((run) => b.slice(run.b, run.b + run.length)).join('')).toBe(
          common?.bytes.toString(),
        );
      }),
      { numRuns: 60 },
    );
  });

  it('is not computed for values that are too large for one go', () => {
    const large = Buffer.alloc(5000, 'a');
    expect(longestCommonSubsequence(large, large)).toBeUndefined();
    expect(longestCommonSubsequence(large, large.subarray(0, 3000))?.length).toBe(3000);
  });
});
