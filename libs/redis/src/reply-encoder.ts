/**
 * Writes replies into few, large buffers, in RESP2 or RESP3 as the connection has chosen.
 *
 *   write, write, write …   then once per batch of pipelined commands:   for (const b of encoder.take()) socket.write(b)
 *
 * Small replies are laid next to one another in a chunk; a string of BY_REFERENCE_BYTES_MIN or more is not copied but
 * goes into the list itself. No string is concatenated and, per small reply, nothing is allocated.
 *
 * Ownership. What `take` returns belongs to the caller and is never written again: the encoder goes on behind it, in
 * the rest of the same chunk. Chunks come from a ChunkPool shared by the encoders of a process, so that thousands of
 * idle connections do not hold one each. A Buffer given to `bulk` or `verbatim` must not change until it was sent.
 *
 * The encoder bounds nothing: the caller looks at `byteLength` and at its socket, and stops reading requests.
 *
 * Source: RESP specification, https://redis.io/docs/reference/protocol-spec/
 */
import { invariant, unreachable } from '@diststore/base';

import { CR, DIGIT_0, LF, MINUS } from './ascii.js';
import { formatDouble } from './double-text.js';
import type { Reply } from './reply.js';

export type RespVersion = 2 | 3;

/** Large enough for a thousand small replies, small enough to be wasted when a slice of it is slow to be sent. */
const CHUNK_BYTES = 32 * 1024;
/** Less room than this is not worth going back to for another connection. */
const CHUNK_REST_BYTES_MIN = 512;
/** Copying this much costs about as much as one more buffer in a vectored write. */
const BY_REFERENCE_BYTES_MIN = 8 * 1024;
/** A type byte, a 64-bit number with its sign, CR LF. */
const LENGTH_LINE_BYTES_MAX = 1 + 20 + 2;

const SIMPLE = 0x2b; // +
const ERROR = 0x2d; // -
const INTEGER = 0x3a; // :
const BULK = 0x24; // $
const ARRAY = 0x2a; // *
const MAP = 0x25; // %
const SET = 0x7e; // ~
const PUSH = 0x3e; // >
const VERBATIM = 0x3d; // =
const DOUBLE = 0x2c; // ,
const BIG_NUMBER = 0x28; // (

const OK = Buffer.from('+OK\r\n');
const NULL_RESP2 = Buffer.from('$-1\r\n');
const NULL_ARRAY_RESP2 = Buffer.from('*-1\r\n');
const NULL_RESP3 = Buffer.from('_\r\n');
const TRUE_RESP3 = Buffer.from('#t\r\n');
const FALSE_RESP3 = Buffer.from('#f\r\n');
const ONE = Buffer.from(':1\r\n');
const ZERO = Buffer.from(':0\r\n');

/** 2 MiB of chunks: of so many connections at a time the writes that share an fsync are answered. */
const RESTS_MAX = 64;

/** The unwritten rests of chunks, passed from one encoder to the next. */
export class ChunkPool {
  /** The last one given back is the next one borrowed: it is still in the processor's cache. */
  private readonly rests: Buffer[] = [];

  /** At least `bytesMin` writable bytes that nobody else has. */
  borrow(bytesMin: number): Buffer {
    const rest = this.rests.pop();
    if (rest !== undefined && rest.length >= bytesMin) return rest;
    return Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, bytesMin));
  }

  /** Kept unless it is short or enough are there. REQUIRES: nobody has a view of `rest`. */
  giveBack(rest: Buffer): void {
    if (rest.length >= CHUNK_REST_BYTES_MIN && this.rests.length < RESTS_MAX) this.rests.push(rest);
  }
}

const NO_CHUNK = Buffer.alloc(0);
const processPool = new ChunkPool();

export class ReplyEncoder {
  /** Complete buffers, in order, before the chunk. */
  private done: Buffer[] = [];
  private doneBytes = 0;
  private chunk: Buffer = NO_CHUNK;
  /** The chunk is taken up to `start` and written up to `at`. */
  private start = 0;
  private at = 0;

  constructor(
    /** May be changed between two replies: HELLO does. */
    public version: RespVersion = 2,
    private readonly pool: ChunkPool = processPool,
  ) {}

  /** Bytes written and not taken. */
  get byteLength(): number {
    return this.doneBytes + this.at - this.start;
  }

  /** The buffers written since the last call, to be sent in order; none when nothing was written. */
  take(): Buffer[] {
    this.seal();
    const taken = this.done;
    this.done = [];
    this.doneBytes = 0;
    this.pool.giveBack(this.chunk.subarray(this.at));
    this.chunk = NO_CHUNK;
    this.start = this.at = 0;
    return taken;
  }

  ok(): void {
    this.raw(OK);
  }

  /** One line of text; a line end in it becomes a space, since it would end the reply. */
  simple(text: string): void {
    this.textLine(SIMPLE, text);
  }

  /** `text` begins with its prefix, without the `-`. A line end in it becomes a space. */
  error(text: string): void {
    this.textLine(ERROR, text);
  }

  /** REQUIRES: a number is a safe integer. */
  integer(value: number | bigint): void {
    if (value === 0) this.raw(ZERO);
    else if (value === 1) this.raw(ONE);
    else if (typeof value === 'bigint') this.textLine(INTEGER, value.toString());
    else {
      invariant(Number.isSafeInteger(value), 'an integer reply is exact', { value });
      this.numberLine(INTEGER, value);
    }
  }

  /** A string of any bytes. A JavaScript string is sent as UTF-8. */
  bulk(value: Buffer | string): void {
    if (typeof value === 'string') {
      const bytes = Buffer.byteLength(value);
      this.numberLine(BULK, bytes);
      this.reserve(bytes + 2);
      this.at += this.chunk.write(value, this.at);
    } else {
      this.numberLine(BULK, value.length);
      this.bytes(value);
    }
    this.lineEnd();
  }

  /** No value: RESP2's null string. */
  null(): void {
    this.raw(this.version === 3 ? NULL_RESP3 : NULL_RESP2);
  }

  /** No array, where RESP2 clients expect an array. */
  nullArray(): void {
    this.raw(this.version === 3 ? NULL_RESP3 : NULL_ARRAY_RESP2);
  }

  /** RESP2: 1 or 0. */
  boolean(value: boolean): void {
    if (this.version === 3) this.raw(value ? TRUE_RESP3 : FALSE_RESP3);
    else this.raw(value ? ONE : ZERO);
  }

  /** RESP2: a string. */
  double(value: number): void {
    if (this.version === 3) this.textLine(DOUBLE, formatDouble(value));
    else this.bulk(formatDouble(value));
  }

  /** RESP2: a string. */
  bigNumber(value: bigint): void {
    if (this.version === 3) this.textLine(BIG_NUMBER, value.toString());
    else this.bulk(value.toString());
  }

  /** Text for people. RESP2: a string. REQUIRES: `format` has three ASCII letters, `txt` or `mkd`. */
  verbatim(format: string, value: Buffer | string): void {
    invariant(format.length === 3, 'a verbatim format has three letters', { format });
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    if (this.version === 2) {
      this.bulk(bytes);
      return;
    }
    this.numberLine(VERBATIM, bytes.length + 4);
    this.reserve(4);
    this.at += this.chunk.write(`${format}:`, this.at, 'latin1');
    this.bytes(bytes);
    this.lineEnd();
  }

  /** `count` replies follow. */
  arrayHeader(count: number): void {
    this.numberLine(ARRAY, count);
  }

  /** `count` pairs of replies follow. RESP2: an array of twice as many. */
  mapHeader(count: number): void {
    if (this.version === 3) this.numberLine(MAP, count);
    else this.numberLine(ARRAY, count * 2);
  }

  /** `count` replies follow, without order. RESP2: an array. */
  setHeader(count: number): void {
    this.numberLine(this.version === 3 ? SET : ARRAY, count);
  }

  /** `count` replies follow that answer no request. RESP2: an array. */
  pushHeader(count: number): void {
    this.numberLine(this.version === 3 ? PUSH : ARRAY, count);
  }

  /** Bytes that are a reply already, in the right version. Copied when small, otherwise kept by reference. */
  raw(encoded: Buffer): void {
    this.bytes(encoded);
  }

  /** Writes a value with everything in it. */
  reply(reply: Reply): void {
    // What is still to be written, the next on top. A stack instead of recursion: nesting is data.
    const waiting: Reply[] = [reply];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      this.head(next);
      if (next.kind === 'map') {
        for (let i = next.entries.length - 1; i >= 0; i--) {
          const entry = next.entries[i] as readonly [Reply, Reply];
          waiting.push(entry[1], entry[0]);
        }
      } else if ('items' in next) {
        for (let i = next.items.length - 1; i >= 0; i--) waiting.push(next.items[i] as Reply);
      }
    }
  }

  /** A whole scalar, or the header of an aggregate. */
  private head(reply: Reply): void {
    switch (reply.kind) {
      case 'simple':
        this.simple(reply.text);
        break;
      case 'error':
        this.error(reply.text);
        break;
      case 'integer':
        this.integer(reply.value);
        break;
      case 'bulk':
        this.bulk(reply.value);
        break;
      case 'null':
        this.null();
        break;
      case 'null-array':
        this.nullArray();
        break;
      case 'boolean':
        this.boolean(reply.value);
        break;
      case 'double':
        this.double(reply.value);
        break;
      case 'big-number':
        this.bigNumber(reply.value);
        break;
      case 'verbatim':
        this.verbatim(reply.format, reply.value);
        break;
      case 'array':
        this.arrayHeader(reply.items.length);
        break;
      case 'set':
        this.setHeader(reply.items.length);
        break;
      case 'push':
        this.pushHeader(reply.items.length);
        break;
      case 'map':
        this.mapHeader(reply.entries.length);
        break;
      default:
        return unreachable(reply);
    }
  }

  /** Makes room for `bytes` more in the chunk. */
  private reserve(bytes: number): void {
    if (this.at + bytes <= this.chunk.length) return;
    this.seal();
    this.chunk = this.pool.borrow(bytes);
    this.start = this.at = 0;
  }

  /** Moves what was written into the chunk to the list of complete buffers. */
  private seal(): void {
    if (this.at === this.start) return;
    this.done.push(this.chunk.subarray(this.start, this.at));
    this.doneBytes += this.at - this.start;
    this.start = this.at;
  }

  private bytes(value: Buffer): void {
    if (value.length >= BY_REFERENCE_BYTES_MIN) {
      this.seal();
      this.done.push(value);
      this.doneBytes += value.length;
      return;
    }
    // With room for a line end, so that one does not open a new chunk.
    this.reserve(value.length + 2);
    this.chunk.set(value, this.at);
    this.at += value.length;
  }

  private lineEnd(): void {
    this.reserve(2);
    this.chunk[this.at++] = CR;
    this.chunk[this.at++] = LF;
  }

  /** REQUIRES: `value` is a safe integer. */
  private numberLine(type: number, value: number): void {
    this.reserve(LENGTH_LINE_BYTES_MAX);
    const { chunk } = this;
    chunk[this.at++] = type;
    let rest = value;
    if (rest < 0) {
      chunk[this.at++] = MINUS;
      rest = -rest;
    }
    let digits = 1;
    for (let bound = 10; bound <= rest; bound *= 10) digits++;
    for (let i = this.at + digits - 1; i >= this.at; i--) {
      const tenth = Math.floor(rest / 10);
      // The difference first: it is small, and a sum could leave the safe integers.
      chunk[i] = rest - tenth * 10 + DIGIT_0;
      rest = tenth;
    }
    this.at += digits;
    this.lineEnd();
  }

  private textLine(type: number, text: string): void {
    // No character takes more than three bytes of UTF-8 per UTF-16 unit.
    this.reserve(1 + text.length * 3 + 2);
    const { chunk } = this;
    const start = this.at;
    chunk[this.at++] = type;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) {
        this.at = start + 1 + chunk.write(text.replace(/[\r\n]/g, ' '), start + 1);
        break;
      }
      chunk[this.at++] = unit === CR || unit === LF ? 0x20 : unit;
    }
    this.lineEnd();
  }
}
