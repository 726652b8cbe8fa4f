import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { takeLock } from './lock.mjs';

describe('takeLock', () => {
  let folder;
  let lockFolder;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lock-'));
    lockFolder = join(folder, 'lock');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** As left by a process that was killed while it held the lock and ran `pids`. */
  function leaveBehind(owner, pids) {
    mkdirSync(lockFolder);
    writeFileSync(join(lockFolder, owner), pids.join(' '));
  }

  it('leaves nothing behind when released, even twice', async () => {
    const lock = await takeLock(lockFolder);
    expect(readdirSync(folder)).toEqual(['lock']);
    lock.release();
    lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('breaks the lock of a dead process at once, also one with our own process id', async () => {
    for (const pid of [spawnSync('true').pid, process.pid]) {
      leaveBehind(`${pid}-x`, [pid]);
      const lock = await takeLock(lockFolder, () => expect('waiting').toBe('not needed'));
      lock.release();
    }
  });

  it('waits for the child that a dead process has left at work', async () => {
    const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 500)']);
    leaveBehind('dead', [spawnSync('true').pid, child.pid]);
    const waitedFor = [];
    const lock = await takeLock(lockFolder, (pid) => waitedFor.push(pid));
    expect(waitedFor).toEqual([child.pid]);
    expect(child.exitCode).toBe(0);
    lock.release();
  });

  it('never lets two processes in, while others die holding it', async () => {
    const inside = join(folder, 'inside');
    const program = `
      import { mkdirSync, rmdirSync } from 'node:fs';
      import { takeLock } from ${JSON.stringify(new URL('./lock.mjs', import.meta.url).href)};
      for (let turn = 0; turn < 3; turn++) {
        const lock = await takeLock(${JSON.stringify(lockFolder)});
        mkdirSync(${JSON.stringify(inside)}); // Fails if another one is inside.
        await new Promise((resolve) => setTimeout(resolve, 20));
        rmdirSync(${JSON.stringify(inside)});
        if (turn === 2 && process.argv[1] === 'dies') process.kill(process.pid, 'SIGKILL');
        lock.release();
      }`;
    const children = ['lives', 'dies', 'lives', 'dies'].map((fate) =>
      spawn(process.execPath, ['--input-type=module', '-e', program, fate], { stdio: 'inherit' }),
    );
    const ends = await Promise.all(children.map((child) => once(child, 'close')));
    expect(ends).toEqual([
      [0, null],
      [null, 'SIGKILL'],
      [0, null],
      [null, 'SIGKILL'],
    ]);
    expect(existsSync(inside)).toBe(false);
  }, 30_000);
});
