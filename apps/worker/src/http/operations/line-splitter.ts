/**
 * Cuts a stream of bytes into lines, within a bound of one line. A line that passes the bound is dropped as it comes
 * and reported once, so that what follows it is still read.
 *
 * Lines end with LF or CR LF; the last may end without.
 */
export type Line = Buffer | 'too-long';

const LF = 0x0a;
const CR = 0x0d;

export class LineSplitter {
  private parts: Buffer[] = [];
  private bytes = 0;
  private isDropping = false;

  constructor(private readonly lineBytesMax: number) {}

  /** Bytes of a line that has not ended yet. */
  get heldBytes(): number {
    return this.bytes;
  }

  /** The lines that end in `chunk`, which is not kept longer than the line that begins in it. */
  *push(chunk: Buffer): Generator<Line, void> {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(LF, from);
      this.hold(chunk.subarray(from, end === -1 ? chunk.length : end));
      if (end === -1) return;
      yield this.take();
      from = end + 1;
    }
  }

  /** The last line, if it had no end. */
  *end(): Generator<Line, void> {
    if (this.bytes > 0 || this.isDropping) yield this.take();
  }

  private hold(part: Buffer): void {
    if (this.isDropping || part.length === 0) return;
    this.bytes += part.length;
    this.parts.push(part);
    if (this.bytes <= this.lineBytesMax) return;
    this.isDropping = true;
    this.parts = [];
    this.bytes = 0;
  }

  private take(): Line {
    const line = this.isDropping
      ? 'too-long'
      : this.parts.length === 1
        ? (this.parts[0] as Buffer)
        : Buffer.concat(this.parts);
    this.parts = [];
    this.bytes = 0;
    this.isDropping = false;
    return line !== 'too-long' && line.at(-1) === CR ? line.subarray(0, -1) : line;
  }
}
