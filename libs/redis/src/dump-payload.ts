/**
 * What DUMP gives and RESTORE takes: a string in the format of Redis's RDB files, the format's version, a checksum.
 *
 *     offset  size  field
 *     0       1     type, 0 = string
 *     1       1..9  length of the string, or how it is encoded (below)
 *     …       n     string
 *     end-10  2     RDB version, little endian
 *     end-8   8     CRC-64 of everything before, little endian
 *
 *     00xxxxxx                     length below 2^6
 *     01xxxxxx xxxxxxxx            length below 2^14
 *     10000000 and 4 bytes         length, big endian          10000001 and 8 bytes: the same
 *     110000tt                     tt = 0, 1, 2: an integer of 1, 2, 4 bytes, little endian, as decimal text
 *     11000011                     compressed with LZF: length compressed, length uncompressed, bytes
 *
 * Written is what every Redis since 7.0 accepts, and strings never compressed, which is allowed.
 * Source: https://rdb.fnordig.de/file_format.html and the payloads of redis-server 7.
 */
import { parseInt64 } from '@diststore/base';

import { crc64 } from './crc64.js';

/** Of Redis 7.0: what is written, so that 7.0 still takes it. */
const VERSION_WRITTEN = 10;
/** Of Redis 7.4: the newest whose strings are known to look like this. */
const VERSION_READ_MAX = 12;
const FOOTER_BYTES = 10;
const TYPE_STRING = 0;
/** Longest text of a 32-bit integer. */
const INTEGER_TEXT_BYTES_MAX = 11;

export function dumpPayload(value: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from([TYPE_STRING]), integerBytes(value) ?? lengthAnd(value)]);
  const version = Buffer.from([VERSION_WRITTEN, 0]);
  const summed = Buffer.concat([body, version]);
  return Buffer.concat([summed, crc64(summed)]);
}

export type Restored =
  | { readonly kind: 'value'; readonly value: Buffer }
  /** Cut off, altered, or of a newer version. */
  | { readonly kind: 'bad-checksum' }
  /** The checksum is right, but it is no string, or one that contradicts itself. */
  | { readonly kind: 'bad-format' }
  | { readonly kind: 'too-large' };

/** Reads a payload. A string longer than `valueBytesMax` is `too-large`, and nothing was allocated for it. */
export function restorePayload(payload: Buffer, valueBytesMax: number): Restored {
  const bodyEnd = payload.length - FOOTER_BYTES;
  if (bodyEnd < 0 || payload.readUInt16LE(bodyEnd) > VERSION_READ_MAX) return { kind: 'bad-checksum' };
  const summed = payload.subarray(0, payload.length - 8);
  if (!crc64(summed).equals(payload.subarray(payload.length - 8))) return { kind: 'bad-checksum' };
  if (payload[0] !== TYPE_STRING) return { kind: 'bad-format' };
  return new StringReader(payload.subarray(0, bodyEnd)).read(valueBytesMax);
}

class StringReader {
  private at = 1;

  constructor(private readonly bytes: Buffer) {}

  read(valueBytesMax: number): Restored {
    const first = this.bytes[1];
    if (first === undefined) return { kind: 'bad-format' };
    if (first === 0xc0 || first === 0xc1 || first === 0xc2) return this.readInteger(1 << (first & 3));
    const compressed = first === 0xc3;
    if (compressed) this.at++;
    const length = this.readLength();
    const fullLength = compressed ? this.readLength() : length;
    if (length === undefined || fullLength === undefined) return { kind: 'bad-format' };
    if (fullLength > valueBytesMax) return { kind: 'too-large' };
    if (this.at + length !== this.bytes.length) return { kind: 'bad-format' };
    const content = this.bytes.subarray(this.at);
    const value = compressed ? decompressLzf(content, fullLength) : Buffer.from(content);
    return value === undefined ? { kind: 'bad-format' } : { kind: 'value', value };
  }

  private readInteger(bytes: number): Restored {
    if (this.bytes.length !== 2 + bytes) return { kind: 'bad-format' };
    return { kind: 'value', value: Buffer.from(String(this.bytes.readIntLE(2, bytes))) };
  }

  private readLength(): number | undefined {
    const { bytes, at } = this;
    const first = bytes[at];
    if (first === undefined) return undefined;
    const size = first < 0x40 ? 1 : first < 0x80 ? 2 : first === 0x80 ? 5 : first === 0x81 ? 9 : 0;
    if (size === 0 || at + size > bytes.length) return undefined;
    this.at += size;
    switch (size) {
      case 1:
        return first;
      case 2:
        return ((first & 0x3f) << 8) | (bytes[at + 1] as number);
      case 5:
        return bytes.readUInt32BE(at + 1);
      default:
        return Number(bytes.readBigUInt64BE(at + 1));
    }
  }
}

/** Small integers in their canonical form are kept as such. */
function integerBytes(value: Buffer): Buffer | undefined {
  if (value.length > INTEGER_TEXT_BYTES_MAX) return undefined;
  const number = parseInt64(value);
  if (typeof number !== 'number') return undefined;
  const size = [1, 2, 4].find((bytes) => number >= -(2 ** (8 * bytes - 1)) && number < 2 ** (8 * bytes - 1));
  if (size === undefined) return undefined;
  const bytes = Buffer.alloc(1 + size);
  bytes[0] = 0xc0 | (size >> 1);
  bytes.writeIntLE(number, 1, size);
  return bytes;
}

function lengthAnd(value: Buffer): Buffer {
  const { length } = value;
  if (length < 2 ** 6) return Buffer.concat([Buffer.from([length]), value]);
  if (length < 2 ** 14) return Buffer.concat([Buffer.from([0x40 | (length >> 8), length & 0xff]), value]);
  const head = Buffer.alloc(5);
  head[0] = 0x80;
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, value]);
}

/**
 * LZF: a control byte below 32 is followed by so many literal bytes and one more; any other names bytes that were
 * written before, by length and distance. Undefined when that contradicts `length` or itself.
 */
function decompressLzf(bytes: Buffer, length: number): Buffer | undefined {
  const out = Buffer.alloc(length);
  let at = 0;
  let written = 0;
  while (at < bytes.length) {
    const control = bytes[at++] as number;
    if (control < 32) {
      const literals = control + 1;
      if (at + literals > bytes.length || written + literals > length) return undefined;
      bytes.copy(out, written, at, at + literals);
      at += literals;
      written += literals;
      continue;
    }
    let count = (control >> 5) + 2;
    if (control >> 5 === 7) count += bytes[at++] ?? 0;
    const distance = ((control & 0x1f) << 8) + (bytes[at++] ?? 0) + 1;
    if (at > bytes.length || distance > written || written + count > length) return undefined;
    // Byte by byte: what is copied may overlap what is written.
    for (let i = 0; i < count; i++, written++) out[written] = out[written - distance] as number;
  }
  return written === length ? out : undefined;
}
