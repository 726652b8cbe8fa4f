/**
 * A disk that fills up: new values are refused while there is still room, reads and deletes go on, and what was
 * acknowledged survives even a disk that is full to the last byte.
 *
 * The real disk is a small tmpfs in a mount namespace of the worker's own, which vanishes with it. That needs Linux
 * and root; elsewhere those tests are skipped.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect, it } from '@jest/globals';
import { freePorts, type HttpClient, ROOT, type RunningProcess, useSandbox } from '@diststore/testing';

import { expectProblem } from './problem.js';

const sandbox = useSandbox('each');
const DISK_FULL = { status: 507, code: 'disk-full' };

it('free space below the reserve: 507 for new values; reads and deletes go on', async () => {
  const worker = await sandbox().startWorker();
  for (const key of ['a', 'b']) await worker.http.put(`/put/${key}/1`);
  await worker.process.stop();

  const { http } = await sandbox().startAgain(worker, ['--disk-reserve-bytes=1000000000000000']);
  const problem = expectProblem(await http.put('/put/c/1'), DISK_FULL);
  expect(problem).toMatchObject({ retryable: true, diskReserveBytes: 1e15, freeBytes: expect.any(Number) });
  expectProblem(await http.put('/v1/kv/a', 'again'), DISK_FULL);
  expect((await http.get('/get/a')).text).toBe('1');
  expect((await http.delete('/delete/a')).status).toBe(200);
  expect((await http.delete('/clear')).json()).toMatchObject({ removed: 1 });
  expect((await http.get('/readyz')).status).toBe(200);
});

const MiB = 1024 * 1024;
const MOUNT = 'mount -t tmpfs -o size="$1" tmpfs "$2"';
const canMount =
  process.platform === 'linux' &&
  spawnSync('unshare', ['-m', 'sh', '-c', MOUNT, 'sh', `${MiB}`, '/mnt']).status === 0;

(canMount ? describe : describe.skip)('a disk of 32 MiB', () => {
  /** Starts a worker whose data is on a disk of its own, and once more on that disk when it has ended. */
  async function startTwice(
    flags: string[],
  ): Promise<{ runs: RunningProcess; http: HttpClient; disk: string }> {
    const mountPoint = sandbox().path('disk');
    await mkdir(mountPoint);
    const port = await freePorts();
    const main = path.join(ROOT, 'dist/bundle/worker/src/main.js');
    const worker = [main, `${port}`, '--index=1', '--standalone', `--data-dir=${mountPoint}`];
    const script = `${MOUNT} && shift 2 && { "$@"; echo "first run: exit code $?"; exec "$@"; }`;
    const args = [String(32 * MiB), mountPoint, process.execPath, ...worker, ...flags];
    const runs = await sandbox().run('worker on a small disk', {
      program: 'unshare',
      args: ['-m', 'sh', '-c', script, 'sh', ...args],
    });
    await runs.untilPrints(/serves at/);
    // The disk as seen from outside its namespace.
    const disk = `/proc/${runs.pid}/root${mountPoint}`;
    return { runs, http: sandbox().client(`http://127.0.0.1:${port}`), disk };
  }

  async function killFirstRun({ runs, http }: { runs: RunningProcess; http: HttpClient }): Promise<void> {
    const { pid } = (await http.get('/worker')).json() as { pid: number };
    process.kill(pid, 'SIGKILL');
    await runs.untilPrints(/first run: exit code[^]*serves at/);
  }

  it('is never filled beyond the reserve, and opens again after kill -9', async () => {
    const started = await startTwice([`--disk-reserve-bytes=${8 * MiB}`, `--write-buffer-bytes=${MiB}`]);
    const { http } = started;
    const stored = new Map<string, Buffer>();
    for (let i = 0; ; i++) {
      const value = randomBytes(256 * 1024);
      const answer = await http.put(`/put/${i}`, value);
      if (answer.status === 507) {
        expectProblem(answer, DISK_FULL);
        break;
      }
      expect(answer.status).toBe(201);
      stored.set(`${i}`, value);
    }
    expect(stored.size).toBeGreaterThan(10);
    const [first = ''] = stored.keys();
    expect((await http.delete(`/delete/${first}`)).status).toBe(200);
    stored.delete(first);
    await killFirstRun(started);
    for (const [key, value] of stored) expect((await http.get(`/get/${key}`)).body.equals(value)).toBe(true);
    expect((await http.get(`/get/${first}`)).status).toBe(404);
  });

  it('full to the last byte: the write is not acknowledged, the process ends, nothing acknowledged is lost', async () => {
    const started = await startTwice(['--disk-reserve-bytes=0']);
    const { runs, http, disk } = started;
    const value = randomBytes(64 * 1024);
    expect((await http.put('/put/before', value)).status).toBe(201);
    // Somebody else takes all there is, faster than the worker looks.
    const filler = path.join(disk, 'filler');
    await expect(writeFile(filler, Buffer.alloc(64 * MiB))).rejects.toThrow('ENOSPC');
    const statuses: (number | undefined)[] = [];
    for (let i = 0; i < 50 && !runs.output.includes('first run'); i++) {
      const answer = await http.put(`/put/after${i}`, value).catch(() => undefined);
      statuses.push(answer?.status);
      if (answer === undefined) break;
    }
    expect(statuses).not.toContain(201);
    await rm(filler);
    if (!/first run/.test(runs.output) && statuses.every((status) => status === 507))
      await killFirstRun(started);
    await runs.untilPrints(/first run: exit code[^]*serves at/);
    expect((await http.get('/get/before')).body.equals(value)).toBe(true);
    expect((await http.put('/put/later', value)).status).toBe(201);
  });
});
