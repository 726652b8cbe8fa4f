/**
 * Decompresses Snappy blocks (google/snappy, format_description.txt): LevelDB compresses a table's index with it.
 *
 * The uncompressed length as a varint, then elements. The low two bits of an element's first byte say what it is:
 *
 *     00  literal: length - 1 in the upper six bits, or 60..63 for a length of 1..4 bytes that follow
 *     01  copy: length - 4 in bits 2..4, offset of 11 bits in bits 5..7 and one byte
 *     10  copy: length - 1 in the upper six bits, offset in two bytes
 *     11  copy: the same, offset in four bytes
 *
 * A copy repeats what was written `offset` bytes ago and may overlap itself. Numbers are little endian.
 */
import { ByteCursor } from './byte-cursor.js';

/** @throws RangeError: the bytes are not a Snappy block, or one of more than `bytesMax` uncompressed. */
export function decompress(compressed: Buffer, bytesMax: number): Buffer {
  const source = new ByteCursor(compressed);
  const size = source.varint();
  if (size > bytesMax) throw new RangeError(`a block of ${size} bytes`);
  const target = Buffer.alloc(size);
  let at = 0;
  while (!source.done) {
    const tag = source.byte();
    const upper = tag >>> 2;
    if ((tag & 3) === 0) {
      const length = 1 + (upper < 60 ? upper : littleEndian(source, upper - 59));
      if (length > size - at) throw new RangeError('a literal is longer than the block');
      at += source.take(length).copy(target, at);
    } else {
      const short = (tag & 3) === 1;
      const length = short ? 4 + (upper & 7) : 1 + upper;
      const offset = short
        ? (tag >>> 5) * 256 + source.byte()
        : littleEndian(source, (tag & 3) === 2 ? 2 : 4);
      if (offset === 0 || offset > at || length > size - at) throw new RangeError('a copy leaves the block');
      // Byte by byte: what a copy writes, its later part may read.
      for (const end = at + length; at < end; at += 1) target[at] = target[at - offset] ?? 0;
    }
  }
  if (at !== size) throw new RangeError(`${size - at} bytes are missing`);
  return target;
}

function littleEndian(source: ByteCursor, bytes: number): number {
  return source.take(bytes).readUIntLE(0, bytes);
}
