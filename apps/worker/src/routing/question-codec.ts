/**
 * Questions between workers, and their answers, in bytes. All numbers are big endian.
 *
 *     question   1 format, 1   1 type: 1 get, 2 put, 3 delete, 4 clear   2 partition
 *                2 length of the key   …   key
 *                put only:   8 expiry, ms   1 length of the content type, 255 = none   …   type   …   value to the end
 *
 *     answer     1 format, 1   1 type: 1 found, 2 absent, 3 stored, 4 deleted, 5 cleared, 6 not primary, 7 error
 *                found: the record as it is stored (libs/storage/record.ts), whose checksum the asker verifies
 *                stored: 8 version, 1 created      deleted: 8 version      cleared: 8 number
 *                not primary: 8 version of the map      error: JSON {code, detail, facts}
 *
 * Whatever is malformed is a programmer's error of this version or a peer of another: decoding throws `bad-request`.
 */
import { StoreError, unreachable } from '@diststore/base';
import { isPartitionId } from '@diststore/cluster';
import { decodeRecord, encodeRecord, KEY_BYTES_MAX } from '@diststore/storage';

import type { Answer, Operation, Question } from './operation.js';

const FORMAT = 1;
const QUESTION = { get: 1, put: 2, delete: 3, clear: 4 } as const;
const ANSWER = {
  found: 1,
  absent: 2,
  stored: 3,
  deleted: 4,
  cleared: 5,
  'not-primary': 6,
  error: 7,
} as const;
const HEAD_BYTES = 6;
const NO_TYPE = 255;

/** Pieces that form the message together; the value of a put is not copied. */
export function encodeQuestion(question: Question): Buffer[] {
  if ('clear' in question) return [Buffer.from([FORMAT, QUESTION.clear, 0, 0, 0, 0])];
  const { partition, operation } = question;
  const { key } = operation;
  const contentType = operation.type === 'put' ? operation.options.contentType : undefined;
  const putBytes = operation.type === 'put' ? 9 + (contentType?.length ?? 0) : 0;
  const head = Buffer.allocUnsafe(HEAD_BYTES + key.length + putBytes);
  head[0] = FORMAT;
  head[1] = QUESTION[operation.type];
  head.writeUInt16BE(partition, 2);
  head.writeUInt16BE(key.length, 4);
  key.copy(head, HEAD_BYTES);
  if (operation.type !== 'put') return [head];
  let at = HEAD_BYTES + key.length;
  at = head.writeDoubleBE(operation.options.expireAtMs ?? 0, at);
  at = head.writeUInt8(contentType?.length ?? NO_TYPE, at);
  if (contentType !== undefined) head.write(contentType, at, 'latin1');
  return operation.value.length === 0 ? [head] : [head, operation.value];
}

/** Key and value are views into `bytes`. @throws StoreError bad-request */
export function decodeQuestion(bytes: Buffer): Question {
  if (bytes.length < HEAD_BYTES || bytes[0] !== FORMAT) throw malformed('question');
  const type = bytes[1];
  if (type === QUESTION.clear) return { clear: true };
  const partition = bytes.readUInt16BE(2);
  const keyBytes = bytes.readUInt16BE(4);
  const keyEnd = HEAD_BYTES + keyBytes;
  if (!isPartitionId(partition) || keyBytes < 1 || keyBytes > KEY_BYTES_MAX || keyEnd > bytes.length)
    throw malformed('question');
  const key = bytes.subarray(HEAD_BYTES, keyEnd);
  return { partition: partition, operation: decodeOperation(type ?? 0, key, bytes.subarray(keyEnd)) };
}

function decodeOperation(type: number, key: Buffer, rest: Buffer): Operation {
  if (type === QUESTION.get) return { type: 'get', key };
  if (type === QUESTION.delete) return { type: 'delete', key };
  if (type !== QUESTION.put || rest.length < 9) throw malformed('question');
  const expireAtMs = rest.readDoubleBE(0);
  const typeBytes = rest[8] ?? NO_TYPE;
  const valueAt = typeBytes === NO_TYPE ? 9 : 9 + typeBytes;
  if (!Number.isSafeInteger(expireAtMs) || expireAtMs < 0 || valueAt > rest.length)
    throw malformed('question');
  const contentType = typeBytes === NO_TYPE ? undefined : rest.toString('latin1', 9, valueAt);
  return { type: 'put', key, value: rest.subarray(valueAt), options: { contentType, expireAtMs } };
}

/** @param key of the question; the record's checksum covers it. */
export function encodeAnswer(answer: Answer, key: Buffer): Buffer[] {
  switch (answer.type) {
    case 'found':
      return [Buffer.from([FORMAT, ANSWER.found]), encodeRecord(key, answer.record)];
    case 'absent':
      return [Buffer.from([FORMAT, ANSWER.absent])];
    case 'stored':
      return [withNumber('stored', answer.version, answer.created ? 1 : 0)];
    case 'deleted':
      return [withNumber('deleted', answer.version, 0)];
    case 'cleared':
      return [withNumber('cleared', answer.removed, 0)];
    case 'not-primary':
      return [withNumber('not-primary', answer.mapVersion, 0)];
    case 'error': {
      const { code, detail, facts } = answer;
      return [Buffer.from([FORMAT, ANSWER.error]), Buffer.from(JSON.stringify({ code, detail, facts }))];
    }
    default:
      return unreachable(answer);
  }
}

/**
 * The payload of a record is a view into `bytes`.
 * @throws StoreError bad-request; record-corrupt: what came is not what the peer has stored.
 */
export function decodeAnswer(bytes: Buffer, key: Buffer): Answer {
  if (bytes.length < 2 || bytes[0] !== FORMAT) throw malformed('answer');
  const body = bytes.subarray(2);
  switch (bytes[1]) {
    case ANSWER.found:
      return { type: 'found', record: decodeRecord(key, body) };
    case ANSWER.absent:
      return { type: 'absent' };
    case ANSWER.stored:
      return { type: 'stored', version: numberOf(body), created: body[8] === 1 };
    case ANSWER.deleted:
      return { type: 'deleted', version: numberOf(body) };
    case ANSWER.cleared:
      return { type: 'cleared', removed: numberOf(body) };
    case ANSWER['not-primary']:
      return { type: 'not-primary', mapVersion: numberOf(body) };
    case ANSWER.error:
      return { type: 'error', ...errorOf(body) };
    default:
      throw malformed('answer');
  }
}

function withNumber(type: keyof typeof ANSWER, value: number, flag: number): Buffer {
  const bytes = Buffer.allocUnsafe(11);
  bytes[0] = FORMAT;
  bytes[1] = ANSWER[type];
  bytes.writeDoubleBE(value, 2);
  bytes[10] = flag;
  return bytes;
}

function numberOf(body: Buffer): number {
  const value = body.length === 9 ? body.readDoubleBE(0) : -1;
  if (!Number.isSafeInteger(value) || value < 0) throw malformed('answer');
  return value;
}

function errorOf(body: Buffer): { code: string; detail: string; facts: Record<string, unknown> } {
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
  throw malformed('answer');
}

function malformed(what: string): StoreError {
  return new StoreError(
    'bad-request',
    `A ${what} between workers is malformed; do both run the same version?`,
  );
}
