/**
 * Reading and writing bytes without Node: big endian, bounded, and silent about nothing. A reader that meets bytes it
 * cannot mean throws `Malformed`, which each decoder of this library catches at its door and turns into an answer.
 */
import { invariant, numberOfWords } from '@diststore/base';

import type { Chain } from './chain.js';

/** Thrown by `ByteReader` only, caught by every decoder of this library. */
export class Malformed extends Error {
  override readonly name = 'Malformed';
}

const TWO_32 = 4_294_967_296;

export class ByteWriter {
  private bytes: Uint8Array;
  private view: DataView;
  private at = 0;

  constructor(capacity = 256) {
    this.bytes = new Uint8Array(capacity);
    this.view = new DataView(this.bytes.buffer);
  }

  get length(): number {
    return this.at;
  }

  /** What was written, a buffer of its own. The writer may go on being used. */
  finish(): Uint8Array {
    return this.bytes.slice(0, this.at);
  }

  /** A copy; if it is small, in a slab that it shares with others of its time. */
  finishInto(slab: Slab): Uint8Array {
    return slab.copyOf(this.bytes, this.at);
  }

  /** Empties the writer, to use its memory again. */
  reset(): this {
    this.at = 0;
    return this;
  }

  u8(value: number): this {
    this.reserve(1);
    this.view.setUint8(this.at, value);
    this.at += 1;
    return this;
  }

  u16(value: number): this {
    this.reserve(2);
    this.view.setUint16(this.at, value);
    this.at += 2;
    return this;
  }

  u32(value: number): this {
    this.reserve(4);
    this.view.setUint32(this.at, value);
    this.at += 4;
    return this;
  }

  /** REQUIRES: a whole number from 0 to 2^53 - 1. */
  u64(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0)
      invariant(false, 'a number on the wire is from 0 to 2^53 - 1', { value });
    this.reserve(8);
    this.view.setUint32(this.at, Math.floor(value / TWO_32));
    this.view.setUint32(this.at + 4, value >>> 0);
    this.at += 8;
    return this;
  }

  f64(value: number): this {
    this.reserve(8);
    this.view.setFloat64(this.at, value);
    this.at += 8;
    return this;
  }

  chain({ hi, lo }: Chain): this {
    return this.u32(hi).u32(lo);
  }

  raw(value: Uint8Array): this {
    this.reserve(value.length);
    this.bytes.set(value, this.at);
    this.at += value.length;
    return this;
  }

  /** A length in four bytes, then the bytes. */
  block(value: Uint8Array): this {
    return this.u32(value.length).raw(value);
  }

  /** ASCII of at most 255 bytes, with its length. */
  ascii(text: string): this {
    invariant(text.length <= 255, 'a short text fits its length byte', { length: text.length });
    this.u8(text.length);
    this.reserve(text.length);
    for (let i = 0; i < text.length; i += 1) this.bytes[this.at + i] = text.charCodeAt(i);
    this.at += text.length;
    return this;
  }

  /** An even number of hex digits, as half as many bytes. */
  hex(text: string): this {
    this.reserve(text.length / 2);
    for (let i = 0; i < text.length; i += 2) {
      this.bytes[this.at] = (nibble(text.charCodeAt(i)) << 4) | nibble(text.charCodeAt(i + 1));
      this.at += 1;
    }
    return this;
  }

  private reserve(more: number): void {
    if (this.at + more <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.at + more, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.at));
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }
}

/** How much a small buffer may keep in memory at most, by being the last one alive of its slab. */
const SLAB_BYTES = 16 * 1024;
const SLAB_SHARE_MAX = 2 * 1024;

/**
 * Memory for small buffers that live about equally long. Allocating a buffer costs more than filling it, so they
 * share one, as Node's own pool does; the engine gives it back when the last of them is gone.
 */
export class Slab {
  private bytes = new Uint8Array(SLAB_BYTES);
  private at = 0;

  /** A copy of the first `length` bytes. */
  copyOf(bytes: Uint8Array, length: number): Uint8Array {
    if (length > SLAB_SHARE_MAX) return bytes.slice(0, length);
    if (this.at + length > SLAB_BYTES) {
      this.bytes = new Uint8Array(SLAB_BYTES);
      this.at = 0;
    }
    const { at } = this;
    this.at += length;
    const copy = this.bytes.subarray(at, at + length);
    // Byte by byte is quicker than a view of the source to copy from, up to about this size.
    if (length <= 256) for (let i = 0; i < length; i += 1) copy[i] = bytes[i] ?? 0;
    else copy.set(bytes.subarray(0, length));
    return copy;
  }
}

export class ByteReader {
  private readonly view: DataView;
  private at = 0;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  u8(): number {
    return this.view.getUint8(this.take(1));
  }

  u16(): number {
    return this.view.getUint16(this.take(2));
  }

  u32(): number {
    return this.view.getUint32(this.take(4));
  }

  u64(): number {
    const at = this.take(8);
    const value = numberOfWords(this.view.getUint32(at), this.view.getUint32(at + 4));
    if (!Number.isSafeInteger(value)) throw new Malformed('a number is above 2^53 - 1');
    return value;
  }

  f64(): number {
    const value = this.view.getFloat64(this.take(8));
    if (!Number.isFinite(value)) throw new Malformed('a time is not finite');
    return value;
  }

  bool(): boolean {
    const value = this.u8();
    if (value > 1) throw new Malformed('a truth value is neither 0 nor 1');
    return value === 1;
  }

  chain(): Chain {
    return { hi: this.u32(), lo: this.u32() };
  }

  /** A view into what is read. */
  raw(length: number): Uint8Array {
    const at = this.take(length);
    return this.bytes.subarray(at, at + length);
  }

  block(bytesMax: number): Uint8Array {
    const length = this.u32();
    if (length > bytesMax) throw new Malformed(`a block of ${length} bytes where ${bytesMax} are allowed`);
    return this.raw(length);
  }

  ascii(): string {
    const bytes = this.raw(this.u8());
    let text = '';
    for (const byte of bytes) {
      if (byte > 0x7f) throw new Malformed('a text is not ASCII');
      text += String.fromCharCode(byte);
    }
    return text;
  }

  hex(length: number): string {
    let text = '';
    for (const byte of this.raw(length)) text += HEX[byte] ?? '';
    return text;
  }

  /** How many items follow: refused when it exceeds `max`, or what the rest could hold at `bytesEach` or more. */
  count(max: number, bytesEach: number): number {
    const value = this.u32();
    if (value > max || value * bytesEach > this.left)
      throw new Malformed(`a list of ${value} items does not fit`);
    return value;
  }

  end(): void {
    if (this.left !== 0) throw new Malformed(`${this.left} bytes are left over`);
  }

  private take(length: number): number {
    const { at } = this;
    if (length > this.left) throw new Malformed('it ends too early');
    this.at += length;
    return at;
  }
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

function nibble(code: number): number {
  return code <= 0x39 ? code - 0x30 : code - 0x57;
}
