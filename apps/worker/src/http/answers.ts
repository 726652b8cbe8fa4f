/**
 * How the worker's data looks in HTTP: the one place that turns records and results into answers, shared by the
 * documented routes and the resource API.
 */
import { StoreError } from '@diststore/base';
import type { Result } from '@diststore/data';
import { Reply } from '@diststore/http';
import type { StoredRecord } from '@diststore/storage';

import type { Done } from '../data/keyspace.js';
import type { Consistency } from '../data/consistency.js';
import type { Holders } from '../routing/router.js';
import { nameOf, valueText } from './data-text.js';
import { prefers } from './headers/accept.js';
import { ifRangeHolds, parseRange, spanOf } from './headers/byte-range.js';
import type { Span } from './headers/byte-range.js';
import { entityTagOf } from './headers/entity-tag.js';
import { judgeRead, type Preconditions } from './headers/preconditions.js';
import { failureRefusal, refusal, refusalReply } from './refusals.js';

const DEFAULT_CONTENT_TYPE = 'application/octet-stream';
const JSON_TYPE = 'application/json';

export interface ReadRequest {
  readonly isHead: boolean;
  readonly preconditions: Preconditions | undefined;
  readonly accept: string | undefined;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  /** What was served, and how old it may be, if the client had named a consistency. */
  readonly served?: { readonly consistency: Consistency; readonly lagMs: number };
}

/**
 * The stored bytes, exactly, or those of a range, or all of it in JSON for who prefers that, or 304, 412, 416.
 *
 * A value is data of whoever stored it: a browser that opens it may neither guess its type nor run what is in it. And
 * it may change at any time: a cache has to ask whether it still has the current one.
 * @throws StoreError bad-request: a header is malformed. precondition-failed.
 */
export function valueReply(
  key: Buffer,
  record: StoredRecord,
  holders: Holders,
  asked: ReadRequest,
  nowMs: number,
): Reply {
  const { version, payload } = record;
  const storedType = record.contentType ?? DEFAULT_CONTENT_TYPE;
  const verdict = asked.preconditions === undefined ? 'go-on' : judgeRead(asked.preconditions, version);
  if (verdict === 'failed') throw preconditionFailed(key, version);
  const headers: (string | number)[] = [
    'ETag',
    entityTagOf(version),
    'Cache-Control',
    'no-cache',
    'Vary',
    'Accept',
    'DistStore-Version',
    version,
    'DistStore-Partition',
    holders.partition,
    'DistStore-Replicas',
    holders.replicas.join(','),
  ];
  if (record.expireAtMs !== 0)
    headers.push('DistStore-TTL', Math.max(1, Math.ceil((record.expireAtMs - nowMs) / 1000)));
  if (asked.served !== undefined) {
    headers.push('DistStore-Consistency', asked.served.consistency);
    headers.push('DistStore-Lag-Ms', Math.ceil(asked.served.lagMs));
  }
  if (verdict === 'not-modified') return new Reply(304, headers);
  headers.push('X-Content-Type-Options', 'nosniff', 'Content-Security-Policy', 'sandbox');
  if (prefers(asked.accept, JSON_TYPE, storedType))
    return Reply.json(200, envelopeOf(key, record, holders), headers);
  headers.push('Content-Type', storedType, 'Accept-Ranges', 'bytes');
  const span =
    asked.range === undefined || asked.isHead ? 'whole' : rangeOf(asked.range, asked.ifRange, record);
  if (span === 'whole') return new Reply(200, headers, payload);
  if (span === 'unsatisfiable') {
    const detail = `The value has ${payload.length} bytes.`;
    return refusalReply(refusal('range-not-satisfiable', detail), [
      'Content-Range',
      `bytes */${payload.length}`,
    ]);
  }
  headers.push('Content-Range', `bytes ${span.first}-${span.last}/${payload.length}`);
  return new Reply(206, headers, payload.subarray(span.first, span.last + 1));
}

function rangeOf(
  range: string,
  ifRange: string | undefined,
  record: StoredRecord,
): Span | 'unsatisfiable' | 'whole' {
  const parsed = parseRange(range);
  if (ifRange !== undefined && !ifRangeHolds(ifRange, record.version)) return 'whole';
  return parsed === undefined ? 'whole' : spanOf(parsed, record.payload.length);
}

function envelopeOf(key: Buffer, record: StoredRecord, { partition, replicas }: Holders): object {
  return { ...recordJson(key, record), ...valueText(record.payload), partition, replicas };
}

/** A record as listings and envelopes show it, without its value. */
export function recordJson(
  key: Buffer,
  { version, expireAtMs, contentType }: Omit<StoredRecord, 'payload'>,
): object {
  return {
    ...nameOf(key),
    version,
    ...(expireAtMs === 0 ? {} : { expireAtMs }),
    ...(contentType === undefined ? {} : { contentType }),
  };
}

/** What became of a write to `key`, with a receipt unless the client wants none. @throws StoreError as `problemOfResult` */
export function writeReply(key: Buffer, done: Done, minimal: boolean): Reply {
  const { result, partition, replicas } = done;
  const receipt = receiptOf(result);
  if (receipt === undefined) return answerWithoutEffect(key, result);
  const { status, version, value, length } = receipt;
  const workers = replicas.join(',');
  const headers: (string | number)[] = [
    'ETag',
    entityTagOf(version),
    'DistStore-Version',
    version,
    'DistStore-Partition',
    partition,
    'DistStore-Replicas',
    workers,
  ];
  if (done.repeated) headers.push('DistStore-Repeated', 'true');
  if (minimal) return new Reply(204, [...headers, 'Preference-Applied', 'return=minimal']);
  // Written by hand, since every write makes one: JSON.stringify takes four times as long for the whole of it.
  const { key: text, key64 } = nameOf(key);
  let json = text === undefined ? `{"key64":"${key64}"` : `{"key":${JSON.stringify(text)}`;
  if (value !== undefined) json += `,"value":${JSON.stringify(value)}`;
  if (length !== undefined) json += `,"length":${length}`;
  json += `,"version":${version},"partition":${partition},"replicas":[${workers}]}`;
  return Reply.jsonText(status, json, headers);
}

export interface WriteReceipt {
  readonly status: 200 | 201;
  readonly version: number;
  /** The number that is stored now. */
  readonly value: number | string | undefined;
  /** Of the value that is stored now, in bytes. */
  readonly length: number | undefined;
}

/** Status and members of the receipt of what has happened; undefined when nothing has. */
export function receiptOf(result: Result): WriteReceipt | undefined {
  const value = undefined;
  const length = undefined;
  switch (result.type) {
    case 'stored':
      return { status: result.created ? 201 : 200, version: result.version, value, length };
    case 'deleted':
      return { status: 200, version: result.version, value, length };
    case 'number':
      return { status: 200, version: result.version, value: jsonNumber(result.number), length };
    case 'length':
      return { status: 200, version: result.version, value, length: result.length };
    default:
      return undefined;
  }
}

/** As a number where JSON readers keep it exact, as text beyond 2^53. */
function jsonNumber(text: string): number | string {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : text;
}

function answerWithoutEffect(key: Buffer, result: Result): Reply {
  if (result.type === 'failed' && result.reason !== 'too-large')
    return refusalReply(failureRefusal(result.reason));
  throw errorOfResult(key, result);
}

/** The error that `result`, of an operation on one key that had no effect, is to a client. */
export function errorOfResult(key: Buffer, result: Result): StoreError {
  switch (result.type) {
    case 'absent':
      return keyNotFound(key);
    case 'refused':
      return preconditionFailed(key, result.version);
    case 'failed':
      return new StoreError('value-too-large', 'The value would become larger than maxValueBytes.', {
        facts: { setting: 'maxValueBytes' },
      });
    default:
      return new StoreError('internal', `An operation ended as ${result.type}.`);
  }
}

export function keyNotFound(key: Buffer): StoreError {
  return new StoreError('key-not-found', 'No value is stored under this key.', { facts: nameOf(key) });
}

/** @param version of what is stored; 0 = nothing is. */
export function preconditionFailed(key: Buffer, version: number): StoreError {
  const detail = version === 0 ? 'No value is stored under this key.' : `The value has version ${version}.`;
  return new StoreError('precondition-failed', detail, {
    facts: { ...nameOf(key), version: version === 0 ? null : version },
  });
}
