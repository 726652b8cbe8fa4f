/**
 * Reads what PieceWriter wrote, from one buffer. What it returns are views. Nothing that is announced is believed:
 * bytes that do not fit or mean nothing throw `Malformed`, which every decoder catches at its door.
 */
import { numberOfWords } from '@diststore/base';

import { CONTENT_TYPE_BYTES_MAX, KEY_BYTES_MAX } from './limits.js';
import { NO_CONTENT_TYPE } from './piece-writer.js';

/** Thrown by `PieceReader` and the decoders that use it, for `decodeWhole` to catch. */
export class Malformed extends Error {
  override readonly name = 'Malformed';
}

/** What `read` makes of all of `bytes`; undefined when they are malformed, or some are left over. */
export function decodeWhole<T>(bytes: Buffer, read: (input: PieceReader) => T): T | undefined {
  const input = new PieceReader(bytes);
  try {
    const value = read(input);
    return input.left === 0 ? value : undefined;
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

export class PieceReader {
  private at = 0;

  constructor(private readonly bytes: Buffer) {}

  get left(): number {
    return this.bytes.length - this.at;
  }

  u8(): number {
    return this.bytes.readUInt8(this.take(1));
  }

  bool(): boolean {
    return this.choice([false, true]);
  }

  /** One byte that is the index of one of `values`. */
  choice<T>(values: readonly T[]): T {
    const index = this.u8();
    if (index >= values.length) throw new Malformed('a choice that does not exist');
    return values[index] as T;
  }

  u16(): number {
    return this.bytes.readUInt16BE(this.take(2));
  }

  u64(): number {
    const at = this.take(8);
    const value = numberOfWords(this.bytes.readUInt32BE(at), this.bytes.readUInt32BE(at + 4));
    if (!Number.isSafeInteger(value)) throw new Malformed('a number is above 2^53 - 1');
    return value;
  }

  i64(): bigint {
    return this.bytes.readBigInt64BE(this.take(8));
  }

  key(): Buffer {
    const length = this.u16();
    if (length < 1 || length > KEY_BYTES_MAX) throw new Malformed('a key of impossible length');
    return this.raw(length);
  }

  block(): Buffer {
    return this.raw(this.bytes.readUInt32BE(this.take(4)));
  }

  ascii(bytesMax: number): string {
    const length = this.u16();
    if (length > bytesMax) throw new Malformed('a text is too long');
    return this.text(length);
  }

  contentType(): string | undefined {
    const length = this.u8();
    if (length === NO_CONTENT_TYPE) return undefined;
    if (length > CONTENT_TYPE_BYTES_MAX) throw new Malformed('a content type is too long');
    return this.text(length);
  }

  hex(bytes: number): string {
    return this.raw(bytes).toString('hex');
  }

  raw(length: number): Buffer {
    const at = this.take(length);
    return this.bytes.subarray(at, at + length);
  }

  rest(): Buffer {
    return this.raw(this.left);
  }

  /** A number of items in two bytes: refused above `max`, or when what is left could not hold them. */
  count(max: number, bytesEach: number): number {
    const value = this.u16();
    if (value > max || value * bytesEach > this.left) throw new Malformed(`a list of ${value} items does not fit`);
    return value;
  }

  /** A list of such items. */
  list<T>(max: number, bytesEach: number, read: () => T): T[] {
    return Array.from({ length: this.count(max, bytesEach) }, read);
  }

  private text(length: number): string {
    const bytes = this.raw(length);
    for (const byte of bytes) if (byte > 0x7f) throw new Malformed('a text is not ASCII');
    return bytes.toString('latin1');
  }

  private take(length: number): number {
    const { at } = this;
    if (length > this.left) throw new Malformed('it ends too early');
    this.at += length;
    return at;
  }
}
