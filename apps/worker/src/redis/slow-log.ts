/** SLOWLOG: the latest commands that took long, measured from their start to their reply. */
import { SLOW_LOG_ARG_BYTES_MAX, SLOW_LOG_ARGS_MAX, SLOW_LOG_ENTRIES_MAX_DEFAULT } from './redis-limits.js';

export interface SlowCommand {
  readonly id: number;
  /** Unix seconds. */
  readonly atSeconds: number;
  readonly durationUs: number;
  readonly args: readonly Buffer[];
  readonly client: string;
  readonly clientName: string;
}

const THRESHOLD_US_DEFAULT = 10_000;

export class SlowLog {
  /** Microseconds; negative = off. */
  thresholdUs = THRESHOLD_US_DEFAULT;
  lengthMax = SLOW_LOG_ENTRIES_MAX_DEFAULT;
  /** The newest first. */
  private list: SlowCommand[] = [];
  private nextId = 0;

  get entries(): readonly SlowCommand[] {
    return this.list;
  }

  add(command: Omit<SlowCommand, 'id'>): void {
    const entry = { ...command, id: this.nextId++, args: shortened(command.args) };
    this.list = [entry, ...this.list].slice(0, this.lengthMax);
  }

  reset(): void {
    this.list = [];
  }
}

/** As Redis shows them; copies, so that no network buffer is kept. */
function shortened(args: readonly Buffer[]): Buffer[] {
  const shown = args.length > SLOW_LOG_ARGS_MAX ? args.slice(0, SLOW_LOG_ARGS_MAX - 1) : args;
  const copies = shown.map((arg) => {
    if (arg.length <= SLOW_LOG_ARG_BYTES_MAX) return Buffer.from(arg);
    const more = `... (${arg.length - SLOW_LOG_ARG_BYTES_MAX} more bytes)`;
    return Buffer.concat([arg.subarray(0, SLOW_LOG_ARG_BYTES_MAX), Buffer.from(more)]);
  });
  const left = args.length - shown.length;
  return left === 0 ? copies : [...copies, Buffer.from(`... (${left} more arguments)`)];
}
