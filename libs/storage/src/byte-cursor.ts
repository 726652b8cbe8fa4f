/**
 * Reads LevelDB's variable-length numbers and strings one after the other. Bytes that make no sense never lead past
 * the end: the cursor throws a RangeError, which its users report as damage.
 */

/** A number of 64 bits has at most ten groups of seven; what is stored stays far below 2^53. */
const VARINT_BYTES_MAX = 10;

export class ByteCursor {
  private offset = 0;

  constructor(private readonly bytes: Buffer) {}

  get done(): boolean {
    return this.offset >= this.bytes.length;
  }

  byte(): number {
    return this.take(1).readUInt8(0);
  }

  /** Seven bits per byte, the lowest first; a set top bit says that another byte follows. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < VARINT_BYTES_MAX; shift += 1) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** (7 * shift);
      if (byte < 0x80) return value;
    }
    throw new RangeError('a number does not end');
  }

  /** The next `length` bytes: a view. */
  take(length: number): Buffer {
    const end = this.offset + length;
    if (end > this.bytes.length) throw new RangeError(`${end - this.bytes.length} bytes are missing`);
    const taken = this.bytes.subarray(this.offset, end);
    this.offset = end;
    return taken;
  }

  /** A length, then so many bytes. */
  string(): Buffer {
    return this.take(this.varint());
  }
}
