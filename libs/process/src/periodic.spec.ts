import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { Periodic } from './periodic.js';

const warnings: string[] = [];
const log = { log: () => undefined, warn: (line: string) => warnings.push(line), error: () => undefined };

/** A pass that ends when the test says so. */
class Passes {
  begun = 0;
  private readonly ends: (() => void)[] = [];

  readonly pass = (): Promise<void> => {
    this.begun += 1;
    return new Promise((resolve) => this.ends.push(resolve));
  };

  end(): void {
    this.ends.shift()?.();
  }
}

describe('Periodic', () => {
  let passes: Passes;
  let periodic: Periodic;

  beforeEach(() => {
    jest.useFakeTimers();
    warnings.length = 0;
    passes = new Passes();
    periodic = new Periodic(passes.pass, { name: 'Work', intervalMs: 100, log });
  });

  afterEach(async () => {
    const stopped = periodic.stop();
    passes.end();
    await stopped;
    jest.useRealTimers();
  });

  it('makes one pass per interval, and none while one is under way', async () => {
    await jest.advanceTimersByTimeAsync(350);
    expect(passes.begun).toBe(1);
    passes.end();
    await jest.advanceTimersByTimeAsync(100);
    expect(passes.begun).toBe(2);
  });

  it('makes one more pass for news that came during one, however much of it', async () => {
    const first = periodic.run();
    const second = Promise.all([periodic.run(), periodic.run()]);
    expect(passes.begun).toBe(1);
    passes.end();
    await jest.advanceTimersByTimeAsync(0);
    expect(passes.begun).toBe(2);
    passes.end();
    await Promise.all([first, second]);
    expect(passes.begun).toBe(2);
  });

  it('goes on after a pass that failed, and says why', async () => {
    let isFirst = true;
    const failing = new Periodic(
      () => {
        const wasFirst = isFirst;
        isFirst = false;
        return wasFirst ? Promise.reject(new Error('no disk')) : Promise.resolve();
      },
      { name: 'Sweep', intervalMs: 100, log },
    );
    await failing.run();
    expect(warnings).toEqual(['Sweep put off: no disk']);
    await failing.run();
    await failing.stop();
    expect(warnings).toHaveLength(1);
  });

  it('stops after the pass under way, and begins none', async () => {
    void periodic.run();
    let stopped = false;
    const stop = periodic.stop().then(() => (stopped = true));
    await jest.advanceTimersByTimeAsync(500);
    expect(stopped).toBe(false);
    passes.end();
    await stop;
    await periodic.run();
    expect(passes.begun).toBe(1);
  });
});
