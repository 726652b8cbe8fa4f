/**
 * Starts workers and keeps them running.
 *
 *     (none) ──create──► starting ──serves──► running ──exits──► waiting ──backoff──► starting
 *                           └──does not come up──► (none), with the reason
 *
 * A worker that has never come up is not tried again: whoever asked for it has the reason. One that has served is
 * started again however often it dies, with growing pauses. It also outlives the master: one that is still running
 * when the master starts is adopted.
 */
import path from 'node:path';

import { EXIT, StoreError } from '@diststore/base';
import type { Log } from '@diststore/process';
import { request } from 'undici';

import type { WorkerRegistry, WorkerView } from '../registry/worker-registry.js';
import { lastLines, LogFollower } from './log-follower.js';
import { type ExitCode, isAlive, WorkerProcess } from './worker-process.js';

export interface SupervisorOptions {
  /** The worker's main file. */
  readonly program: string;
  readonly host: string;
  /** Worker i listens on this plus i. */
  readonly portBase: number;
  readonly masterUrl: string;
  readonly dataDir: string;
  readonly logFormat: string;
  readonly startTimeoutMs: number;
  readonly stopDeadlineMs: number;
  /** One line of a worker's output. */
  readonly onOutput: (index: number, line: string) => void;
}

export interface Created {
  readonly worker: WorkerView;
  /** False when it ran already. */
  readonly created: boolean;
}

interface Supervised {
  process: WorkerProcess | undefined;
  follower: LogFollower | undefined;
  restartTimer: NodeJS.Timeout | undefined;
  backoffMs: number;
}

const BACKOFF_MS_MIN = 250;
const BACKOFF_MS_MAX = 30_000;
/** A worker that has run for so long starts again with the shortest pause. */
const HEALTHY_AFTER_MS = 60_000;
const LAST_LINES = 20;
const IDENTIFY_TIMEOUT_MS = 2000;

export class Supervisor {
  private readonly workers = new Map<number, Supervised>();
  private readonly creating = new Map<number, Promise<Created>>();
  /** Attempts whose process may exist although it is not in `workers` yet. */
  private readonly attempts = new Set<Promise<unknown>>();
  private stopped = false;

  constructor(
    private readonly registry: WorkerRegistry,
    private readonly log: Log,
    private readonly options: SupervisorOptions,
  ) {}

  /**
   * Makes sure that worker `index` runs, and resolves when it serves. Calls at the same time share one attempt.
   * @throws StoreError address-in-use: its port or data directory is taken; worker-start-timeout, with the last lines
   *   of its log; draining.
   */
  create(index: number): Promise<Created> {
    const underWay = this.creating.get(index);
    if (underWay !== undefined) return underWay;
    const attempt = this.createOnce(index).finally(() => this.creating.delete(index));
    this.creating.set(index, attempt);
    return attempt;
  }

  /** Takes up the workers that an earlier master left: adopts those that run, starts those that do not. */
  async resume(): Promise<void> {
    const supervised = this.registry.views().filter((view) => view.supervised);
    await Promise.all(supervised.map(({ index }) => this.adoptOrStart(index)));
  }

  /** Stops a worker in good order and starts it no more, if this master started it; nothing happens to any other. */
  async remove(index: number): Promise<void> {
    await this.registry.setSupervised(index, false);
    const worker = this.workers.get(index);
    if (worker === undefined) return;
    this.workers.delete(index);
    clearTimeout(worker.restartTimer);
    await worker.process?.stop(this.options.stopDeadlineMs);
    await worker.follower?.close();
  }

  /**
   * No worker is started again from now on; with `stopWorkers` those running are stopped first, in good order. They
   * all stop, so none hands its partitions over to another: that is announced before.
   */
  async stop({ stopWorkers }: { stopWorkers: boolean }): Promise<void> {
    this.stopped = true;
    for (const { restartTimer } of this.workers.values()) clearTimeout(restartTimer);
    // None begins from now on, and a process on its way here would escape.
    await Promise.allSettled(this.attempts);
    if (stopWorkers) {
      this.registry.announceStop();
      const running = [...this.workers.values()].flatMap(({ process }) => process ?? []);
      await Promise.all(running.map((process) => process.stop(this.options.stopDeadlineMs)));
    }
    const followers = [...this.workers.values()].flatMap(({ follower }) => follower ?? []);
    await Promise.all(followers.map((follower) => follower.close()));
  }

  private async createOnce(index: number): Promise<Created> {
    const running = this.serving(index);
    if (running !== undefined) return { worker: running, created: false };
    this.refuseWhenStopped();
    const known = this.workers.get(index);
    clearTimeout(known?.restartTimer);
    const { worker, started } =
      known?.process?.isRunning === true ? { worker: known, started: false } : await this.adoptOrStart(index);
    await this.untilServing(index, worker);
    await this.registry.setSupervised(index, true);
    const view = this.serving(index);
    if (view === undefined)
      throw new StoreError('retry-later', `Worker ${index} served, and stopped at once.`);
    return { worker: view, created: started };
  }

  private serving(index: number): WorkerView | undefined {
    const view = this.registry.view(index);
    if (view?.state !== 'serving') return undefined;
    // Its last report may be fresh although the process has just died: a child's end is known at once.
    const process = this.workers.get(index)?.process;
    return process !== undefined && (!process.isRunning || process.pid !== view.pid) ? undefined : view;
  }

  /** @throws StoreError when the worker ends, or the time is up, before it serves. It is then left stopped. */
  private async untilServing(index: number, worker: Supervised): Promise<void> {
    const { process } = worker;
    if (process === undefined) throw new StoreError('retry-later', `Worker ${index} is between two starts.`);
    const { startTimeoutMs } = this.options;
    const over = new AbortController();
    let exit: { readonly code: ExitCode } | undefined;
    void process.exited.then((code) => {
      exit = { code };
      over.abort();
    });
    const timer = setTimeout(() => over.abort(), startTimeoutMs);
    const serves = await this.registry.reported.until(() => this.serving(index) !== undefined, over.signal);
    clearTimeout(timer);
    if (serves) return;
    const lines = await lastLines(this.logFile(index), LAST_LINES);
    const failure = startFailure(index, exit, startTimeoutMs, lines);
    const view = this.registry.view(index);
    if (view?.supervised !== true) {
      this.workers.delete(index);
      if (exit === undefined) await process.stop(this.options.stopDeadlineMs);
      await worker.follower?.close();
    }
    throw failure;
  }

  /**
   * Its process may run although it is not known here: it was left by an earlier master, or stood still when it was
   * looked for and moves again. A second one could not open its data directory.
   */
  private adoptOrStart(index: number): Promise<{ worker: Supervised; started: boolean }> {
    const attempt = this.adoptOrStartOnce(index);
    const tracked = attempt.finally(() => this.attempts.delete(tracked));
    this.attempts.add(tracked);
    return tracked;
  }

  private async adoptOrStartOnce(index: number): Promise<{ worker: Supervised; started: boolean }> {
    const view = this.registry.view(index);
    if (view?.supervised !== true || !isAlive(view.pid) || !(await isThisWorker(view)))
      return { worker: await this.start(index), started: true };
    this.log.log(`Adopted worker ${index}, process ${view.pid}, which is still running`);
    return { worker: await this.supervise(index, WorkerProcess.adopt(view.pid)), started: false };
  }

  private async start(index: number): Promise<Supervised> {
    this.refuseWhenStopped();
    const { program, host, portBase, masterUrl, dataDir, logFormat } = this.options;
    const command = [
      program,
      `--index=${index}`,
      `--http-port=${portBase + index}`,
      `--host=${host}`,
      `--master-url=${masterUrl}`,
      `--data-dir=${dataDir}`,
      `--log-format=${logFormat}`,
    ];
    const started = await WorkerProcess.start(command, this.logFile(index)).catch((cause: unknown) => {
      const detail = `Worker ${index} cannot be started: ${cause instanceof Error ? cause.message : String(cause)}.`;
      throw new StoreError('worker-start-timeout', detail, {
        cause,
        facts: { worker: index, lastLogLines: [] },
      });
    });
    this.log.log(`Started worker ${index} on port ${portBase + index}, process ${started.pid}`);
    return this.supervise(index, started);
  }

  private async supervise(index: number, process: WorkerProcess): Promise<Supervised> {
    const worker = this.workers.get(index) ?? {
      process: undefined,
      follower: undefined,
      restartTimer: undefined,
      backoffMs: BACKOFF_MS_MIN,
    };
    worker.process = process;
    this.workers.set(index, worker);
    worker.follower ??= await LogFollower.follow(this.logFile(index), (line) =>
      this.options.onOutput(index, line),
    );
    const startedMs = performance.now();
    void process.exited.then((code) => this.onExit(index, worker, code, performance.now() - startedMs));
    return worker;
  }

  private onExit(index: number, worker: Supervised, code: ExitCode, ranMs: number): void {
    if (this.stopped || this.workers.get(index) !== worker || this.registry.view(index)?.supervised !== true)
      return;
    if (ranMs > HEALTHY_AFTER_MS) worker.backoffMs = BACKOFF_MS_MIN;
    const { backoffMs } = worker;
    this.log.warn(
      `Worker ${index} ended${code === null ? '' : ` with exit code ${code}`}; starting it again in ${backoffMs} ms`,
    );
    worker.backoffMs = Math.min(backoffMs * 2, BACKOFF_MS_MAX);
    worker.restartTimer = setTimeout(() => {
      if (this.creating.has(index)) return;
      this.adoptOrStart(index).catch((error: unknown) => {
        this.log.error(error instanceof Error ? error.message : String(error));
        this.onExit(index, worker, null, 0);
      });
    }, backoffMs);
  }

  private refuseWhenStopped(): void {
    if (this.stopped) throw new StoreError('draining', 'The master is stopping; no worker is started.');
  }

  private logFile(index: number): string {
    return path.join(this.options.dataDir, `worker-${index}`, 'worker.log');
  }
}

/** A process number can have been given to another program since: ask the worker who it is. */
async function isThisWorker({ urls, storeId, pid }: WorkerView): Promise<boolean> {
  try {
    const answer = await request(`${urls.http}/worker`, {
      headersTimeout: IDENTIFY_TIMEOUT_MS,
      bodyTimeout: IDENTIFY_TIMEOUT_MS,
    });
    const identity = (await answer.body.json()) as { storeId?: unknown; pid?: unknown };
    return identity.storeId === storeId && identity.pid === pid;
  } catch {
    return false;
  }
}

function startFailure(
  index: number,
  exit: { readonly code: ExitCode } | undefined,
  startTimeoutMs: number,
  lines: string[],
): StoreError {
  const facts = { worker: index, lastLogLines: lines };
  if (exit === undefined) {
    return new StoreError(
      'worker-start-timeout',
      `Worker ${index} did not serve within ${startTimeoutMs} ms.`,
      { facts },
    );
  }
  switch (exit.code) {
    case EXIT.addressInUse:
      return new StoreError('address-in-use', `The port of worker ${index} is taken by another process.`, {
        facts,
      });
    case EXIT.storeLocked:
      return new StoreError(
        'address-in-use',
        `The data directory of worker ${index} is open in another process.`,
        { facts },
      );
    default:
      return new StoreError(
        'worker-start-timeout',
        `Worker ${index} ended before it served, with exit code ${exit.code ?? 'unknown'}.`,
        { facts },
      );
  }
}
