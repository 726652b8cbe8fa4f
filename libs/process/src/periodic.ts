/**
 * Work that is done again and again, one pass at a time: every `intervalMs`, and sooner when somebody has news for it.
 * An interval that comes while a pass is under way is left out, so a slow pass never piles up.
 */
import type { Log } from './lifecycle.js';

export interface PeriodicOptions {
  /** For the log, when a pass fails: "<name> put off: why". */
  readonly name: string;
  readonly intervalMs: number;
  readonly log: Log;
}

export class Periodic {
  private readonly timer: NodeJS.Timeout;
  private passing: Promise<void> | undefined;
  /** There was news during the pass, which may have looked before it came. */
  private isNews = false;
  private stopped = false;
  private readonly stopping = new AbortController();

  /**
   * Begins at once; the first pass is one interval away.
   * @param pass is given a signal that is aborted by `stop`. What it throws is logged; the next pass tries again.
   */
  constructor(
    private readonly pass: (signal: AbortSignal) => Promise<void>,
    private readonly options: PeriodicOptions,
  ) {
    this.timer = setInterval(() => {
      if (this.passing === undefined) void this.run();
    }, options.intervalMs);
  }

  /**
   * Makes a pass that sees everything up to now, after the one under way if there is one. Resolves when that is done,
   * at once after `stop`; never rejects.
   */
  async run(): Promise<void> {
    this.isNews = true;
    while (this.isDue) {
      this.passing ??= this.once().finally(() => (this.passing = undefined));
      await this.passing;
    }
  }

  /** No pass begins any more; resolves when the one under way is over. Idempotent. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.stopping.abort();
    clearInterval(this.timer);
    await this.passing;
  }

  private get isDue(): boolean {
    return this.isNews && !this.stopped;
  }

  private async once(): Promise<void> {
    this.isNews = false;
    const { name, log } = this.options;
    try {
      await this.pass(this.stopping.signal);
    } catch (error) {
      log.warn(`${name} put off: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
