/**
 * The life of a process: it runs until a signal or a fatal error, then undoes its start in reverse order, each step
 * within a deadline, and exits.
 *
 *     running ──SIGTERM, SIGINT, stop()──► stopping ──all steps done or overdue──► exit 0
 *        │                                    │
 *        └──fatal()──► exit 1 at once         └──another signal, a moment later──► exit 1 at once
 *
 * A fatal error skips the steps on purpose: after a broken invariant or a failed fsync the state in memory is not to
 * be trusted, and what is acknowledged is already on disk.
 */
import { EXIT, invariant, isStoreError } from '@diststore/base';

export interface Log {
  log(message: string): void;
  warn(message: string): void;
  error(message: string, stack?: string): void;
}

interface Step {
  readonly name: string;
  readonly stop: () => Promise<unknown>;
}

/**
 * One Ctrl-C may arrive twice: from the terminal, and again from npm, which passes it on. Signals this close together
 * are one wish to stop, not impatience.
 */
const ONE_KEYSTROKE_MS = 1000;

export class Lifecycle {
  private readonly steps: Step[] = [];
  private readonly announcements: (() => void)[] = [];
  private stopping: Promise<void> | undefined;
  private signalledMs = 0;

  /**
   * @param stepDeadlineMs a step that takes longer is left behind, with a warning.
   * @param exit replaced in tests.
   * @param nowMs monotonic; replaced in tests.
   */
  constructor(
    private readonly log: Log,
    private readonly stepDeadlineMs: number,
    private readonly exit: (code: number) => void = (code) => process.exit(code),
    private readonly nowMs: () => number = () => performance.now(),
  ) {
    invariant(stepDeadlineMs > 0, 'a step has time to stop', { stepDeadlineMs });
  }

  /** From now on signals stop the process in order, and errors that nobody handled end it. Call once. */
  install(): void {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      // Those of the main file, which end the process at once. They go last: with its last listener Node lets go of a
      // signal, and forgets one that came while the program was loaded and was not told yet.
      const early = process.listeners(signal);
      process.on(signal, () => this.onSignal(signal));
      for (const listener of early) process.off(signal, listener);
    }
    process.on('uncaughtException', (error) => this.fatal(error));
    process.on('unhandledRejection', (reason) => this.fatal(reason));
  }

  /** Adds a step that undoes what has just been started. Steps run last to first. */
  onStop(name: string, stop: () => Promise<unknown>): void {
    this.steps.push({ name, stop });
  }

  /** Adds what is said as soon as the process begins to stop, before any step: synchronous, and must not throw. */
  onStopping(announce: () => void): void {
    this.announcements.push(announce);
  }

  get isStopping(): boolean {
    return this.stopping !== undefined;
  }

  /** Stops in order and exits 0. Idempotent; never rejects. */
  stop(reason: string): Promise<void> {
    this.stopping ??= this.runSteps(reason);
    return this.stopping;
  }

  /** Logs and exits at once. For what leaves the process in an unknown state. */
  fatal(error: unknown, code: number = EXIT.failure): void {
    // An operating error says what happened and what to do; only a surprise needs the way there.
    if (isStoreError(error)) this.log.error(`Fatal: ${error.message} ${error.kind.remedy}`);
    else if (error instanceof Error) this.log.error(`Fatal: ${error.message}`, error.stack);
    else this.log.error(`Fatal: ${String(error)}`);
    this.exit(code);
  }

  private onSignal(signal: NodeJS.Signals): void {
    if (this.stopping === undefined) {
      this.signalledMs = this.nowMs();
      void this.stop(signal);
    } else if (this.nowMs() - this.signalledMs > ONE_KEYSTROKE_MS) {
      this.log.error(`${signal} again while stopping: ending at once`);
      this.exit(EXIT.failure);
    }
  }

  private async runSteps(reason: string): Promise<void> {
    this.log.log(`Stopping (${reason})`);
    for (const announce of this.announcements) announce();
    for (const { name, stop } of this.steps.reverse()) {
      try {
        if ((await within(stop(), this.stepDeadlineMs)) === 'overdue') {
          this.log.warn(`${name} did not stop within ${this.stepDeadlineMs} ms; going on without it`);
        }
      } catch (error) {
        this.log.error(`${name} failed to stop: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    this.log.log('Stopped');
    this.exit(EXIT.ok);
  }
}

async function within(work: Promise<unknown>, deadlineMs: number): Promise<'done' | 'overdue'> {
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<'overdue'>((resolve) => {
    timer = setTimeout(() => resolve('overdue'), deadlineMs);
  });
  try {
    return await Promise.race([work.then(() => 'done' as const), overdue]);
  } finally {
    clearTimeout(timer);
  }
}
