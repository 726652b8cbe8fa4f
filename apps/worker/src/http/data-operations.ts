/**
 * The data operations as HTTP sees them: from key bytes and a request to an answer. The documented routes, their GET
 * aliases and the resource API are three sets of URLs over these.
 */
import type { IncomingMessage } from 'node:http';

import { Inject, Injectable } from '@nestjs/common';
import { StoreError } from '@diststore/base';
import { readBody, Reply } from '@diststore/http';
import { systemClock } from '@diststore/process';

import type { Found, Keyspace } from '../data/keyspace.js';
import type { WorkerConfig } from '../worker.options.js';
import { KEYSPACE, WORKER_CONFIG } from '../worker.tokens.js';
import { keyNotFound, receiptReply, valueReply } from './answers.js';
import { putOptionsOf, type Query } from './write-parameters.js';

@Injectable()
export class DataOperations {
  constructor(
    @Inject(KEYSPACE) private readonly keyspace: Keyspace,
    @Inject(WORKER_CONFIG) private readonly config: WorkerConfig,
  ) {}

  get(key: Buffer): Reply | Promise<Reply> {
    const found = this.keyspace.get(key);
    return found instanceof Promise
      ? found.then((awaited) => this.answer(key, awaited))
      : this.answer(key, found);
  }

  /** Stores the request's body. */
  async putBody(key: Buffer, request: IncomingMessage, query: Query): Promise<Reply> {
    const options = putOptionsOf(request, query, systemClock.wallNowMs());
    const value = await readBody(request, { maxBytes: this.config.maxValueBytes });
    return this.put(key, value, options);
  }

  /** Stores a value that came in the URL. The request must not have a body as well. */
  async putText(key: Buffer, text: string, request: IncomingMessage, query: Query): Promise<Reply> {
    const { expireAtMs } = putOptionsOf(request, query, systemClock.wallNowMs());
    if (
      request.headers['transfer-encoding'] !== undefined ||
      Number(request.headers['content-length'] ?? 0) > 0
    ) {
      throw new StoreError(
        'bad-request',
        'The value is given twice: in the URL and in the body. Leave one out.',
      );
    }
    return this.put(key, Buffer.from(text), { expireAtMs });
  }

  async delete(key: Buffer): Promise<Reply> {
    const receipt = await this.keyspace.delete(key);
    if (receipt === undefined) throw keyNotFound(key);
    return receiptReply(200, key, receipt);
  }

  async clear(): Promise<Reply> {
    return Reply.json(200, await this.keyspace.clear());
  }

  private async put(key: Buffer, value: Buffer, options: Parameters<Keyspace['put']>[2]): Promise<Reply> {
    const receipt = await this.keyspace.put(key, value, options);
    return receiptReply(receipt.created ? 201 : 200, key, receipt);
  }

  private answer(key: Buffer, { record, holders }: Found): Reply {
    if (record === undefined) throw keyNotFound(key);
    return valueReply(record, holders, systemClock.wallNowMs());
  }
}
