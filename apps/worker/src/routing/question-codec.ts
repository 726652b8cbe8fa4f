/**
 * Questions between workers, and their answers, in bytes. All numbers are big endian. On the wire, never renumber.
 *
 *     question   1 format, 3   1 type   2 partition   then by type:
 *       1 perform    1 flags: bit 0, a request follows   16 request id   8 its fingerprint   operation (libs/data)
 *       2 page       2+n from, at most 1025 bytes   1 whether `to` follows   2+n to   2 limit   1 keys only
 *       3 counts
 *       4 confirm    2+n key
 *
 *     answer     1 format, 3   1 type   then by type:
 *       1 found      the record as it is stored (libs/storage/record.ts), whose checksum the asker verifies
 *       2 absent
 *       3 done       1 repeated   result (libs/data)
 *       4 page       2 number of records, each: 2+n key   1 whether it is whole   8 version   8 expiry
 *                    1+n content type, 255 = none   4+n payload      1 whether `next` follows   2+n next
 *       5 counts     8 keys   8 bytes
 *       6 not primary   8 version of the map
 *       7 error      JSON {code, detail, facts}
 *
 * Whatever is malformed is a programmer's error of this version or a peer of another: decoding throws `bad-request`.
 */
import { StoreError, unreachable } from '@diststore/base';
import { isPartitionId } from '@diststore/cluster';
import {
  decodeOperation,
  decodeResult,
  decodeWhole,
  encodeOperation,
  encodeResult,
  Malformed,
  type PieceReader,
  PieceWriter,
  readStored,
  writeStored,
} from '@diststore/data';
import type { Chain } from '@diststore/replication';
import { decodeRecord, encodeRecord, KEY_BYTES_MAX, PAGE_ENTRIES_MAX } from '@diststore/storage';

import type { RecordPage } from '../data/partition.js';
import type { Answer, Question } from './question.js';

const FORMAT = 3;
const QUESTION = { perform: 1, page: 2, counts: 3, confirm: 4 } as const;
const ANSWER = {
  found: 1,
  absent: 2,
  done: 3,
  page: 4,
  counts: 5,
  'not-primary': 6,
  error: 7,
} as const;
const REQUEST_ID_BYTES = 16;
const TWO_32 = 2n ** 32n;
/** What follows the last of the longest keys. */
const POSITION_BYTES_MAX = KEY_BYTES_MAX + 1;
/** The least that a record of a page takes. */
const RECORD_BYTES_MIN = 25;

/** Pieces that form the message together; large values are not copied. REQUIRES: `checkOperation` has passed. */
export function encodeQuestion(question: Question): Buffer[] {
  const out = new PieceWriter().u8(FORMAT).u8(QUESTION[question.type]);
  out.u16(question.partition);
  switch (question.type) {
    case 'perform': {
      const { operation, request } = question;
      out.bool(request !== undefined);
      if (request !== undefined) out.hex(request.id).i64(chainNumber(request.fingerprint));
      out.append(encodeOperation(operation));
      break;
    }
    case 'page':
      out.u16(question.from.length).raw(question.from);
      writePosition(out, question.to);
      out.u16(Math.min(question.limit, PAGE_ENTRIES_MAX)).bool(question.keysOnly);
      break;
    case 'counts':
      break;
    case 'confirm':
      out.u16(question.key.length).raw(question.key);
      break;
    default:
      unreachable(question);
  }
  return out.finish();
}

/** Keys and values are views into `bytes`. @throws StoreError bad-request */
export function decodeQuestion(bytes: Buffer): Question {
  const question = decodeWhole(bytes, (input): Question => {
    if (input.u8() !== FORMAT) throw new Malformed('a question of another format');
    const type = input.u8();
    const partition = input.u16();
    if (!isPartitionId(partition)) throw new Malformed('a partition that cannot be');
    switch (type) {
      case QUESTION.perform: {
        const request = input.bool()
          ? { id: input.hex(REQUEST_ID_BYTES), fingerprint: chainOfNumber(input.i64()) }
          : undefined;
        const operation = decodeOperation(input.rest());
        if (operation === undefined) throw new Malformed('no operation');
        return { type: 'perform', partition, operation, request };
      }
      case QUESTION.page: {
        const from = readBytes(input);
        const to = readPosition(input);
        const limit = input.u16();
        if (limit < 1 || limit > PAGE_ENTRIES_MAX) throw new Malformed('a page of impossible length');
        return { type: 'page', partition, from, to, limit, keysOnly: input.bool() };
      }
      case QUESTION.counts:
        return { type: 'counts', partition };
      case QUESTION.confirm: {
        const key = readBytes(input);
        if (key.length < 1 || key.length > KEY_BYTES_MAX) throw new Malformed('a key of impossible length');
        return { type: 'confirm', partition, key };
      }
      default:
        throw new Malformed('a question of unknown type');
    }
  });
  if (question === undefined) throw malformed('question');
  return question;
}

/** @param key of the question, if it was a `get`; the record's checksum covers it. */
export function encodeAnswer(answer: Answer, key: Buffer): Buffer[] {
  const out = new PieceWriter().u8(FORMAT).u8(ANSWER[answer.type]);
  switch (answer.type) {
    case 'found':
      out.append([encodeRecord(key, answer.record)]);
      break;
    case 'absent':
      break;
    case 'done':
      out.bool(answer.repeated).append(encodeResult(answer.result));
      break;
    case 'page':
      writePage(out, answer.page);
      break;
    case 'counts':
      out.u64(answer.counts.keys).u64(answer.counts.bytes);
      break;
    case 'not-primary':
      out.u64(answer.mapVersion);
      break;
    case 'error': {
      const { code, detail, facts } = answer;
      out.append([Buffer.from(JSON.stringify({ code, detail, facts }))]);
      break;
    }
    default:
      unreachable(answer);
  }
  return out.finish();
}

/**
 * Payloads are views into `bytes`.
 * @throws StoreError bad-request; record-corrupt: what came is not what the peer has stored.
 */
export function decodeAnswer(bytes: Buffer, key: Buffer): Answer {
  const answer = decodeWhole(bytes, (input): Answer => {
    if (input.u8() !== FORMAT) throw new Malformed('an answer of another format');
    switch (input.u8()) {
      case ANSWER.found:
        return { type: 'found', record: decodeRecord(key, input.rest()) };
      case ANSWER.absent:
        return { type: 'absent' };
      case ANSWER.done: {
        const repeated = input.bool();
        const result = decodeResult(input.rest());
        if (result === undefined) throw new Malformed('no result');
        return { type: 'done', result, repeated };
      }
      case ANSWER.page:
        return { type: 'page', page: readPage(input) };
      case ANSWER.counts:
        return { type: 'counts', counts: { keys: input.u64(), bytes: input.u64() } };
      case ANSWER['not-primary']:
        return { type: 'not-primary', mapVersion: input.u64() };
      case ANSWER.error:
        return { type: 'error', ...readError(input.rest()) };
      default:
        throw new Malformed('an answer of unknown type');
    }
  });
  if (answer === undefined) throw malformed('answer');
  return answer;
}

function writePage(out: PieceWriter, { records, next }: RecordPage): void {
  out.u16(records.length);
  for (const { key, record, isWhole } of records) writeStored(out.key(key).bool(isWhole), record);
  writePosition(out, next);
}

function readPage(input: PieceReader): RecordPage {
  const records = input.list(PAGE_ENTRIES_MAX, RECORD_BYTES_MIN, () => ({
    key: input.key(),
    isWhole: input.bool(),
    record: readStored(input),
  }));
  return { records, next: readPosition(input) };
}

function writePosition(out: PieceWriter, position: Buffer | undefined): void {
  out.bool(position !== undefined);
  if (position !== undefined) out.u16(position.length).raw(position);
}

function readPosition(input: PieceReader): Buffer | undefined {
  return input.bool() ? readBytes(input) : undefined;
}

function readBytes(input: PieceReader): Buffer {
  const length = input.u16();
  if (length > POSITION_BYTES_MAX) throw new Malformed('a position of impossible length');
  return input.raw(length);
}

function chainNumber({ hi, lo }: Chain): bigint {
  return BigInt.asIntN(64, BigInt(hi) * TWO_32 + BigInt(lo));
}

function chainOfNumber(number: bigint): Chain {
  const unsigned = BigInt.asUintN(64, number);
  return { hi: Number(unsigned / TWO_32), lo: Number(unsigned % TWO_32) };
}

function readError(body: Buffer): { code: string; detail: string; facts: Record<string, unknown> } {
  try {
    const { code, detail, facts } = JSON.parse(body.toString()) as Record<string, unknown>;
    if (
      typeof code === 'string' &&
      typeof detail === 'string' &&
      typeof facts === 'object' &&
      facts !== null
    ) {
      return { code, detail, facts: facts as Record<string, unknown> };
    }
  } catch {
    // Refused below, with every other malformed answer.
  }
  throw new Malformed('no error');
}

function malformed(what: string): StoreError {
  return new StoreError(
    'bad-request',
    `A ${what} between workers is malformed; do both run the same version?`,
  );
}
