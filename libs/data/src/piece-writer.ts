/**
 * Writes a message as pieces that form it together: small fields are gathered in buffers of its own, large ones are
 * passed on as they are, uncopied. All numbers are big endian.
 */
import { invariant } from '@diststore/base';

/** The head of nearly every operation: format, kind, a key and a few numbers. */
const FIRST_CHUNK_BYTES = 256;

/** Gathered further on. */
const CHUNK_BYTES = 4096;

/** From this size on, a piece of its own costs less than the copy. */
const PIECE_BYTES_MIN = 512;

export const NO_CONTENT_TYPE = 0xff;

export class PieceWriter {
  private readonly pieces: Buffer[] = [];
  private chunk = Buffer.allocUnsafe(FIRST_CHUNK_BYTES);
  /** Where in the chunk the piece begins that is being gathered, and where it goes on. */
  private from = 0;
  private at = 0;

  /** The writer must not be used afterwards. */
  finish(): Buffer[] {
    this.close();
    return this.pieces;
  }

  u8(value: number): this {
    this.reserve(1);
    this.at = this.chunk.writeUInt8(value, this.at);
    return this;
  }

  bool(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  u16(value: number): this {
    this.reserve(2);
    this.at = this.chunk.writeUInt16BE(value, this.at);
    return this;
  }

  /** REQUIRES: a whole number from 0 to 2^53 - 1. */
  u64(value: number): this {
    invariant(Number.isSafeInteger(value) && value >= 0, 'a number on the wire is from 0 to 2^53 - 1', { value });
    this.reserve(8);
    this.chunk.writeUInt32BE(Math.floor(value / 2 ** 32), this.at);
    this.at = this.chunk.writeUInt32BE(value % 2 ** 32, this.at + 4);
    return this;
  }

  /** REQUIRES: 64 bits, signed. */
  i64(value: bigint): this {
    this.reserve(8);
    this.at = this.chunk.writeBigInt64BE(value, this.at);
    return this;
  }

  /** With its length in two bytes. REQUIRES: 1 to 65535 bytes. */
  key(key: Buffer): this {
    return this.u16(key.length).raw(key);
  }

  /** With its length in four bytes. */
  block(bytes: Buffer): this {
    this.reserve(4);
    this.at = this.chunk.writeUInt32BE(bytes.length, this.at);
    return this.raw(bytes);
  }

  /** ASCII of at most 65535 characters, with its length in two bytes. */
  ascii(text: string): this {
    this.u16(text.length);
    this.reserve(text.length);
    this.at += this.chunk.write(text, this.at, 'latin1');
    return this;
  }

  /** ASCII of at most 254 characters with its length in one byte, or 255 alone. */
  contentType(text: string | undefined): this {
    if (text === undefined) return this.u8(NO_CONTENT_TYPE);
    this.u8(text.length);
    this.reserve(text.length);
    this.at += this.chunk.write(text, this.at, 'latin1');
    return this;
  }

  /** An even number of hex digits, as half as many bytes. */
  hex(text: string): this {
    this.reserve(text.length / 2);
    this.at += this.chunk.write(text, this.at, 'hex');
    return this;
  }

  raw(bytes: Buffer): this {
    if (bytes.length >= PIECE_BYTES_MIN) {
      this.close();
      this.pieces.push(bytes);
    } else {
      this.reserve(bytes.length);
      this.at += bytes.copy(this.chunk, this.at);
    }
    return this;
  }

  /** REQUIRES: the pieces do not change until the message is sent. */
  append(pieces: readonly Buffer[]): this {
    this.close();
    this.pieces.push(...pieces);
    return this;
  }

  private close(): void {
    if (this.at > this.from) this.pieces.push(this.chunk.subarray(this.from, this.at));
    this.from = this.at;
  }

  private reserve(bytes: number): void {
    if (this.at + bytes <= this.chunk.length) return;
    this.close();
    this.chunk = Buffer.allocUnsafe(Math.max(CHUNK_BYTES, bytes));
    this.from = 0;
    this.at = 0;
  }
}
