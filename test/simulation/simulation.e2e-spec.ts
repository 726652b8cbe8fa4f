/**
 * The whole cluster under faults, on many seeds. `npm run sim` runs more of them; a failure prints how to see it again.
 */
import { describe, expect, it } from '@jest/globals';

import { bugOptions, replayCommand, runSeed, SEEDED_BUGS, traceSeed } from '@diststore/testing';

const SEEDS_PER_TEST = 100;
const TRACE_LINES = 60;
/** How many schedules a seeded bug may survive. */
const SEEDS_PER_BUG = 2500;

describe('a simulated cluster under faults', () => {
  it.each(Array.from({ length: 10 }, (_, i) => i * SEEDS_PER_TEST + 1))(
    `keeps its promises on ${SEEDS_PER_TEST} schedules from seed %i`,
    (from) => {
      let commits = 0;
      for (let seed = from; seed < from + SEEDS_PER_TEST; seed += 1) {
        const result = runSeed(seed);
        commits += result.commits;
        if (result.violation === undefined) continue;
        const trace = traceSeed(seed).slice(-TRACE_LINES).join('\n');
        throw new Error(
          `seed ${seed}: ${result.violation}\n\n${trace}\n\nSee it again: ${replayCommand(result)}`,
        );
      }
      expect(commits).toBeGreaterThan(SEEDS_PER_TEST * 10);
    },
    120_000,
  );

  it('goes the same way when a seed is run again', () => {
    expect(runSeed(42)).toEqual(runSeed(42));
    expect(traceSeed(42)).toEqual(traceSeed(42));
  });
});

/** Seeds that once showed a mistake in the product, by what was wrong. */
const REGRESSIONS: readonly (readonly [profile: string, seed: number, wrong: string])[] = [
  ['suspends', 77, 'answers to beacons from before a suspension earned leases after it'],
  ['suspends', 127, 'answers to beacons from before a suspension earned leases after it'],
  [
    'forced',
    58,
    'a repeated request was acknowledged with too few in sync, so an eligible replica lacked it',
  ],
  ['forced', 139, 'a replica that was given up was named again'],
  ['retired', 7552, 'a replica was dropped while a primary that knew of a newer target admitted it'],
  ['restores', 2178, 'a creation that nobody had heard of was made again under other names'],
  [
    'restores',
    40_296,
    'an admission that nobody had heard of was lost, and its version given to another change',
  ],
];

describe('a seed that once failed', () => {
  it.each(REGRESSIONS)('stays well: %s %i, once %s', (profile, seed) => {
    expect(runSeed(seed, { profile }).violation).toBeUndefined();
  });
});

describe('the checkers', () => {
  it.each(SEEDED_BUGS.map(({ name, mistake, firstSeed = 1 }) => [name, mistake, firstSeed] as const))(
    'catch %s: %s',
    (name, _mistake, firstSeed) => {
      const options = bugOptions(name);
      let caught: string | undefined;
      for (let tried = 0; tried < SEEDS_PER_BUG && caught === undefined; tried += 1) {
        caught = runSeed(firstSeed + tried, options).violation;
      }
      expect(caught).toMatch(/^[A-Z_]+/);
    },
    300_000,
  );
});
