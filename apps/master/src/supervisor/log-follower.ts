/**
 * Follows the log file of a worker and passes each line on. A file and not a pipe: a pipe breaks when the master is
 * killed, and the worker must survive that.
 */
import { createReadStream } from 'node:fs';
import { open, rename, stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';

const POLL_MS = 200;

/** At the next start of its worker a larger log becomes `<name>.1`, and the one before that goes. */
const LOG_BYTES_MAX = 16 * 1024 * 1024;

/** What of a log is read for its last lines. */
const TAIL_BYTES = 16 * 1024;

export class LogFollower {
  private timer: NodeJS.Timeout | undefined;
  private reading: Promise<void> = Promise.resolve();
  private offset = 0;

  private constructor(
    private readonly file: string,
    private readonly onLine: (line: string) => void,
  ) {}

  /** Passes on what is written from now on. */
  static async follow(file: string, onLine: (line: string) => void): Promise<LogFollower> {
    const follower = new LogFollower(file, onLine);
    follower.offset = await sizeOf(file);
    follower.timer = setInterval(() => void follower.catchUp(), POLL_MS);
    follower.timer.unref();
    return follower;
  }

  /** Passes on what there is by now. Never rejects. */
  catchUp(): Promise<void> {
    this.reading = this.reading.then(() => this.read()).catch(() => undefined);
    return this.reading;
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.catchUp();
  }

  private async read(): Promise<void> {
    const size = await sizeOf(this.file);
    if (size < this.offset) this.offset = 0; // The file was rotated.
    if (size === this.offset) return;
    const input = createReadStream(this.file, { start: this.offset, end: size - 1 });
    this.offset = size;
    for await (const line of createInterface({ input, crlfDelay: Infinity })) this.onLine(line);
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch {
    return 0;
  }
}

export async function rotateLog(file: string): Promise<void> {
  if ((await sizeOf(file)) > LOG_BYTES_MAX) await rename(file, `${file}.1`);
}

/** The last lines of a log, at most `count`. */
export async function lastLines(file: string, count: number): Promise<string[]> {
  const size = await sizeOf(file);
  if (size === 0) return [];
  const handle = await open(file);
  try {
    const start = Math.max(0, size - TAIL_BYTES);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, start);
    return buffer.toString('utf8', 0, bytesRead).trimEnd().split('\n').slice(-count);
  } finally {
    await handle.close();
  }
}
