/** What the clients of a simulated cluster ask, how a worker decides it, and what it answers. */
import type { WorkerIndex } from '@diststore/cluster';
import { keyName } from '@diststore/replication';
import type { Decided, Op, Reply, StoredRecord, WriteView } from '@diststore/replication';

import { bytesOf } from './simulated-disk.js';
import { Violation } from './violation.js';

export interface ClientRequest {
  readonly id: string;
  readonly partition: number;
  readonly key: string;
  readonly type: 'put' | 'putIf' | 'delete' | 'clear' | 'read' | 'confirmed';
  /** The value to store, a number of its own. */
  readonly value: number;
  /** For putIf: the value that must be there. */
  readonly expected: number;
  /** For put: how long the record lives; 0 = for ever. */
  readonly ttlMs: number;
}

export type ClientAnswer =
  | { readonly type: 'value'; readonly value: number }
  | { readonly type: 'written' }
  | { readonly type: 'rejected'; readonly value: number }
  | { readonly type: 'elsewhere'; readonly hint: WorkerIndex | undefined }
  | { readonly type: 'failed'; readonly unknown: boolean };

/** The value of a record at this moment of the partition's clock; 0: none. */
export function valueOf(record: StoredRecord | undefined, clockMs: number): number {
  return record === undefined || isExpired(record, clockMs) ? 0 : Number(keyName(record.payload));
}

export function isExpired({ expireAtMs }: Pick<StoredRecord, 'expireAtMs'>, clockMs: number): boolean {
  return expireAtMs !== 0 && expireAtMs <= clockMs;
}

export function decideCommand(request: ClientRequest, view: WriteView): Decided {
  const { counts } = view;
  if (request.type === 'clear') {
    const counted = { keys: 0, bytes: 0 };
    return {
      type: 'write',
      ops: [{ type: 'clear', through: view.seq }],
      counts: counted,
      result: bytesOf('0'),
    };
  }
  const key = bytesOf(request.key);
  const old = view.get(key);
  const value = valueOf(old, view.clockMs);
  const oldExpireAtMs = old?.expireAtMs ?? 0;
  if (request.type === 'putIf' && value !== request.expected)
    return { type: 'answer', result: bytesOf(`rejected ${value}`) };
  if (request.type === 'delete') {
    if (old === undefined || value === 0) return { type: 'answer', result: bytesOf('absent') };
    return {
      type: 'write',
      ops: [{ type: 'del', key, oldExpireAtMs }],
      counts: { keys: counts.keys - 1, bytes: 0 },
      result: bytesOf(String(value)),
    };
  }
  const expireAtMs = request.ttlMs === 0 ? 0 : view.clockMs + request.ttlMs;
  const payload = bytesOf(String(request.value));
  return {
    type: 'write',
    ops: [{ type: 'put', key, expireAtMs, contentType: undefined, payload, oldExpireAtMs }],
    counts: { keys: counts.keys + (old === undefined ? 1 : 0), bytes: 0 },
    result: bytesOf(String(value)),
  };
}

/** Deletes what has expired, and nothing else: a record may have been renewed since it was looked up. */
export function decideSweep(keys: readonly string[], view: WriteView, isBlind: boolean): Decided {
  const ops: Op[] = [];
  for (const name of keys) {
    const key = bytesOf(name);
    const record = view.get(key);
    if (record === undefined || !(isBlind || isExpired(record, view.clockMs))) continue;
    ops.push({ type: 'del', key, oldExpireAtMs: record.expireAtMs });
  }
  const result = bytesOf(String(ops.length));
  if (ops.length === 0) return { type: 'answer', result };
  const counts = { keys: view.counts.keys - ops.length, bytes: 0 };
  return { type: 'write', ops, counts, result };
}

export function answerOf(reply: Reply): ClientAnswer {
  switch (reply.type) {
    case 'ok':
      return { type: 'written' };
    case 'answer': {
      const result = keyName(reply.result);
      if (result === 'absent') return { type: 'rejected', value: 0 };
      return { type: 'rejected', value: Number(result.split(' ')[1]) };
    }
    case 'not-primary':
      return { type: 'elsewhere', hint: reply.hint?.worker };
    case 'unknown':
      return { type: 'failed', unknown: true };
    case 'needRead':
    case 'retry-later':
    case 'too-few-replicas':
      return { type: 'failed', unknown: false };
    case 'request-id-reused':
      throw new Violation('REQUEST: a request id is said to be used twice');
  }
}
