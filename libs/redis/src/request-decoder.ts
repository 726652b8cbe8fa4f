/**
 * Incremental decoder of what clients send: arrays of bulk strings, and inline commands.
 *
 *   *2 CR LF  $3 CR LF GET CR LF  $1 CR LF k CR LF        or        GET k CR LF
 *
 * `push` takes bytes as they come, `next` gives one request after another and undefined when it needs more bytes. A
 * result depends only on the bytes, never on how they were split. Nothing recurses, progress within an incomplete
 * request is kept, so bytes are looked at once, and memory follows what was received, not what was announced.
 *
 * Arguments are views, not copies: of the chunk that was pushed or, for one that came in several, of a buffer of the
 * decoder. They never change. Whoever keeps one beyond its command calls `detach`, because a small view keeps its whole
 * chunk alive.
 *
 * Errors and limits are Redis 7.2's, to the letter, with these deliberate differences:
 * - CR LF must really follow each string; Redis skips two bytes unseen, and so runs a command whose last argument had
 *   a wrong length;
 * - a line longer than the limit is refused even when all of it arrives at once;
 * - `$` is checked on its first byte, not when its line is complete.
 *
 * Source: RESP specification, https://redis.io/docs/reference/protocol-spec/, and redis-server observed.
 */
import { ASTERISK, CR, DOLLAR, equalsIgnoringCase, LF } from './ascii.js';
import { splitInlineArguments } from './inline-arguments.js';
import { InputBuffer } from './input-buffer.js';
import {
  ARGUMENT_OVERHEAD_BYTES,
  checkRequestLimits,
  DEFAULT_REQUEST_LIMITS,
  PROTOCOL_ARG_COUNT_MAX,
  PROTOCOL_BULK_BYTES_MAX,
  type RequestLimits,
} from './limits.js';
import { INCOMPLETE, LengthLine, MALFORMED, TOO_LONG } from './length-line.js';
import { protocolError, type ProtocolError } from './protocol-error.js';

/** A command with its arguments; `args[0]` is the name as it was sent, and there is always one. */
export interface Request {
  readonly kind: 'request';
  readonly args: readonly Buffer[];
}

/**
 * The first word is `POST` or `Host:`: most likely a browser that was tricked into sending HTTP here. As Redis does,
 * close the connection without an answer, and log it. Final, like a protocol error.
 */
export interface CrossProtocolRequest {
  readonly kind: 'cross-protocol';
  readonly word: 'post' | 'host:';
}

export type RequestDecoderResult = Request | CrossProtocolRequest | ProtocolError;

/** Stands where no request is being read; nothing is ever added to it. */
const NO_ARGS: Buffer[] = [];

export class RequestDecoder {
  private readonly input = new InputBuffer();
  private readonly line = new LengthLine();
  private limits: RequestLimits;
  private failure: CrossProtocolRequest | ProtocolError | undefined;

  // Progress in the request that is being read. What was read of it is consumed from the input.
  /** Arguments still to come; 0 between requests. */
  private argsLeft = 0;
  private args = NO_ARGS;
  /** Length of the string being read, or -1 before its `$` line. */
  private bulkBytes = -1;
  /** What the request has cost so far, against requestBytesMax. */
  private requestBytes = 0;

  constructor(limits: RequestLimits = DEFAULT_REQUEST_LIMITS) {
    this.limits = checkRequestLimits(limits);
  }

  /** Bytes that were received and are not part of a request given out yet. */
  get pendingBytes(): number {
    return this.input.length;
  }

  /** Changes the limits, from the next length that is read: after AUTH, for instance. */
  setLimits(limits: RequestLimits): void {
    this.limits = checkRequestLimits(limits);
  }

  /**
   * Takes bytes. REQUIRES: they do not change any more, since arguments may be views of them. To bound memory, the
   * caller pushes again only when `next` has answered undefined, and does not read its socket meanwhile.
   */
  push(chunk: Buffer): void {
    if (this.failure === undefined) this.input.append(chunk);
  }

  /**
   * The next request, or undefined when more bytes are needed. Empty requests are skipped. Never throws, whatever
   * came; after a protocol error or a cross-protocol request it answers the same for ever and ignores input.
   */
  next(): RequestDecoderResult | undefined {
    if (this.failure !== undefined) return this.failure;
    const { input } = this;
    while (this.argsLeft > 0 || input.length > 0) {
      let result: RequestDecoderResult | typeof INCOMPLETE | undefined;
      if (this.argsLeft > 0) result = this.readArguments();
      else if (input.bytes[input.start] === ASTERISK) result = this.readCount();
      else result = this.readInline();
      if (result === INCOMPLETE) return undefined;
      if (result !== undefined) return result;
    }
    input.settle(0);
    return undefined;
  }

  /** Reads `*<count>`. Undefined: continue, with the arguments or, when there are none, with the next request. */
  private readCount(): ProtocolError | typeof INCOMPLETE | undefined {
    const { input, limits } = this;
    const count = this.line.read(input.bytes, input.start, input.end, limits.lineBytesMax);
    if (count === INCOMPLETE) return this.needMore(input.start, 0);
    if (count === TOO_LONG) return this.fail(protocolError('too big mbulk count string'));
    if (count === MALFORMED || count > limits.argCountMax) {
      const known = count !== MALFORMED && count <= PROTOCOL_ARG_COUNT_MAX && !limits.authenticated;
      return this.fail(
        protocolError(known ? 'unauthenticated multibulk length' : 'invalid multibulk length'),
      );
    }
    input.start = this.line.end;
    if (count > 0) {
      this.argsLeft = count;
      this.requestBytes = 0;
      this.args = [];
    }
    return undefined;
  }

  /** Reads strings until the request is complete or the input exhausted. */
  private readArguments(): RequestDecoderResult | typeof INCOMPLETE {
    const { input, limits, args } = this;
    const { bytes, end } = input;
    let at = input.start;
    while (this.argsLeft > 0) {
      if (this.bulkBytes < 0) {
        if (at >= end) return this.needMore(at, 0);
        if (bytes[at] !== DOLLAR) return this.fail(unexpectedByte(bytes[at] as number));
        const length = this.line.read(bytes, at, end, limits.lineBytesMax);
        if (length === INCOMPLETE) return this.needMore(at, 0);
        if (length < 0 || length > limits.bulkBytesMax) return this.refuseBulk(length);
        this.requestBytes += length + ARGUMENT_OVERHEAD_BYTES;
        if (this.requestBytes > limits.requestBytesMax) return this.fail(protocolError('too big request'));
        this.bulkBytes = length;
        at = this.line.end;
      }
      const bulkEnd = at + this.bulkBytes;
      if (bulkEnd + 2 > end) return this.needMore(at, this.bulkBytes + 2);
      if (bytes[bulkEnd] !== CR || bytes[bulkEnd + 1] !== LF) {
        return this.fail(protocolError('invalid bulk length'));
      }
      args.push(bytes.subarray(at, bulkEnd));
      at = bulkEnd + 2;
      this.bulkBytes = -1;
      this.argsLeft -= 1;
    }
    input.start = at;
    // Not to keep the arguments, and with them a chunk, alive while the connection is idle.
    this.args = NO_ARGS;
    return this.request(args);
  }

  private readInline(): RequestDecoderResult | typeof INCOMPLETE | undefined {
    const line = this.input.takeLine(this.limits.lineBytesMax);
    if (line === INCOMPLETE) return INCOMPLETE;
    if (line === TOO_LONG) return this.fail(protocolError('too big inline request'));
    const args = splitInlineArguments(line.at(-1) === CR ? line.subarray(0, -1) : line);
    if (args === undefined) return this.fail(protocolError('unbalanced quotes in request'));
    return args.length === 0 ? undefined : this.request(args);
  }

  /** Consumes the input up to `at`, where an element begins that needs `expectedBytes` in all, if that is known. */
  private needMore(at: number, expectedBytes: number): typeof INCOMPLETE {
    this.input.start = at;
    this.input.settle(expectedBytes);
    return INCOMPLETE;
  }

  private request(args: Buffer[]): Request | CrossProtocolRequest {
    const name = args[0] as Buffer;
    if (equalsIgnoringCase(name, 'post')) return this.fail({ kind: 'cross-protocol', word: 'post' });
    if (equalsIgnoringCase(name, 'host:')) return this.fail({ kind: 'cross-protocol', word: 'host:' });
    return { kind: 'request', args };
  }

  private refuseBulk(length: number): ProtocolError {
    if (length === TOO_LONG) return this.fail(protocolError('too big bulk count string'));
    const known = length >= 0 && length <= PROTOCOL_BULK_BYTES_MAX && !this.limits.authenticated;
    return this.fail(protocolError(known ? 'unauthenticated bulk length' : 'invalid bulk length'));
  }

  private fail<T extends CrossProtocolRequest | ProtocolError>(failure: T): T {
    this.failure = failure;
    this.args = NO_ARGS;
    this.input.clear();
    return failure;
  }
}

function unexpectedByte(byte: number): ProtocolError {
  // An error is one line: Redis, too, shows line ends as spaces.
  const shown = byte === CR || byte === LF ? ' ' : String.fromCharCode(byte);
  return protocolError(`expected '$', got '${shown}'`);
}
