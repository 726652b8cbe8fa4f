import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { ClockSanity, machineClocks } from './clock-sanity.js';
import type { MachineClocks } from './clock-sanity.js';

/** Clocks that a test lets run alike, or not. */
class Clocks implements MachineClocks {
  monotonic = 5000;
  wall = 1_700_000_000_000;
  uptime = 90_000;
  readonly uptimeGrainMs: number;

  constructor(uptimeGrainMs = 10) {
    this.uptimeGrainMs = uptimeGrainMs;
  }

  monotonicNowMs(): number {
    return this.monotonic;
  }
  wallNowMs(): number {
    return this.wall;
  }
  uptimeMs(): number {
    return Math.floor(this.uptime / this.uptimeGrainMs) * this.uptimeGrainMs;
  }

  pass(ms: number): void {
    this.monotonic += ms;
    this.wall += ms;
    this.uptime += ms;
  }
}

const JUMP_MS = 200;

describe('ClockSanity', () => {
  it('is content with clocks that run alike, whatever the grain of the uptime', () => {
    fc.assert(
      fc.property(fc.constantFrom(10, 1000), fc.array(fc.integer({ min: 1, max: 3000 })), (grain, pauses) => {
        const clocks = new Clocks(grain);
        const sanity = new ClockSanity(clocks, JUMP_MS);
        for (const ms of pauses) {
          clocks.pass(ms);
          expect(sanity.moment().clockSane).toBe(true);
          clocks.pass(ms);
          expect(sanity.tick()).toEqual({ nowMs: clocks.monotonic, clockSane: true });
        }
      }),
    );
  });

  it('notices at the gate that the machine slept: the monotonic clock stood still', () => {
    const clocks = new Clocks();
    const sanity = new ClockSanity(clocks, JUMP_MS);
    clocks.pass(40);
    clocks.wall += JUMP_MS + 1;
    expect(sanity.moment()).toEqual({ nowMs: clocks.monotonic, wallMs: clocks.wall, clockSane: false });
    expect(sanity.jumpedAtMs).toBe(clocks.monotonic);
  });

  it('notices a wall clock that was set back', () => {
    const clocks = new Clocks();
    const sanity = new ClockSanity(clocks, JUMP_MS);
    clocks.wall -= JUMP_MS + 1;
    expect(sanity.moment().clockSane).toBe(false);
  });

  it.each([10, 1000])('notices in the tick that only the uptime went on (grain %d ms)', (grain) => {
    const clocks = new Clocks(grain);
    const sanity = new ClockSanity(clocks, JUMP_MS);
    clocks.pass(50);
    clocks.uptime += 10_000;
    expect(sanity.moment().clockSane).toBe(true);
    expect(sanity.tick().clockSane).toBe(false);
  });

  it('stays insane until every replica was told, and then compares anew', () => {
    const clocks = new Clocks();
    const sanity = new ClockSanity(clocks, JUMP_MS);
    clocks.wall += 10_000;
    expect(sanity.moment().clockSane).toBe(false);
    clocks.pass(50);
    expect(sanity.moment().clockSane).toBe(false);
    expect(sanity.tick().clockSane).toBe(false);
    sanity.settle();
    clocks.pass(50);
    expect(sanity.moment().clockSane).toBe(true);
    expect(sanity.tick().clockSane).toBe(true);
  });

  it('forgives a disagreement within the bound, and does not add it up over ticks', () => {
    const clocks = new Clocks();
    const sanity = new ClockSanity(clocks, JUMP_MS);
    for (let i = 0; i < 20; i += 1) {
      clocks.pass(50);
      clocks.wall += JUMP_MS;
      expect(sanity.tick().clockSane).toBe(true);
    }
  });

  it('finds the clocks of this machine sane', () => {
    const sanity = new ClockSanity(machineClocks, JUMP_MS);
    expect(sanity.tick().clockSane).toBe(true);
  });
});
