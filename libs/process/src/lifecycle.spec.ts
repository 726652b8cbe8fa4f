import { afterEach, describe, expect, it } from '@jest/globals';

import { StoreError } from '@diststore/base';

import { Lifecycle } from './lifecycle.js';

const DEADLINE_MS = 20;

function start(nowMs = () => 0): { lifecycle: Lifecycle; lines: string[]; exits: number[] } {
  const lines: string[] = [];
  const exits: number[] = [];
  const add = (line: string): void => void lines.push(line);
  const exit = (code: number): void => void exits.push(code);
  const lifecycle = new Lifecycle({ log: add, warn: add, error: add }, DEADLINE_MS, exit, nowMs);
  return { lifecycle, lines, exits };
}

describe('Lifecycle', () => {
  afterEach(() => {
    for (const event of ['SIGTERM', 'SIGINT', 'uncaughtException', 'unhandledRejection'])
      process.removeAllListeners(event);
  });

  it('undoes the start in reverse order, one step after the other, and exits 0', async () => {
    const { lifecycle, exits } = start();
    const order: string[] = [];
    for (const name of ['storage', 'http']) {
      lifecycle.onStop(name, async () => {
        order.push(`${name} begins`);
        await Promise.resolve();
        order.push(`${name} ends`);
      });
    }
    await lifecycle.stop('test');
    expect(order).toEqual(['http begins', 'http ends', 'storage begins', 'storage ends']);
    expect(exits).toEqual([0]);
  });

  it('announces the stop once, before any step', async () => {
    const { lifecycle } = start();
    const order: string[] = [];
    lifecycle.onStop('http', () => Promise.resolve(order.push('http')));
    lifecycle.onStopping(() => void order.push('announced'));
    await Promise.all([lifecycle.stop('one'), lifecycle.stop('two')]);
    expect(order).toEqual(['announced', 'http']);
  });

  it('goes on after a step that is overdue and one that fails, and still exits 0', async () => {
    const { lifecycle, lines, exits } = start();
    let closed = false;
    lifecycle.onStop('storage', () => Promise.resolve((closed = true)));
    lifecycle.onStop('stuck', () => new Promise(() => undefined));
    lifecycle.onStop('broken', () => Promise.reject(new Error('no')));
    await lifecycle.stop('test');
    expect(lines).toContain('broken failed to stop: no');
    expect(lines).toContain(`stuck did not stop within ${DEADLINE_MS} ms; going on without it`);
    expect(closed).toBe(true);
    expect(exits).toEqual([0]);
  });

  it('stops once, however often it is asked', async () => {
    const { lifecycle, exits } = start();
    await Promise.all([lifecycle.stop('one'), lifecycle.stop('two')]);
    expect(exits).toEqual([0]);
  });

  it('takes two signals close together for one, and exits 1 at once on a later one', async () => {
    let nowMs = 0;
    const { lifecycle, exits } = start(() => nowMs);
    lifecycle.install();
    lifecycle.onStop('stuck', () => new Promise(() => undefined));
    process.emit('SIGINT');
    nowMs = 1000;
    process.emit('SIGINT');
    expect(exits).toEqual([]);
    nowMs = 1001;
    process.emit('SIGINT');
    expect(exits).toEqual([1]);
    await lifecycle.stop('cleanup');
  });

  it('always has a listener for a signal, so that none is forgotten which came while the program was loaded', () => {
    const early = (): void => undefined;
    process.on('SIGTERM', early);
    const left: number[] = [];
    const note = (event: unknown): void => {
      if (event === 'SIGTERM') left.push(process.listenerCount('SIGTERM'));
    };
    process.on('removeListener', note);
    start().lifecycle.install();
    process.off('removeListener', note);
    expect(left.length).toBeGreaterThan(0);
    expect(Math.min(...left)).toBeGreaterThan(0);
    expect(process.listeners('SIGTERM')).not.toContain(early);
  });

  it('says what to do about an operating error, without a stack', () => {
    const { lifecycle, exits, lines } = start();
    lifecycle.fatal(new StoreError('store-failed', 'Writing to disk failed: no space.'), 5);
    expect(lines).toEqual([
      expect.stringMatching(/^Fatal: Writing to disk failed: no space\. Check the disk/),
    ]);
    expect(exits).toEqual([5]);
  });

  it('exits 1 on an error that nobody handled, without running the steps', () => {
    const { lifecycle, exits, lines } = start();
    lifecycle.install();
    let ran = false;
    lifecycle.onStop('step', () => Promise.resolve((ran = true)));
    process.emit('uncaughtException', new Error('boom'));
    expect(lines).toEqual(['Fatal: boom']);
    expect(ran).toBe(false);
    expect(exits).toEqual([1]);
  });
});
