/** Whether V8 still does as it is told, asked of a Node of its own: the flags are those of a whole process. */
import { execFileSync } from 'node:child_process';

import { describe, expect, it } from '@jest/globals';

/** Lets several times the largest young generation survive, and prints its size in MiB. */
const SURVIVE = `
  const kept = [];
  for (let i = 0; i < 500_000; i++) kept.push({ i, text: [i] });
  const { space_size } = require('v8').getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
  console.log(Math.round(space_size / 2 ** 20));
`;
const HOLD = "require('v8').setFlagsFromString('--semi-space-growth-factor=1');";
const RELEASE = "require('v8').setFlagsFromString('--semi-space-growth-factor=2');";

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
});
