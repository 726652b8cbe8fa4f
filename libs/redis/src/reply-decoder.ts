/**
 * Incremental decoder of replies, RESP2 and RESP3: for clients, gateways and tests.
 *
 * `push` takes bytes as they come, `next` gives one whole reply after another and undefined when it needs more bytes.
 * A result depends only on the bytes, never on how they were split. Aggregates in progress are a list of frames, not
 * calls, so nesting costs memory and no stack, and is bounded; so are counts and bytes, before anything is allocated.
 *
 * Strings are views, by the rules of request-decoder.ts: they never change, and `detach` is for those that are kept.
 *
 * Attributes (`|`) are read and left out, as the specification allows to clients that do not know them. The streamed
 * forms of RESP3 (`$?`, `*?`) are refused: no server sends them.
 *
 * Source: RESP3 specification, https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md
 */
import { COLON, CR, LF } from './ascii.js';
import { parseDouble } from './double-text.js';
import { InputBuffer } from './input-buffer.js';
import { INCOMPLETE, LengthLine, MALFORMED, TOO_LONG } from './length-line.js';
import { DEFAULT_REPLY_LIMITS, type ReplyLimits } from './limits.js';
import { protocolError, type ProtocolError } from './protocol-error.js';
import { bulk, errorReply, integer, NULL_ARRAY_REPLY, NULL_REPLY, simple, type Reply } from './reply.js';

type AggregateKind = 'array' | 'set' | 'push' | 'map' | 'attribute';

/** An aggregate of which some values are still to come. Maps and attributes count keys and values. */
interface Frame {
  readonly kind: AggregateKind;
  readonly items: Reply[];
  left: number;
}

/** Longest text of a number: a line that is longer is no number. */
const BIG_NUMBER_DIGITS_MAX = 4096;

export class ReplyDecoder {
  private readonly input = new InputBuffer();
  private readonly line = new LengthLine();
  private failure: ProtocolError | undefined;

  // Progress in the reply that is being read. What was read of it is consumed from the input.
  private frames: Frame[] = [];
  /** Length of the string being read, or -1. */
  private bulkBytes = -1;
  private bulkType = '';
  /** What the reply has cost so far. */
  private valueCount = 0;
  private replyBytes = 0;

  constructor(private readonly limits: ReplyLimits = DEFAULT_REPLY_LIMITS) {}

  /** Takes bytes. REQUIRES: they do not change any more, since replies may hold views of them. */
  push(chunk: Buffer): void {
    if (this.failure === undefined) this.input.append(chunk);
  }

  /**
   * The next reply, or undefined when more bytes are needed. Never throws, whatever came; after a protocol error it
   * answers that error for ever and ignores input.
   */
  next(): Reply | ProtocolError | undefined {
    if (this.failure !== undefined) return this.failure;
    const { input } = this;
    while (input.length > 0) {
      const before = input.start;
      const step = this.bulkBytes >= 0 ? this.readString() : this.readLine();
      if (step === INCOMPLETE) return undefined;
      this.replyBytes += input.start - before;
      if (this.replyBytes > this.limits.replyBytesMax) return this.fail('reply too big');
      if (step === undefined) continue;
      if (step.kind === 'protocol-error') return step;
      const reply = this.place(step);
      if (reply === undefined) continue;
      this.valueCount = this.replyBytes = 0;
      return reply;
    }
    input.settle(0);
    return undefined;
  }

  /**
   * Reads one line. A scalar is answered; a string's length or an aggregate's count is remembered, and undefined
   * answered.
   */
  private readLine(): Reply | ProtocolError | typeof INCOMPLETE | undefined {
    const { input } = this;
    const type = String.fromCharCode(input.bytes[input.start] as number);
    switch (type) {
      case '$':
      case '!':
      case '=':
        return this.readLength(type);
      case '*':
        return this.readCount('array', 1);
      case '~':
        return this.readCount('set', 1);
      case '>':
        return this.readCount('push', 1);
      case '%':
        return this.readCount('map', 2);
      case '|':
        return this.readCount('attribute', 2);
      case '+':
      case '-':
      case ':':
      case '_':
      case '#':
      case ',':
      case '(': {
        const text = this.readText();
        if (typeof text !== 'string') return text;
        return scalar(type, text) ?? this.fail(`invalid value after '${type}'`);
      }
      default:
        return this.fail(`unexpected reply type '${type === '\r' || type === '\n' ? ' ' : type}'`);
    }
  }

  private readLength(type: '$' | '!' | '='): Reply | ProtocolError | typeof INCOMPLETE | undefined {
    const length = this.readNumber();
    if (length === INCOMPLETE) return INCOMPLETE;
    if (length === -1 && type === '$') return NULL_REPLY;
    if (length < 0 || length > this.limits.bulkBytesMax) return this.fail('invalid bulk length');
    if (this.replyBytes + length > this.limits.replyBytesMax) return this.fail('reply too big');
    this.bulkBytes = length;
    this.bulkType = type;
    return undefined;
  }

  /** Reads the string whose length is known. */
  private readString(): Reply | ProtocolError | typeof INCOMPLETE {
    const { input, bulkBytes } = this;
    const { bytes, start } = input;
    const end = start + bulkBytes;
    if (end + 2 > input.end) {
      input.settle(bulkBytes + 2);
      return INCOMPLETE;
    }
    if (bytes[end] !== CR || bytes[end + 1] !== LF) return this.fail('invalid bulk length');
    const value = bytes.subarray(start, end);
    input.start = end + 2;
    this.bulkBytes = -1;
    if (this.bulkType === '!') return errorReply(value.toString());
    if (this.bulkType === '$') return bulk(value);
    if (value[3] !== COLON) return this.fail('invalid verbatim string');
    return { kind: 'verbatim', format: value.toString('latin1', 0, 3), value: value.subarray(4) };
  }

  private readCount(
    kind: AggregateKind,
    valuesPerEntry: 1 | 2,
  ): Reply | ProtocolError | typeof INCOMPLETE | undefined {
    const count = this.readNumber();
    if (count === INCOMPLETE) return INCOMPLETE;
    if (count === -1 && kind === 'array') return NULL_ARRAY_REPLY;
    if (count < 0) return this.fail('invalid multibulk length');
    const left = count * valuesPerEntry;
    this.valueCount += left;
    if (this.valueCount > this.limits.valueCountMax) return this.fail('too many values in a reply');
    if (this.frames.length === this.limits.depthMax) return this.fail('reply nested too deeply');
    const frame: Frame = { kind, items: [], left };
    if (left === 0) return kind === 'attribute' ? undefined : aggregate(frame);
    this.frames.push(frame);
    return undefined;
  }

  /** Puts a complete value where it belongs; answers the reply if that was its last piece. */
  private place(value: Reply): Reply | undefined {
    let complete = value;
    for (let frame = this.frames.at(-1); frame !== undefined; frame = this.frames.at(-1)) {
      frame.items.push(complete);
      frame.left -= 1;
      if (frame.left > 0) return undefined;
      this.frames.pop();
      if (frame.kind === 'attribute') return undefined;
      complete = aggregate(frame);
    }
    return complete;
  }

  private readNumber(): number {
    const { input } = this;
    const value = this.line.read(input.bytes, input.start, input.end, this.limits.lineBytesMax);
    if (value === INCOMPLETE) input.settle(0);
    else if (value !== MALFORMED && value !== TOO_LONG) input.start = this.line.end;
    return value;
  }

  /** The text of the line after its type byte. */
  private readText(): string | ProtocolError | typeof INCOMPLETE {
    const line = this.input.takeLine(this.limits.lineBytesMax);
    if (line === INCOMPLETE) return INCOMPLETE;
    if (line === TOO_LONG) return this.fail('line too long');
    if (line.at(-1) !== CR) return this.fail('line feed without carriage return');
    return line.toString('utf8', 1, line.length - 1);
  }

  private fail(detail: string): ProtocolError {
    this.failure = protocolError(detail);
    this.frames = [];
    this.input.clear();
    return this.failure;
  }
}

function aggregate(frame: Frame): Reply {
  const { kind, items } = frame;
  if (kind === 'array' || kind === 'set' || kind === 'push') return { kind, items };
  const entries: [Reply, Reply][] = [];
  for (let i = 0; i + 1 < items.length; i += 2) entries.push([items[i] as Reply, items[i + 1] as Reply]);
  return { kind: 'map', entries };
}

/** The value of a line; undefined when the text is not one of that type. */
function scalar(type: '+' | '-' | ':' | '_' | '#' | ',' | '(', text: string): Reply | undefined {
  switch (type) {
    case '+':
      return simple(text);
    case '-':
      return errorReply(text);
    case ':': {
      if (!/^[+-]?[0-9]{1,19}$/.test(text)) return undefined;
      const value = Number(text);
      // Adding 0 turns -0, which no integer is, into 0.
      return integer(Number.isSafeInteger(value) ? value + 0 : BigInt(text));
    }
    case '_':
      return text === '' ? NULL_REPLY : undefined;
    case '#':
      return text === 't' || text === 'f' ? { kind: 'boolean', value: text === 't' } : undefined;
    case ',': {
      const value = parseDouble(text);
      return value === undefined ? undefined : { kind: 'double', value };
    }
    case '(':
      return /^[+-]?[0-9]+$/.test(text) && text.length <= BIG_NUMBER_DIGITS_MAX
        ? { kind: 'big-number', value: BigInt(text) }
        : undefined;
  }
}
