/** Many keys at once: batches, transactions, import and export. */
import type { IncomingMessage, ServerResponse } from 'node:http';

import {
  Controller,
  Get,
  HttpCode,
  Inject,
  Post,
  Query as QueryOf,
  Req,
  Res,
  type StreamableFile,
} from '@nestjs/common';
import type { Reply } from '@diststore/http';

import { MapFollower } from '../cluster/map-follower.js';
import type { Keyspace } from '../data/keyspace.js';
import type { WorkerConfig } from '../worker.options.js';
import { KEYSPACE, WORKER_CONFIG } from '../worker.tokens.js';
import { DataOperations } from './data-operations.js';
import { Listing } from './listing.js';
import { Batch } from './operations/batch.js';
import { Imports } from './operations/import.js';
import { Transactions } from './operations/transaction.js';
import { Described } from './openapi/described.js';
import { IDEMPOTENCY_KEY, RANGE_PARAMETERS } from './openapi/parameters.js';
import { checkNames, type Query } from './query.js';

@Controller('v1')
export class BulkController {
  private readonly batches: Batch;
  private readonly transactions: Transactions;
  private readonly imports: Imports;
  private readonly listing: Listing;

  constructor(
    @Inject(DataOperations) { budget }: DataOperations,
    @Inject(KEYSPACE) keyspace: Keyspace,
    @Inject(MapFollower) follower: MapFollower,
    @Inject(WORKER_CONFIG) config: WorkerConfig,
  ) {
    this.batches = new Batch(keyspace, budget, follower);
    this.transactions = new Transactions(keyspace, budget, follower);
    this.imports = new Imports(keyspace, config, budget);
    this.listing = new Listing(keyspace, budget, follower);
  }

  @Post('batch')
  @Described({
    tag: 'many keys',
    summary: 'Many operations on any keys, one result for each, in order; not atomic',
    parameters: [IDEMPOTENCY_KEY],
    body: {
      type: 'application/json',
      description: 'Operations: get, put, delete, incr, append, touch, persist.',
      example: {
        operations: [
          { op: 'put', key: 'A', value: 'happy' },
          { op: 'get', key: 'A' },
        ],
      },
    },
    answers: { 200: 'One result for each operation, with the status that it alone would have had.' },
  })
  @HttpCode(200)
  batch(
    @Req() request: IncomingMessage,
    @Res({ passthrough: true }) response: ServerResponse,
    @QueryOf() query: Query,
  ): Promise<Reply> {
    checkNames(query, []);
    return this.batches.run(request, response);
  }

  @Post('txn')
  @Described({
    tag: 'many keys',
    summary: 'Compares and acts, atomically, on keys of one slot',
    parameters: [IDEMPOTENCY_KEY],
    body: {
      type: 'application/json',
      description: 'When every comparison holds, `then` happens, otherwise `else`.',
      example: {
        compare: [{ key: '{a}lock', ifNoneMatch: '*' }],
        then: [{ op: 'put', key: '{a}lock', value: 'mine', ttl: 10 }],
        else: [{ op: 'get', key: '{a}lock' }],
      },
    },
    answers: { 200: 'Whether the comparisons held, and what became of the operations.' },
  })
  @HttpCode(200)
  transact(
    @Req() request: IncomingMessage,
    @Res({ passthrough: true }) response: ServerResponse,
    @QueryOf() query: Query,
  ): Promise<Reply> {
    checkNames(query, []);
    return this.transactions.run(request, response);
  }

  @Post('import')
  @Described({
    tag: 'many keys',
    summary: 'Stores one value for each line of NDJSON',
    body: {
      type: 'application/x-ndjson',
      description:
        'Lines of key or key64, value or value64, and if wanted contentType and ttl, ttlMs or expireAtMs.',
      example: '{"key":"A","value":"happy"}',
    },
    answers: { 200: 'Lines of progress, and a summary that names the first bad lines.' },
    produces: ['application/x-ndjson'],
  })
  @HttpCode(200)
  import(
    @Req() request: IncomingMessage,
    @Res({ passthrough: true }) response: ServerResponse,
    @QueryOf() query: Query,
  ): StreamableFile {
    return this.imports.run(request, response, query);
  }

  @Get('export')
  @Described({
    tag: 'many keys',
    summary: 'All keys and values, or those of a range, as an import takes them',
    parameters: RANGE_PARAMETERS,
    answers: { 200: 'Lines in key order; the last says whether it is complete.' },
    produces: ['application/x-ndjson'],
  })
  export(
    @Res({ passthrough: true }) response: ServerResponse,
    @QueryOf() query: Query,
  ): Promise<StreamableFile> {
    return this.listing.export(response, query);
  }
}
