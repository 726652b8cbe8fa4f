import { appendFile, mkdtemp, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { lastLines, LogFollower, rotateLog } from './log-follower.js';

describe('LogFollower', () => {
  let folder: string;
  let file: string;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'diststore-log-'));
    file = path.join(folder, 'worker.log');
  });

  afterEach(() => rm(folder, { recursive: true }));

  it('passes on the lines written since, also to a file that did not exist, and after a rotation', async () => {
    const lines: string[] = [];
    const follower = await LogFollower.follow(file, (line) => lines.push(line));
    await writeFile(file, 'one\ntwo\n');
    await follower.catchUp();
    await appendFile(file, 'three\n');
    await follower.catchUp();
    await truncate(file);
    await appendFile(file, 'four\n');
    await follower.close();
    expect(lines).toEqual(['one', 'two', 'three', 'four']);
  });

  it('leaves out what was there before', async () => {
    await writeFile(file, 'old\n');
    const lines: string[] = [];
    const follower = await LogFollower.follow(file, (line) => lines.push(line));
    await appendFile(file, 'new\n');
    await follower.close();
    expect(lines).toEqual(['new']);
  });

  it('shows the last lines of a long log, and none of a missing one', async () => {
    expect(await lastLines(file, 3)).toEqual([]);
    await writeFile(file, Array.from({ length: 10_000 }, (_unused, i) => `line ${i}`).join('\n'));
    expect(await lastLines(file, 2)).toEqual(['line 9998', 'line 9999']);
  });

  it('puts a log aside when it has grown too large, not before', async () => {
    await writeFile(file, 'small');
    await rotateLog(file);
    expect((await stat(file)).size).toBe(5);
    await truncate(file, 17 * 1024 * 1024);
    await rotateLog(file);
    await expect(stat(file)).rejects.toMatchObject({ code: 'ENOENT' });
    expect((await stat(`${file}.1`)).size).toBe(17 * 1024 * 1024);
  });
});
