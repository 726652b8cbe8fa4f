/**
 * Results in bytes: as one worker answers another, and as receipts in the log. All numbers are big endian. Persisted
 * and on the wire, never renumber.
 *
 *     result        1 format, 1     then its kind and fields:
 *
 *     1 value       record
 *     2 stored      8 version  1 created  8 expiry  record
 *     3 deleted     8 version  record
 *     4 absent
 *     5 refused     8 version  record
 *     6 number      8 version  1 created  2+n number, ASCII
 *     7 numbers     8 version  2 number of numbers, each: 2+n, ASCII; nothing = null
 *     8 length      8 version  1 created  8 length
 *     9 cleared     8 version  8 removed
 *     10 failed     1 reason: 0 not-an-integer, 1 not-a-number, 2 overflow, 3 not-finite, 4 too-large
 *                   2 operation + 1; 0 = none
 *     11 transaction  1 held  8 version  2 number of results, each: kind and fields of the kinds 1 to 10
 *
 *     record        1: 0 none, 1 follows: 8 version  8 expiry, ms, 0 = never  1+n content type, 255 = none  4+n payload
 */
import { unreachable } from '@diststore/base';

import { BIT_FIELD_STEPS_MAX, NUMBER_TEXT_BYTES_MAX, TRANSACTION_OPERATIONS_MAX } from './limits.js';
import { decodeWhole, Malformed } from './piece-reader.js';
import type { PieceReader } from './piece-reader.js';
import { PieceWriter } from './piece-writer.js';
import type { FailureReason, Result, StoredValue } from './result.js';
import { readStored, writeStored } from './stored-codec.js';

const FORMAT = 1;

const KIND = {
  value: 1,
  stored: 2,
  deleted: 3,
  absent: 4,
  refused: 5,
  number: 6,
  numbers: 7,
  length: 8,
  cleared: 9,
  failed: 10,
  transaction: 11,
} as const satisfies Record<Result['type'], number>;

const REASONS: readonly FailureReason[] = ['not-an-integer', 'not-a-number', 'overflow', 'not-finite', 'too-large'];

/** The least that a number and a result take. */
const NUMBER_BYTES_MIN = 2;
const RESULT_BYTES_MIN = 1;

type SingleResult = Exclude<Result, { type: 'transaction' }>;

/**
 * Pieces that form the message together; large payloads are in it as they are, uncopied.
 * REQUIRES: a result of `decide`; the buffers do not change until the message is sent.
 */
export function encodeResult(result: Result): Buffer[] {
  const out = new PieceWriter().u8(FORMAT);
  if (result.type === 'transaction') {
    out.u8(KIND.transaction).bool(result.held).u64(result.version).u16(result.results.length);
    for (const single of result.results) writeSingle(out, single as SingleResult);
  } else {
    writeSingle(out, result);
  }
  return out.finish();
}

/** Undefined when the bytes are no result of this format. Payloads are views into them. */
export function decodeResult(bytes: Buffer): Result | undefined {
  return decodeWhole(bytes, (input): Result => {
    if (input.u8() !== FORMAT) throw new Malformed('a result of another format');
    const kind = input.u8();
    if (kind !== KIND.transaction) return readSingle(input, kind);
    const held = input.bool();
    const version = input.u64();
    const results = input.list(TRANSACTION_OPERATIONS_MAX, RESULT_BYTES_MIN, () => readSingle(input, input.u8()));
    return { type: 'transaction', held, version, results };
  });
}

function writeSingle(out: PieceWriter, result: SingleResult): void {
  out.u8(KIND[result.type]);
  switch (result.type) {
    case 'value':
      writeRecord(out, result.record);
      break;
    case 'stored':
      out.u64(result.version).bool(result.created).u64(result.expireAtMs);
      writeRecord(out, result.old);
      break;
    case 'deleted':
    case 'refused':
      writeRecord(out.u64(result.version), result.old);
      break;
    case 'absent':
      break;
    case 'number':
      out.u64(result.version).bool(result.created).ascii(result.number);
      break;
    case 'numbers':
      out.u64(result.version).u16(result.numbers.length);
      for (const number of result.numbers) out.ascii(number ?? '');
      break;
    case 'length':
      out.u64(result.version).bool(result.created).u64(result.length);
      break;
    case 'cleared':
      out.u64(result.version).u64(result.removed);
      break;
    case 'failed':
      out.u8(REASONS.indexOf(result.reason)).u16(result.operation === undefined ? 0 : result.operation + 1);
      break;
    default:
      unreachable(result);
  }
}

function readSingle(input: PieceReader, kind: number): SingleResult {
  switch (kind) {
    case KIND.value:
      return { type: 'value', record: readRecord(input) };
    case KIND.stored: {
      const version = input.u64();
      const created = input.bool();
      return { type: 'stored', version, created, expireAtMs: input.u64(), old: readRecord(input) };
    }
    case KIND.deleted:
      return { type: 'deleted', version: input.u64(), old: readRecord(input) };
    case KIND.absent:
      return { type: 'absent' };
    case KIND.refused:
      return { type: 'refused', version: input.u64(), old: readRecord(input) };
    case KIND.number: {
      const version = input.u64();
      const created = input.bool();
      return { type: 'number', version, number: input.ascii(NUMBER_TEXT_BYTES_MAX), created };
    }
    case KIND.numbers: {
      const version = input.u64();
      const numbers = input.list(BIT_FIELD_STEPS_MAX, NUMBER_BYTES_MIN, () => {
        const text = input.ascii(NUMBER_TEXT_BYTES_MAX);
        return text === '' ? null : text;
      });
      return { type: 'numbers', version, numbers };
    }
    case KIND.length: {
      const version = input.u64();
      const created = input.bool();
      return { type: 'length', version, length: input.u64(), created };
    }
    case KIND.cleared:
      return { type: 'cleared', version: input.u64(), removed: input.u64() };
    case KIND.failed: {
      const reason = input.choice(REASONS);
      const operation = input.u16();
      return operation === 0 ? { type: 'failed', reason } : { type: 'failed', reason, operation: operation - 1 };
    }
    default:
      throw new Malformed('a result of unknown kind');
  }
}

function writeRecord(out: PieceWriter, record: StoredValue | undefined): void {
  out.bool(record !== undefined);
  if (record !== undefined) writeStored(out, record);
}

function readRecord(input: PieceReader): StoredValue | undefined {
  return input.bool() ? readStored(input) : undefined;
}
