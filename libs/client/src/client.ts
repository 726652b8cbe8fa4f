/**
 * A client of the resource API. Any worker answers for any key, so several endpoints are only for when one is away.
 * Every call ends within its deadline; until then it is tried again, safely, as attempts.ts says.
 *
 *     const store = new DistStoreClient({ endpoints: ['http://127.0.0.1:5001', 'http://127.0.0.1:5002'] });
 *     const { version } = await store.put('greeting', 'hello', { ttlMs: 60_000 });
 *     await store.put('greeting', 'good bye', { ifMatch: version });
 *     for await (const { key, value } of store.list({ prefix: 'greet' })) console.log(`${key}: ${value}`);
 *     await store.close();
 */
import { randomUUID } from 'node:crypto';

import { type Answer, Attempts } from './attempts.js';
import { isDistStoreError } from './error.js';
import type {
  Batched,
  Bytes,
  CallOptions,
  Counted,
  Listed,
  ListOptions,
  PutOptions,
  Receipt,
  Step,
  Transacted,
  Transaction,
  Value,
  WriteOptions,
} from './types.js';
import {
  batchedOf,
  bytesOf,
  comparisonJson,
  conditionHeaders,
  type Json,
  jsonOf,
  listedOf,
  stepJson,
  targetOf,
  unexpected,
  withQuery,
} from './wire.js';

export interface ClientOptions {
  /** Origins of workers, such as http://127.0.0.1:5001. At least one; the first is asked first. */
  readonly endpoints: readonly string[];
  /** Milliseconds for a call, all attempts included. Default 30,000: longer than a failover. */
  readonly deadlineMs?: number;
  /** Milliseconds for one attempt. Default 10,000. */
  readonly attemptTimeoutMs?: number;
  /** Connections to one endpoint. More calls wait. Default 16. */
  readonly connections?: number;
}

const DEADLINE_MS = 30_000;
const ATTEMPT_TIMEOUT_MS = 10_000;
const CONNECTIONS = 16;
const PAGE_SIZE = 1000;

const JSON_HEADERS = { 'content-type': 'application/json' };

export class DistStoreClient {
  private readonly attempts: Attempts;
  private readonly deadlineMs: number;

  constructor(options: ClientOptions) {
    const {
      endpoints,
      deadlineMs = DEADLINE_MS,
      attemptTimeoutMs = ATTEMPT_TIMEOUT_MS,
      connections = CONNECTIONS,
    } = options;
    this.attempts = new Attempts({ endpoints, attemptTimeoutMs, connections });
    this.deadlineMs = deadlineMs;
  }

  /** The value, or undefined when there is none. @throws DistStoreError */
  async get(key: Bytes, options: CallOptions = {}): Promise<Value | undefined> {
    const answer = await orAbsent(this.send({ method: 'GET', target: targetOf(key) }, options));
    if (answer === undefined) return undefined;
    const ttl = answer.headers['diststore-ttl'];
    return {
      value: answer.body,
      version: versionOf(answer),
      contentType: String(answer.headers['content-type']),
      ttlSeconds: ttl === undefined ? undefined : Number(ttl),
    };
  }

  /** Stores the value, and resolves when it is durable. @throws DistStoreError, precondition-failed among others */
  async put(key: Bytes, value: Bytes, options: PutOptions = {}): Promise<Receipt> {
    const { contentType, ttlMs } = options;
    const target = withQuery(targetOf(key), { ttlMs: ttlMs?.toString() });
    const headers = { 'content-type': contentType ?? 'application/octet-stream' };
    return receiptOf(await this.write({ method: 'PUT', target, headers, body: bytesOf(value) }, options));
  }

  /** Undefined when there was nothing to delete. @throws DistStoreError, precondition-failed among others */
  async delete(key: Bytes, options: WriteOptions = {}): Promise<Receipt | undefined> {
    const answer = await orAbsent(this.write({ method: 'DELETE', target: targetOf(key) }, options));
    return answer === undefined ? undefined : receiptOf(answer);
  }

  /** Adds to a decimal integer of 64 bits; an absent value counts as 0. @throws DistStoreError, not-an-integer among others */
  async incr(key: Bytes, by: number | bigint = 1, options: WriteOptions = {}): Promise<Counted> {
    const target = withQuery(targetOf(key, 'incr'), { by: by.toString() });
    const answer = await this.write({ method: 'POST', target }, options);
    const { value } = jsonOf(answer.body);
    if (typeof value !== 'number' && typeof value !== 'string') throw unexpected('The answer has no value.');
    return { ...receiptOf(answer), value: BigInt(value) };
  }

  /** Puts `value` behind what is stored. @throws DistStoreError */
  async append(key: Bytes, value: Bytes, options: WriteOptions = {}): Promise<Receipt> {
    return receiptOf(
      await this.write({ method: 'POST', target: targetOf(key, 'append'), body: bytesOf(value) }, options),
    );
  }

  /** Gives the value another lifetime, or none. Undefined when there is no value. @throws DistStoreError */
  async touch(
    key: Bytes,
    ttlMs: number | undefined,
    options: WriteOptions = {},
  ): Promise<Receipt | undefined> {
    const target =
      ttlMs === undefined
        ? targetOf(key, 'persist')
        : withQuery(targetOf(key, 'touch'), { ttlMs: ttlMs.toString() });
    const answer = await orAbsent(this.write({ method: 'POST', target }, options));
    return answer === undefined ? undefined : receiptOf(answer);
  }

  /**
   * Keys and values in key order, over the whole cluster. Not a snapshot: what exists throughout is seen once. The
   * deadline is for each page.
   * @throws DistStoreError
   */
  async *list(options: ListOptions = {}): AsyncGenerator<Listed, void> {
    const { prefix, start, end, keysOnly, pageSize = PAGE_SIZE } = options;
    const query = {
      prefix64: prefix === undefined ? undefined : bytesOf(prefix).toString('base64url'),
      start64: start === undefined ? undefined : bytesOf(start).toString('base64url'),
      end64: end === undefined ? undefined : bytesOf(end).toString('base64url'),
      keysOnly: keysOnly === true ? 'true' : undefined,
      limit: pageSize.toString(),
    };
    let cursor: string | undefined;
    do {
      const answer = await this.send(
        { method: 'GET', target: withQuery('/v1/kv', { ...query, cursor }) },
        options,
      );
      const page = jsonOf(answer.body);
      if (!Array.isArray(page['items'])) throw unexpected('A page of a listing has no items.');
      for (const item of page['items'] as Json[]) yield listedOf(item);
      cursor = typeof page['cursor'] === 'string' ? page['cursor'] : undefined;
    } while (cursor !== undefined);
  }

  /** Up to 1000 operations on any keys, one result for each. Not atomic. @throws DistStoreError: none was done. */
  async batch(
    steps: readonly Step[],
    options: Omit<WriteOptions, 'ifMatch' | 'ifNoneMatch'> = {},
  ): Promise<Batched[]> {
    const body = JSON.stringify({ operations: steps.map(stepJson) });
    const answer = await this.write(
      { method: 'POST', target: '/v1/batch', headers: JSON_HEADERS, body },
      options,
    );
    return resultsOf(jsonOf(answer.body), steps);
  }

  /** Compares and acts, atomically. @throws DistStoreError, cross-slot among others: nothing was done. */
  async txn(
    { compare = [], then = [], otherwise = [] }: Transaction,
    options: Omit<WriteOptions, 'ifMatch' | 'ifNoneMatch'> = {},
  ): Promise<Transacted> {
    const body = JSON.stringify({
      compare: compare.map(comparisonJson),
      then: then.map(stepJson),
      else: otherwise.map(stepJson),
    });
    const answer = await this.write(
      { method: 'POST', target: '/v1/txn', headers: JSON_HEADERS, body },
      options,
    );
    const json = jsonOf(answer.body);
    const held = json['held'] === true;
    return { held, results: resultsOf(json, held ? then : otherwise), repeated: isRepeated(answer) };
  }

  /** Cuts what is under way. */
  close(): Promise<void> {
    return this.attempts.close();
  }

  private write(ask: Parameters<Attempts['send']>[0], options: WriteOptions): Promise<Answer> {
    const headers = {
      ...ask.headers,
      ...conditionHeaders(options),
      'idempotency-key': options.idempotencyKey ?? randomUUID(),
    };
    return this.send({ ...ask, headers }, options);
  }

  private send(ask: Parameters<Attempts['send']>[0], options: CallOptions): Promise<Answer> {
    return this.attempts.send(ask, options.deadlineMs ?? this.deadlineMs, options.signal);
  }
}

async function orAbsent(answer: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isDistStoreError(error, 'key-not-found')) return undefined;
    throw error;
  }
}

function receiptOf(answer: Answer): Receipt {
  return { version: versionOf(answer), created: answer.status === 201, repeated: isRepeated(answer) };
}

function isRepeated({ headers }: Answer): boolean {
  return headers['diststore-repeated'] === 'true';
}

function versionOf({ headers }: Answer): number {
  const version = Number(headers['diststore-version']);
  if (Number.isSafeInteger(version)) return version;
  throw unexpected('The answer has no DistStore-Version: it is not one of a worker.');
}

/** A repetition of something large no longer has its single results: there are fewer then, or none. */
function resultsOf(json: Json, steps: readonly Step[]): Batched[] {
  if (!Array.isArray(json['results'])) throw unexpected('The answer has no results.');
  return (json['results'] as Json[]).map((result, i) => batchedOf(result, steps[i]?.op));
}
