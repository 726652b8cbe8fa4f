/**
 * One worker process, as the operating system knows it: started by this master, or adopted from one before.
 *
 * It is detached, in a session of its own with its output in a file, so that neither a Ctrl-C in the master's terminal
 * nor the master's death takes it along.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { rotateLog } from './log-follower.js';

/** How a process ended; null when it was not this master's child, so that nobody could tell. */
export type ExitCode = number | null;

/** An adopted process is no child, so its end is not announced: look this often. */
const ADOPTED_POLL_MS = 250;
const STOP_POLL_MS = 20;

/**
 * For glibc's malloc: it gives threads heaps of their own, up to eight for each processor, and a worker's threads
 * allocate too little at one time for that (measured: 6 MiB of an idle worker). Whoever sets it knows better.
 */
const FEW_ARENAS = { MALLOC_ARENA_MAX: '2' };

export class WorkerProcess {
  private ended = false;

  private constructor(
    readonly pid: number,
    /** Resolves when the process has ended. Never rejects. */
    readonly exited: Promise<ExitCode>,
  ) {
    void exited.then(() => (this.ended = true));
  }

  /** @param command the program and its arguments, for Node. */
  static async start(command: readonly string[], logFile: string): Promise<WorkerProcess> {
    await mkdir(path.dirname(logFile), { recursive: true });
    await rotateLog(logFile);
    const log = await open(logFile, 'a');
    try {
      const child = spawn(process.execPath, command, {
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
        env: { ...FEW_ARENAS, ...process.env },
      });
      child.unref();
      // 'spawn' or, when the program cannot be started, 'error', which rejects.
      await once(child, 'spawn');
      const exited = once(child, 'exit').then(([code]) => (code as ExitCode) ?? null);
      return new WorkerProcess(child.pid ?? 0, exited);
    } finally {
      await log.close();
    }
  }

  /** REQUIRES: the caller has made sure that `pid` is the worker, and not another program that got its number. */
  static adopt(pid: number): WorkerProcess {
    return new WorkerProcess(pid, pollUntilGone(pid));
  }

  get isRunning(): boolean {
    return !this.ended;
  }

  /** Asks it to stop, and kills it after `deadlineMs`. Resolves when it is gone. */
  async stop(deadlineMs: number): Promise<void> {
    signal(this.pid, 'SIGTERM');
    const deadline = performance.now() + deadlineMs;
    while (this.isRunning && performance.now() < deadline) await sleep(STOP_POLL_MS);
    if (this.isRunning) signal(this.pid, 'SIGKILL');
    await this.exited;
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Gone already.
  }
}

async function pollUntilGone(pid: number): Promise<ExitCode> {
  while (isAlive(pid)) await sleep(ADOPTED_POLL_MS, undefined, { ref: false });
  return null;
}
