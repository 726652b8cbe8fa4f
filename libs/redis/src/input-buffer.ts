/**
 * The bytes a decoder has received and not consumed: `bytes[start, end)`.
 *
 * Ownership. While a chunk from the network is being read, `bytes` is that very chunk, and what the decoder hands out
 * are views of it. Once a byte has been received it is never moved within its buffer nor overwritten, so a view stays
 * true for as long as somebody holds it; and since a small view keeps its whole chunk alive, whoever stores one calls
 * `detach`. What an incomplete element leaves behind is copied out (`settle`), so that an idle connection does not pin
 * a network chunk.
 *
 * Memory. The buffer never holds more than twice what was really received, plus SMALL_BYTES: a length that a peer
 * merely announces allocates nothing. Doubling makes the copying linear, however small the pieces.
 */
import { LF } from './ascii.js';
import { INCOMPLETE, TOO_LONG } from './length-line.js';

const EMPTY = Buffer.alloc(0);

/** Least capacity of an own buffer, so that a peer that sends byte by byte does not cause a copy for each. */
const SMALL_BYTES = 1024;
/** Own buffers up to this size are kept even when mostly consumed. */
const COMPACT_BYTES_MIN = 4096;

export class InputBuffer {
  bytes: Buffer = EMPTY;
  start = 0;
  end = 0;

  /** Whether `bytes` was allocated here, so that its free tail may be written. */
  private owned = false;
  /** Bytes from `start` that the element at `start` is known to need. */
  private expectedBytes = 0;
  /** How much of an incomplete line is known to hold no LF. */
  private searchedBytes = 0;

  get length(): number {
    return this.end - this.start;
  }

  /** Appends `chunk`. REQUIRES: its bytes do not change any more; they may be viewed rather than copied. */
  append(chunk: Buffer): void {
    if (this.start === this.end) {
      this.bytes = chunk;
      this.start = 0;
      this.end = chunk.length;
      this.owned = false;
      return;
    }
    if (!this.owned || this.end + chunk.length > this.bytes.length) {
      // Small pieces after much: double, or else every piece would copy everything before it.
      const doubled = chunk.length < this.length;
      this.reallocate(this.length + chunk.length, doubled);
    }
    this.bytes.set(chunk, this.end);
    this.end += chunk.length;
  }

  /**
   * Says that the element at `start` is incomplete and needs at least `expectedBytes` in all. Afterwards nothing of
   * the caller's chunks is held. Offsets relative to `start` stay true; absolute ones do not.
   */
  settle(expectedBytes: number): void {
    this.expectedBytes = expectedBytes;
    const length = this.length;
    if (length === 0) {
      this.bytes = EMPTY;
      this.start = this.end = 0;
      this.owned = false;
      return;
    }
    const mostlyConsumed = this.bytes.length > COMPACT_BYTES_MIN && length * 2 < this.bytes.length;
    if (!this.owned || mostlyConsumed) this.reallocate(length, false);
  }

  /**
   * Consumes one line and answers it without its LF, as a view. INCOMPLETE: settled, try again with more bytes, and
   * what was searched is not searched again. TOO_LONG: more than `lineBytesMax` bytes before the LF; nothing happened.
   */
  takeLine(lineBytesMax: number): Buffer | typeof INCOMPLETE | typeof TOO_LONG {
    const { bytes, start } = this;
    const unsearched = bytes.subarray(start + this.searchedBytes, this.end);
    const foundAt = unsearched.indexOf(LF);
    const lineBytes = this.searchedBytes + (foundAt < 0 ? unsearched.length : foundAt);
    if (lineBytes > lineBytesMax) return TOO_LONG;
    if (foundAt < 0) {
      this.searchedBytes = lineBytes;
      this.settle(0);
      return INCOMPLETE;
    }
    this.searchedBytes = 0;
    this.start = start + lineBytes + 1;
    return bytes.subarray(start, start + lineBytes);
  }

  /** Forgets everything. */
  clear(): void {
    this.start = this.end = 0;
    this.settle(0);
  }

  /** Moves the content to a buffer of our own with room for `bytesMin`, and for more where more is expected. */
  private reallocate(bytesMin: number, doubled: boolean): void {
    const wanted = doubled ? bytesMin * 2 : bytesMin;
    const capacity = this.expectedBytes >= bytesMin ? Math.min(this.expectedBytes, bytesMin * 2) : wanted;
    const grown = Buffer.allocUnsafeSlow(Math.max(SMALL_BYTES, capacity));
    this.bytes.copy(grown, 0, this.start, this.end);
    this.end -= this.start;
    this.start = 0;
    this.bytes = grown;
    this.owned = true;
  }
}

/**
 * The same bytes in memory that is not shared with much else: `view` itself when it is at least half of its memory,
 * otherwise a copy. For arguments that outlive their command.
 */
export function detach(view: Buffer): Buffer {
  if (view.length * 2 >= view.buffer.byteLength) return view;
  // Not Buffer.from: that would take the copy from Node's pool, which is shared memory again.
  const copy = Buffer.allocUnsafeSlow(view.length);
  copy.set(view);
  return copy;
}
