/**
 * A process that writes is killed again and again, without a warning. What it had acknowledged must be there, and
 * every write must be there wholly or not at all.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TemporaryDirectory } from '@diststore/testing';

import { LevelStorage } from './level-storage.js';

const TESTING = fileURLToPath(new URL('../../testing/src/', import.meta.url));
const WRITERS = 4;
/** Acknowledged writes before each kill. */
const KILLS_AFTER = [30, 300];

describe('LevelStorage in a process that is killed', () => {
  let directory: TemporaryDirectory;

  beforeAll(async () => {
    directory = await TemporaryDirectory.create();
  });
  afterAll(() => directory.remove());

  const open = (): Promise<LevelStorage> =>
    LevelStorage.open({ directory: directory.path, owner: 'the crash test' });

  /** Runs the writer until `acknowledgements` were seen; returns the last count that each writer had acknowledged. */
  async function writeAndKill(from: number, acknowledgements: number): Promise<Map<number, number>> {
    const child = spawn(
      process.execPath,
      [
        '--import',
        `${TESTING}typescript-hooks.mjs`,
        `${TESTING}crash-writer.ts`,
        directory.path,
        String(WRITERS),
        String(from),
      ],
      { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, NODE_OPTIONS: '' } },
    );
    const ended = once(child, 'exit');
    const acknowledged = new Map<number, number>();
    let seen = 0;
    try {
      for await (const line of createInterface(child.stdout)) {
        if (line === 'ready') {
          await expect(open()).rejects.toMatchObject({
            code: 'store-locked',
            message: expect.stringContaining(`the crash writer (process ${String(child.pid)},`),
          });
          continue;
        }
        const [writer, count] = line.split(' ').map(Number);
        if (writer === undefined || count === undefined) continue;
        acknowledged.set(writer, count);
        seen += 1;
        if (seen === acknowledgements) child.kill('SIGKILL');
      }
    } finally {
      child.kill('SIGKILL');
    }
    expect(await ended).toEqual([null, 'SIGKILL']);
    return acknowledged;
  }

  it('has everything that was acknowledged, and nothing by halves', async () => {
    let from = 0;
    for (const acknowledgements of KILLS_AFTER) {
      const acknowledged = await writeAndKill(from, acknowledgements);
      const storage = await open();
      const read = (key: string): string | undefined => storage.getSync(Buffer.from(key))?.toString();
      let next = from;
      for (const [writer, count] of acknowledged) {
        const newest = Number(read(`${writer}/left`));
        expect([writer, read(`${writer}/right`)]).toEqual([writer, String(newest)]);
        expect(newest).toBeGreaterThanOrEqual(count);
        for (let i = from; i <= newest; i += 1) {
          const row = read(`${writer}/${i}`);
          expect([writer, i, row]).toEqual([writer, i, Buffer.alloc(row?.length ?? 0, `${i} `).toString()]);
        }
        expect(read(`${writer}/${newest + 1}`)).toBeUndefined();
        next = Math.max(next, newest + 1);
      }
      await storage.close();
      from = next;
    }
  }, 30_000);
});
