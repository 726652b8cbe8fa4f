import { tmpdir } from 'node:os';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { FreeSpace } from './free-space.js';

const RESERVE = 1000;
const FULL = expect.objectContaining({ code: 'disk-full' });

describe('FreeSpace', () => {
  let freeBytes: number | Error;
  let looks: number;
  /** Wakes who waits for the next look. */
  let looked: () => void;
  let watch: FreeSpace | undefined;

  const measure = (): Promise<number> => {
    looks += 1;
    looked();
    return freeBytes instanceof Error ? Promise.reject(freeBytes) : Promise.resolve(freeBytes);
  };
  const start = async (intervalMs = 1): Promise<FreeSpace> => {
    watch = await FreeSpace.watch({ directory: '/data', reserveBytes: RESERVE, intervalMs, measure });
    return watch;
  };
  /** Resolves when a look that began from now on has been taken in. */
  const nextLook = async (): Promise<void> => {
    for (let i = 0; i < 2; i += 1) await new Promise<void>((resolve) => (looked = resolve));
  };

  beforeEach(() => {
    freeBytes = 2000;
    looks = 0;
    looked = () => undefined;
  });
  afterEach(async () => {
    await watch?.close();
    watch = undefined;
  });

  it('has looked when it is there', async () => {
    const space = await start();
    expect(looks).toBe(1);
    expect(space.availableBytes).toBe(1000);
  });

  it('refuses what does not fit above the reserve, with the amplification of a store, and counts it not', async () => {
    const space = await start(3_600_000);
    expect(() => space.take(334)).toThrow(FULL);
    space.take(333);
    expect(space.availableBytes).toBe(1);
    expect(() => space.take(1)).toThrow(FULL);
    space.take(0);
  });

  it('counts between two looks what was taken', async () => {
    const space = await start(3_600_000);
    for (let i = 0; i < 3; i += 1) space.take(100);
    expect(space.availableBytes).toBe(100);
    expect(() => space.take(100)).toThrow(FULL);
  });

  it('refuses everything at the reserve and below, and names the numbers and the setting', async () => {
    freeBytes = RESERVE - 1;
    const space = await start();
    expect(space.availableBytes).toBe(0);
    expect(() => space.take(1)).toThrow(
      expect.objectContaining({
        code: 'disk-full',
        facts: { freeBytes: 999, diskReserveBytes: RESERVE },
        message: expect.stringMatching(/999 bytes .* \/data, and 1000 .* \(diskReserveBytes\)/),
      }),
    );
  });

  it('recovers at the next look', async () => {
    freeBytes = 0;
    const space = await start();
    expect(() => space.take(1)).toThrow(FULL);
    freeBytes = 5000;
    await nextLook();
    space.take(1000);
    await nextLook();
    expect(space.availableBytes).toBe(4000);
  });

  it('goes by its last look while the file system cannot be asked', async () => {
    const space = await start();
    freeBytes = new Error('EIO');
    await nextLook();
    expect(space.availableBytes).toBe(1000);
  });

  it('keeps counting what was taken while it looks', async () => {
    let answer: (bytes: number) => void = () => undefined;
    const slow = await FreeSpace.watch({
      directory: '/data',
      reserveBytes: RESERVE,
      intervalMs: 1,
      measure: () => {
        looks += 1;
        if (looks === 1) return Promise.resolve(2000);
        looked();
        return new Promise((resolve) => (answer = resolve));
      },
    });
    slow.take(10);
    await new Promise<void>((resolve) => (looked = resolve));
    slow.take(100);
    answer(2000);
    await slow.close();
    expect(slow.availableBytes).toBe(1000 - 3 * 100);
  });

  it('asks the file system of its directory unless told otherwise', async () => {
    watch = await FreeSpace.watch({ directory: tmpdir(), reserveBytes: 0 });
    expect(watch.availableBytes).toBeGreaterThan(0);
    expect(watch.availableBytes).toBeLessThan(Number.POSITIVE_INFINITY);
  });
});
