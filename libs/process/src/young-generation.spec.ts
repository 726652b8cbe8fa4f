/** Whether V8 still does as it is told, asked of a Node of its own: the flags are those of a whole process. */
import { execFileSync } from 'node:child_process';

import { describe, expect, it, jest } from '@jest/globals';

import { releaseYoungGenerationUnderLoad } from './young-generation.js';

/** Lets several times the largest young generation survive, and prints its size in MiB. */
const SURVIVE = `
  const kept = [];
  for (let i = 0; i < 500_000; i++) kept.push({ i, text: [i] });
  const { space_size } = require('v8').getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
  console.log(Math.round(space_size / 2 ** 20));
`;
const HOLD = "require('v8').setFlagsFromString('--semi-space-growth-factor=1');";
const RELEASE = "require('v8').setFlagsFromString('--semi-space-growth-factor=2');";

const NO_GUESS = "require('v8').setFlagsFromString('--no-allocation-site-pretenuring');";

/** What V8 says of where it will make objects from now on. */
function guesses(program: string): string[] {
  const args = ['--trace-pretenuring-statistics', '-e', program];
  const said = execFileSync(process.execPath, args, { encoding: 'utf8' });
  return said.split('\n').filter((line) => line.includes('AllocationSite'));
}

const ONE_THREAD = "require('v8').setFlagsFromString('--no-parallel-scavenge');";

/** How long other threads have collected the young generation, in each collection. */
function otherThreadsMs(program: string): number[] {
  const args = ['--trace-gc', '--trace-gc-nvp', '-e', program];
  const said = execFileSync(process.execPath, args, { encoding: 'utf8' });
  return [...said.matchAll(/background\.scavenge\.parallel=([\d.]+)/g)].map(([, ms]) => Number(ms));
}

function youngMiB(program: string): number {
  return Number(execFileSync(process.execPath, ['-e', program], { encoding: 'utf8' }));
}

describe('the young generation', () => {
  it('stays small while it is held, and grows once it is released', () => {
    const heldMiB = youngMiB(`${HOLD}${SURVIVE}`);
    const releasedMiB = youngMiB(`${HOLD}${RELEASE}${SURVIVE}`);
    expect(heldMiB).toBeLessThanOrEqual(4);
    expect(releasedMiB).toBeGreaterThan(heldMiB);
  });

  it('is where everything new is made', () => {
    expect(guesses(SURVIVE)).not.toEqual([]);
    expect(guesses(`${NO_GUESS}${SURVIVE}`)).toEqual([]);
  });

  it('is collected by one thread', () => {
    const spentMs = otherThreadsMs(`${ONE_THREAD}${SURVIVE}`);
    expect(spentMs).not.toEqual([]);
    expect(spentMs.filter((ms) => ms > 0)).toEqual([]);
  });

  it('is released once, after three busy seconds in a row', () => {
    jest.useFakeTimers();
    try {
      const shares = [0.9, 0.5, 0.49, 0.5, 0.9, 1, 1];
      let released = 0;
      releaseYoungGenerationUnderLoad(
        () => shares.shift() ?? 1,
        () => (released += 1),
      );
      jest.advanceTimersByTime(5000);
      expect(released).toBe(0);
      jest.advanceTimersByTime(1000);
      expect(released).toBe(1);
      expect(jest.getTimerCount()).toBe(0);
    } finally {
      jest.useRealTimers();
    }
  });

  it('is left as it is when looking was stopped', () => {
    jest.useFakeTimers();
    try {
      const stop = releaseYoungGenerationUnderLoad(
        () => 1,
        () => undefined,
      );
      stop();
      expect(jest.getTimerCount()).toBe(0);
    } finally {
      jest.useRealTimers();
    }
  });
});
