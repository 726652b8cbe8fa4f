/**
 * Watches the free space of a directory's file system, so that writes are refused while there is still room to
 * delete, apply and compact. LevelDB cannot go on after a failed write, so the refusal has to come first.
 */
import { statfs } from 'node:fs/promises';

import { StoreError } from '@diststore/base';

export interface FreeSpaceOptions {
  readonly directory: string;
  /** New values are refused while less than this is free. */
  readonly reserveBytes: number;
  /** How often to look. */
  readonly intervalMs?: number;
  /** What is free on the file system of a directory, in bytes. */
  readonly measure?: (directory: string) => Promise<number>;
}

const INTERVAL_MS_DEFAULT = 1000;

async function freeBytesOf(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

/** Log, table and compaction: what one byte of a value may take before it settles. */
const AMPLIFICATION = 3;

export class FreeSpace {
  private freeBytes = Number.POSITIVE_INFINITY;
  private takenBytes = 0;
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;

  private constructor(private readonly options: FreeSpaceOptions) {}

  /** Looks once, then every interval until `close`. */
  static async watch(options: FreeSpaceOptions): Promise<FreeSpace> {
    const watch = new FreeSpace(options);
    await watch.look();
    watch.timer = setInterval(() => {
      watch.looking ??= watch.look().finally(() => (watch.looking = undefined));
    }, options.intervalMs ?? INTERVAL_MS_DEFAULT);
    watch.timer.unref();
    return watch;
  }

  /** What is left above the reserve, in bytes, or 0. An estimate between two looks. */
  get availableBytes(): number {
    return Math.max(0, this.freeBytes - this.options.reserveBytes - this.takenBytes * AMPLIFICATION);
  }

  /** @throws StoreError disk-full: `bytes` more do not fit above the reserve. Deletes need not ask. */
  take(bytes: number): void {
    if (this.availableBytes < bytes * AMPLIFICATION) {
      const { directory, reserveBytes } = this.options;
      const facts = { freeBytes: this.freeBytes, diskReserveBytes: reserveBytes };
      throw new StoreError(
        'disk-full',
        `${this.freeBytes} bytes are free on the disk of ${directory}, and ${reserveBytes} are kept in reserve (diskReserveBytes).`,
        { facts },
      );
    }
    this.takenBytes += bytes;
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.looking;
  }

  /** Never rejects: a file system that cannot be asked counts as it did before. */
  private async look(): Promise<void> {
    const { directory, measure = freeBytesOf } = this.options;
    const takenBefore = this.takenBytes;
    try {
      this.freeBytes = await measure(directory);
      // What was taken while looking is perhaps not in the figure.
      this.takenBytes -= takenBefore;
    } catch {
      // The next write will tell, if the directory is gone.
    }
  }
}
