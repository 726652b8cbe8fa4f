/**
 * The data operations on one key as HTTP sees them: from key bytes and a request to an answer. The documented routes,
 * their GET aliases and the resource API are three sets of URLs over these, with the same headers and conditions.
 */
import { Inject, Injectable } from '@nestjs/common';
import { parseInt64, StoreError } from '@diststore/base';
import type { Condition, SetExpiry, WriteOperation } from '@diststore/data';
import { type BodyRequest, type CallResponse, Reply, type RequestHead } from '@diststore/http';
import { systemClock } from '@diststore/process';
import type { Request } from '@diststore/replication';

import { MapFollower } from '../cluster/map-follower.js';
import { type Consistency, CONSISTENCIES } from '../data/consistency.js';
import type { Done, Found, Keyspace } from '../data/keyspace.js';
import type { WorkerConfig } from '../worker.options.js';
import { KEYSPACE, WORKER_CONFIG } from '../worker.tokens.js';
import { keyNotFound, type ReadRequest, valueReply, writeReply } from './answers.js';
import { BodyBudget } from './body-budget.js';
import { idempotencyKeyOf, requestOf } from './headers/idempotency-key.js';
import { prefersMinimal } from './headers/prefer.js';
import { conditionsOf, preconditionsOf } from './headers/preconditions.js';
import { badParameter, type Query, shown, textOf } from './query.js';
import { withBody } from './value-body.js';
import { contentTypeOf, expiryOf } from './write-parameters.js';

/** A value up to this size leaves with its header, or waits in a socket's buffer: it is not counted as in flight. */
const UNCOUNTED_VALUE_BYTES_MAX = 16 * 1024;

@Injectable()
export class DataOperations {
  /** Of all bodies of this worker, those of listings and batches included. */
  readonly budget: BodyBudget;

  constructor(
    @Inject(KEYSPACE) private readonly keyspace: Keyspace,
    @Inject(WORKER_CONFIG) private readonly config: WorkerConfig,
    @Inject(MapFollower) private readonly follower: Pick<MapFollower, 'required'>,
  ) {
    this.budget = BodyBudget.forValuesOf(config.maxValueBytes);
  }

  get(key: Buffer, request: RequestHead, response: CallResponse, query: Query): Reply | Promise<Reply> {
    const asked = readRequestOf(request);
    const consistency = consistencyOf(query);
    if (consistency !== undefined) return this.getAs(key, consistency, asked, response);
    const found = this.keyspace.get(key);
    return found instanceof Promise
      ? found.then((awaited) => this.answer(key, awaited, asked, response))
      : this.answer(key, found, asked, response);
  }

  private async getAs(
    key: Buffer,
    consistency: Consistency,
    asked: ReadRequest,
    response: CallResponse,
  ): Promise<Reply> {
    const { served, lagMs, ...found } = await this.keyspace.getAs(key, consistency);
    return this.answer(key, found, { ...asked, served: { consistency: served, lagMs } }, response);
  }

  /** Stores the request's body. */
  putBody(key: Buffer, request: BodyRequest, query: Query): Promise<Reply> {
    const asked = writeRequestOf(request);
    const contentType = contentTypeOf(request);
    const expiry = expiryOf(query);
    const { conditions } = asked;
    return this.writeValue(key, asked, request, (value) => ({
      type: 'put',
      key,
      value,
      contentType,
      expiry,
      conditions,
      returnOld: false,
    }));
  }

  /** Stores a value that came in the URL. The request must not have a body as well. */
  async putText(key: Buffer, text: string, request: RequestHead, query: Query): Promise<Reply> {
    const asked = writeRequestOf(request);
    const expiry = expiryOf(query);
    if (hasBody(request)) {
      const detail = 'The value is given twice: in the URL and in the body. Leave one out.';
      throw new StoreError('bad-request', detail);
    }
    const value = Buffer.from(text);
    const { conditions } = asked;
    const put = {
      type: 'put',
      key,
      value,
      contentType: undefined,
      expiry,
      conditions,
      returnOld: false,
    } as const;
    return this.write(key, asked, put);
  }

  async delete(key: Buffer, request: RequestHead): Promise<Reply> {
    const asked = writeRequestOf(request);
    return this.write(key, asked, { type: 'delete', key, conditions: asked.conditions, returnOld: false });
  }

  /** Adds `?by=`, default 1, to the number that is stored. */
  async increment(key: Buffer, request: RequestHead, query: Query): Promise<Reply> {
    const asked = writeRequestOf(request);
    return this.write(key, asked, { type: 'add', key, by: summandOf(query), conditions: asked.conditions });
  }

  /** Puts the request's body behind what is stored. */
  append(key: Buffer, request: BodyRequest): Promise<Reply> {
    const asked = writeRequestOf(request);
    const { conditions } = asked;
    return this.writeValue(key, asked, request, (value) => ({ type: 'append', key, value, conditions }));
  }

  /** Gives the value another lifetime. @throws StoreError bad-parameter: no lifetime is given. */
  async touch(key: Buffer, request: RequestHead, query: Query): Promise<Reply> {
    const expiry = expiryOf(query);
    if (expiry.type !== 'in') throw badParameter('ttl', 'Give ttl (seconds) or ttlMs (milliseconds)');
    return this.setExpiry(key, request, expiry);
  }

  /** Takes the value's lifetime off. */
  async persist(key: Buffer, request: RequestHead): Promise<Reply> {
    return this.setExpiry(key, request, { type: 'never' });
  }

  async clear(): Promise<Reply> {
    return Reply.json(200, await this.keyspace.clear());
  }

  private setExpiry(key: Buffer, request: RequestHead, expiry: SetExpiry['expiry']): Promise<Reply> {
    const asked = writeRequestOf(request);
    const { conditions } = asked;
    return this.write(key, asked, {
      type: 'set-expiry',
      key,
      expiry,
      rules: [],
      conditions,
      returnOld: false,
    });
  }

  private write(key: Buffer, asked: WriteRequest, operation: WriteOperation): Promise<Reply> {
    return this.perform(asked, operation).then((done) => writeReply(key, done, asked.minimal));
  }

  /** Writes what `operationOf` makes of the request's body. */
  private writeValue(
    key: Buffer,
    asked: WriteRequest,
    request: BodyRequest,
    operationOf: (value: Buffer) => WriteOperation,
  ): Promise<Reply> {
    return withBody(
      request,
      this.budget,
      { maxBytes: this.config.maxValueBytes, setting: 'maxValueBytes' },
      (value) => this.perform(asked, operationOf(value)),
      (done) => writeReply(key, done, asked.minimal),
    );
  }

  private perform(asked: WriteRequest, operation: WriteOperation): Promise<Done> {
    return this.keyspace.perform(operation, this.requestOf(asked, operation));
  }

  private requestOf({ idempotencyKey }: WriteRequest, operation: WriteOperation): Request | undefined {
    if (idempotencyKey === undefined) return undefined;
    return requestOf(idempotencyKey, this.follower.required().settings.clusterId, operation);
  }

  private answer(key: Buffer, { record, holders }: Found, asked: ReadRequest, response: CallResponse): Reply {
    if (record === undefined) throw keyNotFound(key);
    const reply = valueReply(key, record, holders, asked, systemClock.wallNowMs());
    const bytes = asked.isHead ? 0 : (reply.body?.length ?? 0);
    if (bytes > UNCOUNTED_VALUE_BYTES_MAX) this.budget.takeUntilSent(bytes, response);
    return reply;
  }
}

interface WriteRequest {
  readonly conditions: readonly Condition[];
  /** Whether the client wants no receipt. */
  readonly minimal: boolean;
  readonly idempotencyKey: string | undefined;
}

/** @throws StoreError bad-request */
function writeRequestOf({ headers }: RequestHead): WriteRequest {
  return {
    conditions: conditionsOf(preconditionsOf(headers)),
    minimal: prefersMinimal(headers['prefer'] as string | undefined),
    idempotencyKey: idempotencyKeyOf(headers),
  };
}

/** @throws StoreError bad-request, bad-parameter */
function readRequestOf({ method, headers }: RequestHead): ReadRequest {
  return {
    isHead: method === 'HEAD',
    preconditions: preconditionsOf(headers),
    accept: headers.accept,
    range: headers.range,
    ifRange: headers['if-range'] as string | undefined,
  };
}

function consistencyOf(query: Query): Consistency | undefined {
  const text = textOf(query, 'consistency');
  const consistency = CONSISTENCIES.find((name) => name === text);
  if (text === undefined || consistency !== undefined) return consistency;
  throw badParameter('consistency', `consistency is ${CONSISTENCIES.join(', ')}, not ${shown(text)}`);
}

function summandOf(query: Query): bigint {
  const text = textOf(query, 'by') ?? '1';
  const by = parseInt64(Buffer.from(text));
  if (by !== undefined) return BigInt(by);
  throw badParameter('by', `by is a whole number of 64 bits, not ${shown(text)}`);
}

function hasBody({ headers }: RequestHead): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
